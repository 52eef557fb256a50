"""All that can be said of a bundle's folder."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bwvisu.adapters import batch_script
from bwvisu.adapters.bundles import BrokenBundle, Bundle, read_bundle
from bwvisu.adapters.lint import icon, shells
from bwvisu.adapters.lint.findings import Finding, Level, error, warning
from bwvisu.adapters.lint.renderings import TEMPLATE, Renderings

_FILES = re.compile(r"app\.yaml|job\.sh\.j2|[A-Za-z0-9._-]+\.svg")
_ANY_PORT = re.compile(r"KEYHOLE_PORT(?:\$|\{\{|\"\$)|KEYHOLE_PORT[@*]|\$\{!KEYHOLE_PORT")


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, errors first."""

    name: str
    findings: tuple[Finding, ...]
    scripts: int
    """Different scripts that were rendered and read."""
    shellchecked: bool

    def is_good(self, *, strict: bool) -> bool:
        """Whether users may see it; ``strict``: warnings count, too."""
        return not (self.findings if strict else [each for each in self.findings if each.level is Level.ERROR])


def lint(folder: Path) -> Report:
    """Look at everything in a bundle's folder; nothing of it is executed."""
    folder = folder.resolve()
    found: list[Finding] = [*_readme(folder)]
    scripts, checked = 0, shells.shellcheck() is not None
    try:
        bundle = read_bundle(folder)
    except BrokenBundle as broken:
        found += map(_broken, broken.problems)
    else:
        renderings = Renderings.of(bundle)
        scripts = len(renderings.scripts)
        found += [
            *_picture(bundle),
            *_unused(bundle),
            *_ports(bundle),
            *_view_only(bundle),
            *renderings.findings,
            *renderings.judge(),
        ]
        found += _tools(renderings)
    unique = sorted(dict.fromkeys(found), key=lambda each: (each.level, each.file, each.line or 0))
    return Report(folder.name, tuple(unique), scripts, checked and scripts > 0)


def _broken(problem: str) -> Finding:
    file = _FILES.search(problem)
    line = re.match(r"job\.sh\.j2, line (\d+)", problem)
    return error("bundle", file[0] if file else ".", problem, int(line[1]) if line else None)


def _readme(folder: Path) -> Iterator[Finding]:
    path = folder / "README.md"
    if not path.is_file() or not path.stat().st_size:
        yield warning("readme", "README.md", "is not there: it says what an administrator must install")


def _picture(bundle: Bundle) -> Iterator[Finding]:
    name = bundle.application.icon
    for problem in icon.problems(bundle.icon):
        yield error("icon", name, f"{name} {problem}")


def _unused(bundle: Bundle) -> Iterator[Finding]:
    parameters = bundle.application.parameters
    used = batch_script.names_used(bundle.source.template)
    used |= {other for parameter in parameters.values() for other in parameter.when}
    for name in parameters:
        if name not in used:
            yield warning("unused", "app.yaml", f"the parameter {name} is asked, and {TEMPLATE} does not use it")


def _ports(bundle: Bundle) -> Iterator[Finding]:
    template, ports = bundle.source.template, bundle.application.ports
    requested = max((int(each) for each in batch_script.KEYHOLE.findall(template)), default=0)
    for index, port in enumerate(ports):
        if not re.search(rf"KEYHOLE_PORT{index}\b", template) and not _ANY_PORT.search(template):
            yield warning("ports", TEMPLATE, f"nothing listens on KEYHOLE_PORT{index}, the port {port.name}")
    for index in sorted({int(each) for each in re.findall(r"KEYHOLE_PORT([0-9]{1,5})\b", template)}):
        if requested and index >= requested:
            yield error("ports", TEMPLATE, f"uses KEYHOLE_PORT{index}, and asks for {requested} ports only")


def _view_only(bundle: Bundle) -> Iterator[Finding]:
    takes = "view_password" in bundle.source.template
    if bundle.application.view_only and not takes:
        yield error("view-only", TEMPLATE, "app.yaml says view_only, and nothing here takes access.view_password")
    if takes and not bundle.application.view_only:
        yield warning("view-only", "app.yaml", f"{TEMPLATE} takes access.view_password, and view_only is not said here")


def _tools(renderings: Renderings) -> Iterator[Finding]:
    if shells.shellcheck() is None:
        yield warning("no-shellcheck", TEMPLATE, "shellcheck is not installed here: half of what it finds stays unseen")
    for shell in sorted({shells.dialect(script) for script in renderings.scripts} - set(shells.CHECKED)):
        yield warning("no-shellcheck", TEMPLATE, f"shellcheck does not know {shell}")
