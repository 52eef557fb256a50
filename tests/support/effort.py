"""How hard property tests and fuzzers try: a share of what the hypothesis profile in force asks for."""

from typing import Any

from hypothesis import settings


def effort(share: float = 1.0, **options: Any) -> settings:
    """Settings for ``share`` of the profile's examples (100 where no other profile was loaded), without a deadline."""
    examples = max(1, round(settings().max_examples * share))
    return settings(max_examples=examples, deadline=None, **options)
