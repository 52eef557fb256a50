"""A site's own colours: whether words in them, and on them, can be read.  Pure."""

from bwvisu.settings.types import matching

LIGHT_GROUND = "#f6f5f1"
"""Of `portal.css`, the darkest on which a link stands in the light; words on buttons are white, which is easier."""
DARK_GROUND = "#18242a"
"""... and the lightest on which one stands in the dark; words on buttons are darker, which is easier."""
ENOUGH = 4.5
"""Contrast of plain text: WCAG 2.2, success criterion 1.4.3, level AA."""
STEPS = 100

COLOUR = matching(r"#[0-9a-fA-F]{6}", "a colour such as #1d4ed8")


def contrast(one: str, other: str) -> float:
    """From 1, not to be told apart, to 21, black on white: WCAG's "contrast ratio"."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable_in_the_light(colour: str) -> str:
    """The colour itself.  Raises ValueError, which names one that would do."""
    return _readable(colour, LIGHT_GROUND, towards=0, wanted="darker")


def readable_in_the_dark(colour: str) -> str:
    """The colour itself.  Raises ValueError, which names one that would do."""
    return _readable(colour, DARK_GROUND, towards=255, wanted="lighter")


def _readable(colour: str, ground: str, towards: int, wanted: str) -> str:
    found = contrast(colour, ground)
    if found >= ENOUGH:
        return colour
    mixed = (_mix(colour, towards, step / STEPS) for step in range(1, STEPS + 1))
    better = next(each for each in mixed if contrast(each, ground) >= ENOUGH)
    told = int(found * 10) / 10  # rounded down: 4.48 would read as enough
    raise ValueError(f"must be {wanted} to be read, e.g. {better}: its contrast is {told}:1, and 4.5:1 is needed")


def _mix(colour: str, towards: int, share: float) -> str:
    return "#" + "".join(f"{round(each + (towards - each) * share):02x}" for each in _channels(colour))


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it for sRGB."""
    red, green, blue = (_linear(each / 255) for each in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour.removeprefix("#")))
