"""``python -m bwvisu``: the same as the command ``bwvisu``."""

from bwvisu.cli import main

main()
