"""The command blocks of the documents: who carries each of them out, and which of them nobody can.

usage: blocks.py

A block of shell (bash, sh, console) has a comment on the line before it, or its page has a line in `PAGES`:

===========================  =====================================================================
``<!-- run by: FILE -->``    this test carries it out, word for word
``<!-- tried by: FILE -->``  this test runs its commands, in other words (its output is an example)
``<!-- needs: WHAT -->``     one of `NEEDS`, which no test has
===========================  =====================================================================

Whoever runs a page word for word must read it, so the test's text names the page.
"""

import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from bwvisu.cli.program import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"docs/api.md": ("run by", "tests/clients/test_examples.py")}
"""What holds of all blocks of a page that say nothing themselves."""
GENERATED = {"docs/commands.md"}
"""Its blocks are synopses, drawn from the commands themselves."""
KINDS = ("run by", "tried by", "needs")
NEEDS = {"kubernetes", "a container engine"}
_BLOCK = re.compile(r"(?:^ *<!-- ([a-z ]+): ([^\n]*) -->\n)?^ *```([a-z]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SHELLS = {"bash", "sh", "console"}
_BARE = re.compile(r"^\s*(bwvisu|kubectl|helm|docker|etcdctl|etcdutl|pip) +[a-z]", re.MULTILINE)
"""Commands, in a block that does not say that it holds some."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a page, and what its comment says; ``kind`` is empty where there is none."""

    page: str
    line: int
    kind: str
    told: str
    text: str

    def fault(self) -> str:
        """What is wrong with it; empty: nothing."""
        if self.kind not in KINDS:
            return "nobody says who carries it out"
        if self.kind == "needs":
            return "" if self.told in NEEDS else f"it needs {self.told}, which a test can have"
        path = ROOT / self.told
        if not path.is_file():
            return f"there is no {self.told}"
        if self.kind == "run by" and Path(self.page).name not in path.read_text():
            return f"{self.told} does not read it"
        return ""


def pages() -> list[str]:
    """README, CONTRIBUTING, the documents, and the bundles' own pages."""
    listing = ("git", "ls-files", "*.md")
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    ours = re.compile(r"[A-Z]+\.md|docs/[^/]+\.md|job_templates/[^/]+/README\.md")
    return [name for name in names if ours.fullmatch(name) and name not in GENERATED]


def blocks() -> Iterator[Block]:
    """Every command block of every page."""
    for page in pages():
        text = (ROOT / page).read_text()
        for found in _BLOCK.finditer(text):
            kind, told, language, inside = found.groups()
            if language in _SHELLS or (not language and _BARE.search(inside)):
                default = PAGES.get(page, ("", ""))
                line = text.count("\n", 0, found.start()) + 1
                yield Block(page, line, *((kind, told) if kind else default), inside)


def commands(text: str) -> Iterator[list[str]]:
    """The words of each ``bwvisu …`` of a block."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"[$#] |&& |\|\| |\||;|\$\(", line):
            if re.match(r"\s*bwvisu +[a-z]", part):
                try:
                    yield shlex.split(part.partition(" # ")[0].partition(")")[0].partition(">")[0])[1:]
                except ValueError:
                    yield part.split()[1:]


def unknown(words: list[str]) -> str:
    """The first word of a command line that the program does not know; empty: it knows all."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "get_command") and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        command = command.get_command(None, name)
        if command is None:
            return name
    options = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    given = [word.partition("=")[0] for word in _until_another_program(rest) if word.startswith("--")]
    return next((word for word in given if word not in options), "")


def _until_another_program(words: list[str]) -> list[str]:
    return words[: words.index("--")] if "--" in words else words


def main() -> int:
    """Count them, and name what is wrong; 1 where something is."""
    every = list(blocks())
    faults = [f"{each.page}:{each.line}: {fault}" for each in every if (fault := each.fault())]
    print("\n".join([*faults, *(f"{kind}: {count}" for kind, count in sorted(Counter(b.kind for b in every).items()))]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
