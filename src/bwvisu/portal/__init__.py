"""Web pages for people: a client of the REST API and nothing else.

Law: no etcd, no SSH, no Slurm, no secret beyond its own token and its users' sessions.  The portal
imports neither services nor adapters nor reconcilers: what it needs and the API does not tell is missing
from the API.
"""
