"""The sandbox's decisions and renderings, without a cluster."""
