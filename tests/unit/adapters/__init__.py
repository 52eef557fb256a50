"""Mirrors ``src/bwvisu/adapters``."""
