"""The pure parts of the etcd adapter."""
