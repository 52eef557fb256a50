"""The whole service in one process against a simulated world, on a seeded schedule.

Real: reconcilers, leadership, API services, the keyhole's API and logic, planning, and every adapter down to the wire.
Doubles, each held to the part that it stands for by a contract suite that runs on both: etcd (`etcd`), Slurm and its
command nodes (`slurm`), gateways (`gateway`), SSH (`ssh`), clocks and the scheduler of asyncio (`loop`).

One number, the seed, decides everything: delays, losses, order, deaths.  `python -m tests.simulation SEED` replays one.
"""
