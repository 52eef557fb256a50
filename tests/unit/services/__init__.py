"""Mirrors ``src/bwvisu/services``."""
