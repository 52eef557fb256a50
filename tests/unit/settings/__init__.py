"""Mirrors ``src/bwvisu/settings``."""
