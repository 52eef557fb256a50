"""What tests of every suite may ask for."""

from hypothesis import settings

pytest_plugins = ["tests.support.cluster"]
settings.register_profile("heavy", max_examples=2_000, deadline=None)
