"""How to talk: etcd, SSH, Slurm, the batch script, bundles; one file or package per outside thing.

Law: an adapter translates and decides nothing about jobs.  A remote command is an argument builder and a
parser (both pure) around one wire; every call has a deadline; whatever comes from outside is hostile
until parsed; errors are wrapped here, with their cause; "could not look" is a value of its own.  Adapters
do not import planning.
"""
