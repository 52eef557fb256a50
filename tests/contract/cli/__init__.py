"""The command line over real HTTP and on real terminals.  With the real API: ``tests/contract/api/test_cli.py``."""
