"""Mirrors ``src/bwvisu/reconcilers``."""
