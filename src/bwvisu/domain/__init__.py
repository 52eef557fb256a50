"""What things are: jobs, their lifecycle, applications, clusters, observations.

Law: values and pure functions.  Nothing here reads a clock, opens a file, waits, or knows that Slurm, SSH
or etcd exist as programs; a time comes in as an argument.  Everybody may import it, it imports nobody of
ours but ``errors``.
"""
