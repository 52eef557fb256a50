"""Text that nothing can compress."""

import random
import string


def noise(size: int) -> str:
    """So many letters and digits, always the same."""
    return "".join(random.Random(size).choices(string.ascii_letters + string.digits, k=size))  # noqa: S311 no secret
