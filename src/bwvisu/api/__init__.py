"""REST: HTTP in, services called, HTTP out; every error a problem document.

Law: this package parses, authenticates, calls one service and renders.  It talks to etcd through services
and reaches neither SSH nor Slurm.  Secrets leave only by the one call that exists for it.
"""
