"""The batch script of a job: a template, the job's values, and no way for a value to become code.

Text never stands where the template puts it.  ``{{ title }}`` becomes ``"$bwvisu_value_0"``, and one block before the
script's first command assigns ``bwvisu_value_0='…'``, quoted in this one place.  Whatever surrounds the expression
(double quotes, a here-document, a command substitution), a shell expands it and never parses the value.  Whole
numbers, numbers and true/false stand as they are.

``#SBATCH`` lines are read by sbatch, which knows no variables: there text stands as it is and may hold only what
cannot end the option's value (`DIRECTIVE_TEXT`).
"""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bwvisu.adapters import directives
from bwvisu.domain.application import did_you_mean, pointer
from bwvisu.domain.job import Scalar
from bwvisu.errors import Fault, InvalidInput, OperatorError

LONGEST: Final = 1_000_000
"""Bytes of a script; Slurm's own limit is 4 MiB by default (`max_script_size` in slurm.conf(5))."""
SHELLS = re.compile(r"#!\s*(/usr)?/bin/(env +)?(bash|sh|dash|ksh|zsh)\b[^\r\n]*")
DIRECTIVE_TEXT = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._:/@+-]{0,254}")
"""Text that stays inside its option: sbatch splits at blanks, ends at ``#``, and reads quotes and backslashes (tried
with 22.05); a comma or ``=`` would begin a further item of the same option."""
KEYHOLE = re.compile(r"#KEYHOLE-REQUEST-PORTS[ \t]+([1-9][0-9]{0,4})[ \t]*")
_REFERENCE = re.compile(r'"\$bwvisu_value_([0-9]+)"')
_COLLECTOR = "bwvisu values"
_MOST_NAMES = 20
"""Unknown names that are told of one template."""
_FAILURES = (
    ArithmeticError, AttributeError, LookupError, MemoryError, NameError, RecursionError, TypeError, ValueError,
)  # fmt: skip
"""What an expression can raise: filters do not look at what they are given, and ``1e999`` is called ``inf``."""


class UnusableTemplate(OperatorError):
    """The template cannot be rendered; an administrator must mend it."""


@dataclass(frozen=True, slots=True)
class Access:
    """What protects the job's services.  In a template: by environment or a file of mode 0600, never an argument."""

    password: str = field(repr=False)
    view_password: str = field(default="", repr=False)
    """Opens the application for those who shall only see."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a template may know of its job, as ``job``."""

    id: str
    user: str
    application: str
    cluster: str


def render(
    template: str,
    parameters: Mapping[str, Scalar],
    job: JobFacts,
    access: Access,
    prologue: Callable[[int], str],
) -> str:
    """The script to give to sbatch: ``#!`` first, line feeds only, no NUL, at most `LONGEST` bytes.

    ``prologue`` gives the shell text that asks the keyhole for so many ports, if any, and runs the rest of the script.
    Raises `InvalidInput` where a value cannot stand in its place, `UnusableTemplate` where the template is at fault.
    """
    values: list[str] = []
    context = {**parameters, "job": job, "access": access, _COLLECTOR: values}
    compiled = _compiled(template)
    try:
        lines = _output(compiled.generate(context)).split("\n")
    except TemplateError as error:
        raise UnusableTemplate(f"job.sh.j2 cannot be rendered: {error}") from error
    except _FAILURES as error:
        raise UnusableTemplate(f"an expression of job.sh.j2 fails: {type(error).__name__}") from error
    lines = [_directive(line, values, parameters, access) for line in lines]
    _refuse(directives.problems(lines))
    return _encodable("\n".join(_assembled(lines, values, prologue)))


@lru_cache(maxsize=64)
def _compiled(template: str) -> Template:
    """Most of the time that a script takes; all jobs of an application have the same."""
    with _understood():
        return _ENVIRONMENT.from_string(template)


def ports_requested(lines: Iterable[str]) -> int:
    """N of the one keyhole line, 0 without one; raises `UnusableTemplate` for two, or for one that says nothing."""
    wanted = [line for line in lines if line.startswith("#KEYHOLE-REQUEST-PORTS")]
    if not wanted:
        return 0
    match = KEYHOLE.fullmatch(wanted[0])
    if len(wanted) > 1 or not match:
        raise UnusableTemplate("#KEYHOLE-REQUEST-PORTS N stands at most once, on a line of its own, N from 1")
    return int(match[1])


def problems(template: str, parameters: Iterable[str], ports: int) -> Sequence[str]:
    """What can be seen to be wrong with a template before any job is rendered, as sentences; empty: nothing."""
    known = {*parameters, "job", "access", *_ENVIRONMENT.globals}
    try:
        names, refused = _survey(template)
    except UnusableTemplate as error:
        return [str(error)]
    found = [
        f"job.sh.j2 uses {name}, which is no parameter{did_you_mean(name, known)}"
        for name in sorted(names - known)[:_MOST_NAMES]
    ]
    found += [f"job.sh.j2, line {line}: this Jinja2 statement is not available" for line in refused]
    lines = template.split("\n")
    if not SHELLS.fullmatch(lines[0]):
        found.append("job.sh.j2 begins with #! and a shell, e.g. #!/bin/bash")
    if "\r" in template or "\0" in template:
        found.append("job.sh.j2 has line ends of another system, or NUL")
    return [*found, *directives.problems(lines), *_port_problems(lines, ports)]


def names_used(template: str) -> set[str]:
    """The names that a template takes from outside; raises `UnusableTemplate` for what is no template."""
    return _survey(template)[0]


