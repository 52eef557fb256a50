"""Fuzzing of what comes from outside: the keyhole's API, Slurm's output, application bundles.

Each fuzzer asserts what must hold whatever it sends: an answer of a known kind, and nothing stored, run or shown that
should not be.  How long they look is the hypothesis profile's business (``tests.support.effort``).
"""
