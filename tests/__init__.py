"""The tests: ``unit`` mirrors ``src``; ``contract`` and ``cluster`` run against real parts."""
