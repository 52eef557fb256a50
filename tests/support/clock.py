"""A clock that a test sets."""


class Clock:
    """Says ``now``, in seconds since 1970, until the test says otherwise."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now
