"""The client as a real process of several Pythons and shells, against the real API."""