def _survey(template: str) -> tuple[set[str], list[int]]:
    """The names that a template takes from outside, and the lines of statements that are not available.

    Nothing of it is evaluated: the optimizer, which folds constants however large, is left out.
    """
    with _understood():
        _ENVIRONMENT.from_string(template)  # knows filters and what Python's own compiler refuses
        tree = _ENVIRONMENT.parse(template)
        tracker = meta.TrackingCodeGenerator(_ENVIRONMENT)
        tracker.optimizer = None
        tracker.visit(tree)
        return tracker.undeclared_identifiers, [node.lineno for node in tree.find_all(_REFUSED)]


@contextmanager
def _understood() -> Iterator[None]:
    """Whatever Jinja2's and Python's compilers have against a template, as `UnusableTemplate`."""
    try:
        yield
    except TemplateSyntaxError as error:
        raise UnusableTemplate(f"job.sh.j2, line {error.lineno}: {error.message}") from error
    except (MemoryError, RecursionError, SyntaxError) as error:
        raise UnusableTemplate("job.sh.j2 is nested too deeply") from error
    except ValueError as error:
        raise UnusableTemplate("job.sh.j2 holds a number of too many digits") from error


def _port_problems(lines: Sequence[str], ports: int) -> list[str]:
    requests = [line for line in lines if line.startswith("#KEYHOLE-REQUEST-PORTS")]
    if any("{{" in line for line in requests):
        return []  # known only when rendered
    try:
        requested = ports_requested(lines)
    except UnusableTemplate as error:
        return [f"job.sh.j2: {error}"]
    if requested < ports:
        return [f"app.yaml declares {ports} ports, but job.sh.j2 requests {requested}"]
    return []


@pass_context
def _finalize(context: Context, value: object) -> object:
    """What an expression leaves in the script.  Called for every expression, also constant ones."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, StrictUndefined):
        return str(value)  # raises, naming the variable
    if not isinstance(value, str):
        raise UnusableTemplate(f"an expression of job.sh.j2 gives {type(value).__name__}, not text or a number")
    if any(character in value for character in "\0\r\n"):
        raise InvalidInput([Fault("/parameters", "a value holds a line end or NUL")])
    values: list[str] = context[_COLLECTOR]
    if value not in values:
        values.append(str(value))
    return f'"$bwvisu_value_{values.index(value)}"'


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        finalize=_finalize,
        optimized=False,
        autoescape=False,  # HTML's escapes mean nothing to a shell; see the module's docstring
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        comment_start_string="{{!",  # as in mustache; Jinja2's own would swallow bash's ${#array[@]}
        comment_end_string="}}",
    )
    environment.globals = {"range": environment.globals["range"]}
    return environment


_ENVIRONMENT = _environment()
_REFUSED: tuple[type[nodes.Node], ...] = (
    nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.AssignBlock, nodes.Include, nodes.Import, nodes.FromImport,
    nodes.Extends, nodes.Block,
)  # fmt: skip
"""Statements that would finalize a text twice, or need further files."""


def _output(pieces: Iterator[str]) -> str:
    """The joined pieces, given up as soon as there are too many."""
    text, size = [], 0
    for piece in pieces:
        text.append(piece)
        size += len(piece)
        if size > LONGEST:
            raise UnusableTemplate(f"job.sh.j2 gives more than {LONGEST} characters")
    return "".join(text)


def _directive(line: str, values: Sequence[str], parameters: Mapping[str, Scalar], access: Access) -> str:
    """An ``#SBATCH`` line with its values in place; any other line as it is."""
    if not line.startswith(directives.MARK):
        return line

    def stand(match: re.Match[str]) -> str:
        value = values[int(match[1])]
        if value and value in (access.password, access.view_password):
            raise UnusableTemplate(
                f"job.sh.j2 puts the password into an {directives.MARK} line, which squeue would show"
            )
        if DIRECTIVE_TEXT.fullmatch(value):
            return value
        names = [name for name, given in parameters.items() if given == value]
        detail = "may here hold only letters, digits and . _ : / @ + -, beginning with a letter, digit or /"
        raise InvalidInput(
            [Fault(pointer(name), f"{name} {detail}") for name in names] or [Fault("/parameters", detail)]
        )

    return _REFERENCE.sub(stand, line)


def _assembled(lines: Sequence[str], values: Sequence[str], prologue: Callable[[int], str]) -> Iterator[str]:
    """The lines; before the first command the prologue and the values."""
    used = {int(index) for line in lines for index in _REFERENCE.findall(line)}
    first = prologue(ports_requested(lines)).rstrip("\n")
    block = [first] if first else []
    block += [f"bwvisu_value_{index}={shlex.quote(values[index])}" for index in sorted(used) if index < len(values)]
    for line in lines:
        if block and directives.is_command(line):
            yield from block
            block = []
        yield line


def _encodable(script: str) -> str:
    if not SHELLS.match(script):
        raise UnusableTemplate("the script does not begin with #! and a shell")
    if "\r" in script or "\0" in script:
        raise UnusableTemplate("the script has line ends of another system, or NUL")
    try:
        size = len(script.encode())
    except UnicodeEncodeError as error:
        raise InvalidInput([Fault("/parameters", "a value holds half a character")]) from error
    if size > LONGEST:
        raise UnusableTemplate(f"the script is longer than {LONGEST} bytes")
    return script


def _refuse(found: Sequence[str]) -> None:
    if found:
        raise UnusableTemplate("; ".join(found))
