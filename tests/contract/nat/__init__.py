"""The leader's side of the keyhole against real packet filters, in throwaway network namespaces."""
