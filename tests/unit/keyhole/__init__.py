"""The keyhole's parts, each alone."""
