"""A bundle's scripts for many example values: whether they can be rendered, and what shells say of them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bwvisu.adapters import batch_script
from bwvisu.adapters.bundles import Bundle
from bwvisu.adapters.lint import shells
from bwvisu.adapters.lint.findings import Finding, error, warning
from bwvisu.domain.application import Application, pointer
from bwvisu.domain.examples import Example, NoExample, examples, tame
from bwvisu.domain.job import Scalar
from bwvisu.errors import InvalidInput, OperatorError

TEMPLATE = "job.sh.j2"
_FACTS = {"id": "01jd00000000000000000000aa", "user": "alice", "cluster": "main"}
_ACCESS = batch_script.Access("example2password", "example2view")  # opens nothing
_VALUE = re.compile(r"bwvisu_value_[0-9]+=")
_HOLE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")


@dataclass(slots=True)
class Renderings:
    """All scripts of a bundle that could be rendered, and what was found on the way."""

    bundle: Bundle
    scripts: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @classmethod
    def of(cls, bundle: Bundle) -> "Renderings":
        """With every example's values."""
        renderings = cls(bundle)
        for application in _as_everywhere(bundle.application):
            try:
                tries = examples(application)
            except NoExample as error:
                why = (
                    f"no value that its pattern lets pass is known for {error}; a default (with required: true) is one"
                )
                renderings.findings.append(warning("no-example", "app.yaml", why))
                continue
            for example in tries:
                renderings._try(application, example)
        renderings.findings = list(dict.fromkeys(renderings.findings))
        return renderings

    def judge(self) -> Iterator[Finding]:
        """What shells say; what says so itself, and missing tools, as findings too."""
        for remark in self._remarks():
            text = _line(self.scripts[remark.script], remark.line)
            if _VALUE.match(text):
                continue  # our own line: the text in it is quoted, and is to mean nothing
            line = line_in(self.bundle.source.template, text)
            message = remark.message if line else f"{remark.message} {text.strip()[:80]}".strip()
            yield (error if remark.serious else warning)(remark.rule, TEMPLATE, message, line)

    def _remarks(self) -> Iterator[shells.Remark]:
        yield from shells.syntax(self.scripts)
        program = shells.shellcheck()
        if program is not None:
            yield from shells.style(program, self.scripts)

    def _try(self, application: Application, example: Example) -> None:
        try:
            try:
                self._render(example)
            except InvalidInput as refused:
                self._render(self._tamed(application, example, refused))
        except (InvalidInput, OperatorError) as why:
            self.findings.append(error("render", TEMPLATE, f"with {example.what}: {why}"))

    def _tamed(self, application: Application, example: Example, refused: InvalidInput) -> Example:
        """Where a text was refused that the declaration lets pass: the users' own will be, too."""
        pointers = {fault.pointer for fault in refused.faults}
        names = [name for name in application.parameters if pointer(name) in pointers]
        calm = {name: tame(name, application.parameters[name]) for name in names}
        for name in names:  # others may have had the same text, and stand elsewhere
            value = example.values[name]
            if not self._takes({**example.values, **calm, name: value}):
                why = f"{name} may be {str(value)[:40]!r}, and is refused then: it stands in an #SBATCH line"
                self.findings.append(warning("directive-text", "app.yaml", why))
        return Example(example.what, {**example.values, **calm})

    def _takes(self, values: Mapping[str, Scalar]) -> bool:
        try:
            self._script(values, [])
        except InvalidInput:
            return False
        return True

    def _render(self, example: Example) -> None:
        asked: list[int] = []
        script = self._script(example.values, asked)
        wanted = len(self.bundle.application.ports)
        if sum(asked) < wanted and not any(each.rule == "ports" for each in self.findings):
            told = f"with {example.what} the script asks for {sum(asked)} ports; app.yaml declares {wanted}"
            self.findings.append(error("ports", TEMPLATE, told))
        if not any(_alike(script, other) for other in self.scripts):
            self.scripts.append(script)

    def _script(self, values: Mapping[str, Scalar], asked: list[int]) -> str:
        """The script; ``asked`` is told for how many ports it asks."""

        def ports(number: int) -> str:
            asked.append(number)
            if not number:
                return ""
            return f'eval "$(keyhole-client {number})"'  # so that shellcheck does not know what it sets

        facts = batch_script.JobFacts(application=self.bundle.name, **_FACTS)
        return batch_script.render(self.bundle.source.template, values, facts, _ACCESS, ports)


def _line(script: str, number: int) -> str:
    """Its text; empty where there is none: shells also speak of the line after the last one."""
    lines = script.split("\n")
    return lines[number - 1] if 1 <= number <= len(lines) else ""


def line_in(template: str, text: str) -> int | None:
    """The line of a template that a rendered line comes from; None where that is not plain."""
    if not text.strip():
        return None
    lines = template.split("\n")
    exact = [number for number, line in enumerate(lines, 1) if line.strip() == text.strip()]
    found = exact or [number for number, line in enumerate(lines, 1) if _HOLE.search(line) and _may_give(line, text)]
    return found[0] if len(found) == 1 or exact else None


def _may_give(line: str, text: str) -> bool:
    """Whether the parts around a line's expressions stand in the text, in their order."""
    parts = [part for part in _HOLE.split(line) if part.strip()]
    place = 0
    for part in parts:
        place = text.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return bool(parts)


def _as_everywhere(application: Application) -> Sequence[Application]:
    """As declared, and as each cluster has it that differs."""
    clusters = {cluster: None for each in application.parameters.values() for cluster in each.narrower}
    return [application, *(application.on(cluster) for cluster in clusters)]


def _alike(one: str, other: str) -> bool:
    """But for the texts that are assigned, which no shell parses."""
    return _without_values(one) == _without_values(other)


def _without_values(script: str) -> list[str]:
    return [line for line in script.split("\n") if not _VALUE.match(line)]
