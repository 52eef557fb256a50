"""Keyhole: a running job asks for a hole, a gateway opens it.

Law: keyhole knows forwards, gateways, NAT and signatures; it knows neither Slurm nor etcd nor bwVisu, and
imports nothing of ``bwvisu``: what it needs from its host are the Protocols in ``interfaces``.
``domain``, ``allocation`` and ``nat`` are pure.  ``client`` travels as text inside a batch script: one
file, the standard library, Python 3.6.
"""
