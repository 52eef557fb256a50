"""Texts that no shell, sbatch or template may understand, another one at each run: they come of a seed that is told."""

import os
import random

PIECES: tuple[str, ...] = (
    *"'\"\\$`;&|<>(){}[]*?#!~-=%^+@ a0",
    *("$(touch pwned)", "`touch pwned`", "; touch pwned;", "|touch pwned", ">pwned", "${HOME}", "$HOME", "$1", "$$"),
    *("$bwvisu_value_0", '"$bwvisu_value_0"', "$'\\x27'", "\\x27", "\\n", "%s", "!!", "{a..c}", "[a-z]", "  ", "--"),
    *("{{ 7*7 }}", "{% if %}", "{{! ", "}}", "{% raw %}", "#SBATCH --array=1-9", "#KEYHOLE-REQUEST-PORTS 9", "%A"),
    *(
        "EOF",
        "HTML",
        "JSON",
        "<<EOF",
        "é",
        "e\u0301",
        "日本",
        "\U0001f600",
        "\u00a0",
        "\u202e",
        "\u200b",
        "\ufeff",
        "ß",
    ),
)
"""Shells, `printf`, here-documents, our own quoting, Jinja2, sbatch's patterns; what is no ASCII, and what is not seen.

Neither ``/``, ``:`` nor ``,``: each text is the name of a folder, too, that a container may be given.
"""
LONGEST = 180
"""Bytes; a name of a file has 255 at most."""
SEED = int(os.environ.get("HOSTILE_SEED") or random.SystemRandom().getrandbits(32))
"""Of this run; the variable brings back one that failed."""


def drawn(seed: int) -> str:
    """A text of a dozen pieces or so that may be a path: it begins neither with ``-`` nor with ``~``."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    text = chance.choice([piece for piece in PIECES if piece[0] not in "-~"])
    for piece in chance.choices(PIECES, k=chance.randint(6, 24)):
        if len((text + piece).encode()) <= LONGEST:
            text += piece
    return text
