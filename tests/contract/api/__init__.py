"""The REST API over a real web server and a real etcd; only the leader is played."""
