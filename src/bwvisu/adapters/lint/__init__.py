"""What is wrong with an application bundle, before users see it.

Law: nothing of a bundle is executed.  Scripts are rendered with example values and shown to the shell's own parser
(``bash -n``) and to shellcheck; pictures are read by a parser that resolves nothing.
"""

from bwvisu.adapters.lint.bundle import Report, lint
from bwvisu.adapters.lint.findings import Finding, Level

__all__ = ["Finding", "Level", "Report", "lint"]
