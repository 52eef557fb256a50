"""Mirrors ``src/bwvisu/api``."""
