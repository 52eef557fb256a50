"""bwVisu: interactive applications on an HPC cluster, one Slurm job and its forwards per request.

The API writes what is wanted to etcd; a leader looks at the world, plans purely, acts idempotently and
writes what it saw; everything a user is shown is computed from the two.

Law: imports point down only (``cli, sandbox -> api | portal | reconcilers -> services -> planning |
adapters -> domain``), and ``bwvisu`` imports ``keyhole``, never the reverse.  ``errors`` lies below
everything, ``settings`` below the adapters, ``roles`` is the wiring.  The contracts are in
``.importlinter``; ``make check`` holds them.
"""
