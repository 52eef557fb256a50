"""On request: submit, cancel, list, connect, as functions of the state.

Law: a service reads and writes etcd and nothing else: no SSH, no Slurm, no HTTP.  It records what is
wanted and leaves the doing to the leader.  It knows nothing of the protocol by which it was asked.
"""
