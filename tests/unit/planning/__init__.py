"""Decisions of the planner, one sentence of the specification each."""
