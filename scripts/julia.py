"""A Julia set for a terminal: each character is two points, one above the other.  For the pictures of the README."""

import math

COLUMNS, ROWS, FINE = 115, 46, 3
SIZE = 0.0325  # of a point; its colour is the mean over FINE x FINE places within
SEED = complex(-0.8, 0.156)
STEPS, FAR = 150, 20.0
PALETTE = ((4, 12, 36), (10, 60, 90), (20, 160, 160), (250, 230, 170), (240, 120, 60), (60, 16, 60))


def colour(z: complex) -> list[float]:
    """Red, green and blue by how fast a place goes away."""
    for step in range(STEPS):
        if abs(z) > FAR:
            return shade(0.7 * math.sqrt(step + 1 - math.log2(math.log(abs(z)))))
        z = z * z + SEED
    return shade(0)


def shade(place: float) -> list[float]:
    """The palette, which goes round, at a place between two of its colours."""
    first, part = int(place), place % 1
    here, there = PALETTE[first % len(PALETTE)], PALETTE[(first + 1) % len(PALETTE)]
    return [a + (b - a) * part for a, b in zip(here, there, strict=True)]


def point(column: int, row: int) -> str:
    """A point's colour, as terminals take it."""
    thirds = [(third + 0.5) / FINE for third in range(FINE)]
    places = [complex((column + x - COLUMNS / 2) * SIZE, (row + y - ROWS / 2) * SIZE) for x in thirds for y in thirds]
    return ";".join(str(round(sum(channel) / len(places))) for channel in zip(*map(colour, places), strict=True))


def main() -> None:
    """Draw it."""
    for row in range(0, ROWS, 2):
        pairs = ((point(column, row), point(column, row + 1)) for column in range(COLUMNS))
        print("".join(f"\x1b[38;2;{upper};48;2;{lower}m▀" for upper, lower in pairs), end="\x1b[0m\n")


if __name__ == "__main__":
    main()
