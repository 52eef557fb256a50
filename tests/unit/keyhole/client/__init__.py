"""Decisions of the client, as pure functions."""
