"""Every command of the program and its options, as its own help tells them: docs/commands.md."""

import re

import typer
from typer.cli import get_docs_for_click

from bwvisu.cli.exits import MEANINGS, epilog
from bwvisu.cli.program import app

PAGE = """\
# Every command

Drawn from the program's own help by `make docs`. [The command line](command-line.md) shows what to do with it.

## Exit codes

The same for every command.

| code | means |
| --- | --- |
{codes}

{commands}
"""


def render() -> str:
    """The page."""
    command = typer.main.get_command(app)
    told = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="bwvisu"), name="bwvisu")
    told = told.replace(f"{epilog()}\n\n", "")
    told = re.sub(r"^\* `--help`: .*\n", "", told, flags=re.MULTILINE)
    first, rest = re.split(
        r"(?m)^(?=## )", told, maxsplit=1
    )  # typer shows these two at other commands, which lack them
    told = first + re.sub(r"^\* `--(install|show)-completion`: .*\n", "", rest, flags=re.MULTILINE)
    told = re.sub(r"\*\*Options\*\*:\n\n(?!\*)", "", told)
    return PAGE.format(
        codes="\n".join(f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items()),
        commands=re.sub(r"\n{3,}", "\n\n", re.sub(r"^#", "##", told, flags=re.MULTILINE)).strip(),
    )
