"""The command line: for people by default, for programs with ``--json``.

Law: a command parses, calls one thing and prints; it holds no rules of its own.  What a command needs is imported
when it runs, so that ``--help`` is quick.  Errors of our tree become one line on stderr and an exit code (the table is
`exits.MEANINGS`), never a traceback.  What others wrote reaches the terminal through `output.plain` only.
"""

from bwvisu.cli.program import main

__all__ = ["main"]
