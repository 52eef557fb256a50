"""What a `Store` promises, its mirror and leadership upon it, asked of real etcd and of the simulated one.

`conftest` names the stores on which the suite runs; files whose name begins with ``test_real`` are about
processes, certificates and members and run on real etcd only.
"""
