"""What tests of every suite may ask for."""

from hypothesis import settings

pytest_plugins = ["tests.support.cluster"]
settings.register_profile("heavy", max_examples=2_000, deadline=None)
# Hypothesis gives each example 200 ms of wall-clock time otherwise: less than a busy machine may stand still.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
