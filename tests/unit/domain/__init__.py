"""Mirrors ``src/bwvisu/domain``."""
