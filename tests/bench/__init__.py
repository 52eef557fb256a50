"""Measurements: `make bench` prints them; none of them fails for being slow on a busy machine."""
