"""Mirrors ``src/bwvisu/cli``."""
