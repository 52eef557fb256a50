"""``submit.yml.erb``: what Slurm is asked for, as ``#SBATCH`` lines; and which of its kinds the application is."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bwvisu.adapters import directives, strict_yaml
from bwvisu.adapters.ondemand.erb import Kind, pieces
from bwvisu.adapters.ondemand.jinja import Translator
from bwvisu.adapters.ondemand.notes import Notes
from bwvisu.adapters.ondemand.ruby import Names
from bwvisu.adapters.ondemand.terms import Term

OPTIONS = {
    "queue_name": "partition",
    "accounting_id": "account",
    "reservation_id": "reservation",
    "qos": "qos",
    "gpus_per_node": "gpus-per-node",
}
"""Keys of ``script:`` whose value is that of one option of sbatch."""
_PLAIN = re.compile(r"[A-Za-z0-9._:/@+=,%&*\[\]-]*")
"""Text that sbatch reads as it stands, within an option's value."""
_CLOCK = re.compile(r"[0-9]{1,4}(:[0-9]{2}){1,2}|[0-9]{1,3}-[0-9]{1,2}(:[0-9]{2}){0,2}")


@dataclass(slots=True)
class Submission:
    """What ``submit.yml`` comes to."""

    lines: list[str] = field(default_factory=list)
    """Of the template."""
    kind: str = "basic"
    """``basic``, or one of those that start a VNC server."""
    has_time: bool = False
    options: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Reader:
    translator: Translator
    notes: Notes
    file: str
    values: dict[str, Term] = field(default_factory=dict)
    statements: dict[str, str] = field(default_factory=dict)
    mark: str = "OODVALUE"

    def plain(self, text: str) -> str:
        """YAML with a word in the place of every value, and an item of a list in that of every statement."""
        while self.mark in text:
            self.mark += "Q"
        out = ""
        for piece in pieces(text):
            word = f"{self.mark}{len(self.values) + len(self.statements)}E"
            if piece.kind is Kind.TEXT:
                out += piece.text
            elif piece.kind is Kind.VALUE:
                self.values[word] = self.translator.value(piece.text, piece.line)
                out += word
            else:
                self.statements[word] = self.translator.statement(piece)
                out = f"{out.rstrip(' ')}\n{self._indent(out)}- {word}\n"
        return re.sub(r"\n\s*\n", "\n", out)

    def _indent(self, before: str) -> str:
        """As the last item of a list has it."""
        items = re.findall(r"^( *)- ", before, re.MULTILINE)
        return items[-1] if items else "    "

    def line(self, option: str, value: object) -> str | None:
        """An ``#SBATCH`` line; None, and a note, where it cannot be one."""
        text = str(value)
        parts = re.split(f"({self.mark}[0-9]+E)", text)
        if not all(part in self.values or _PLAIN.fullmatch(part) for part in parts):
            self.notes.say(self.file, "sbatch would not read this as it stands; write it by hand", f"{option} {text}")
            return None
        told = "".join(f"{{{{ {self.values[part].text} }}}}" if part in self.values else part for part in parts)
        return f"{directives.MARK} {option}{told}"


def read(file: str, text: str, names: Names, notes: Notes) -> Submission:
    """What is asked for, as far as it is understood."""
    reader = _Reader(Translator(file, names, notes), notes, file)
    found, before = Submission(), len(notes.found)
    try:
        data = strict_yaml.load(reader.plain(text))
    except strict_yaml.NotUnderstood as why:
        del notes.found[before:]
        notes.say(file, f"not understood; write its #SBATCH lines by hand: {why}")
        return found
    data = data if isinstance(data, dict) else {}
    connect, script = data.get("batch_connect"), data.get("script")
    if isinstance(connect, dict):
        found.kind = str(connect.get("template", "basic"))
        for key in connect.keys() - {"template", "conn_params"}:
            notes.say(file, f"batch_connect: {str(key)[:40]!r} has no counterpart", str(connect[key]))
    for key, value in (script if isinstance(script, dict) else {}).items():
        _script_key(found, reader, key, value)
    for key in data.keys() - {"batch_connect", "script", "cluster"}:
        notes.say(file, f"{key[:40]!r} has no counterpart", str(data[key]))
    return found


def _script_key(found: Submission, reader: _Reader, key: str, value: object) -> None:
    if key == "native":
        found.lines += _native(found, reader, value)
    elif key == "wall_time":
        line = _time(reader, value)
        found.has_time = line is not None
        found.lines += [line] if line else []
    elif key in OPTIONS:
        line = reader.line(f"--{OPTIONS[key]}=", value)
        found.options.add(OPTIONS[key])
        found.lines += [line] if line else []
    else:
        reader.notes.say(reader.file, f"script: {key[:40]!r} has no counterpart", str(value))


def _time(reader: _Reader, value: object) -> str | None:
    """Seconds there, minutes here."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{directives.MARK} --time={max(1, -(-value // 60))}"
    term = reader.values.get(str(value))
    if term is not None and term.type == "int":
        return f"{directives.MARK} --time={{{{ ({term.text} + 59) // 60 }}}}"
    if _CLOCK.fullmatch(str(value)):
        return f"{directives.MARK} --time={value}"
    reader.notes.say(reader.file, "this wall_time is not understood", str(value))
    return None


def _native(found: Submission, reader: _Reader, value: object) -> Iterator[str]:
    """The words of an sbatch command line; an option and its value are two of them, or one."""
    words = [*map(str, value if isinstance(value, list) else str(value).split())]
    while words:
        word = words.pop(0)
        if word in reader.statements:
            yield reader.statements[word]
        elif not word.startswith("-"):
            reader.notes.say(reader.file, "is no option of sbatch", word)
        elif words and words[0] not in reader.statements and not words[0].startswith("-"):
            yield from _option(found, reader, word + ("=" if word.startswith("--") else " "), words.pop(0))
        else:
            yield from _option(found, reader, word, "")
    yield from reader.translator.left_open()


def _option(found: Submission, reader: _Reader, option: str, value: str) -> Iterator[str]:
    match = re.fullmatch(r"(--?[A-Za-z][A-Za-z0-9-]*)([ =]?)(.*)", option + value, re.DOTALL)
    line = reader.line(match[1] + match[2], match[3]) if match else None
    if match is None or line is None:
        return
    problems = directives.problems([line])
    if problems:
        reader.notes.say(reader.file, problems[0].partition(": ")[2], option + value)
        return
    found.options.add(_LONG.get(match[1], match[1].removeprefix("--")))
    yield line


_LONG: Mapping[str, str] = {"-t": "time", "-p": "partition", "-A": "account", "-N": "nodes", "-n": "ntasks"}
