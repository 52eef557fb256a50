"""Mirrors ``src/bwvisu/doctor``: what is judged of what was seen."""
