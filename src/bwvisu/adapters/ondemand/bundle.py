"""A whole application of Open OnDemand as the files of a bundle of ours, with all that must be looked at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from bwvisu.adapters import batch_script, strict_yaml
from bwvisu.adapters.bundles import BrokenBundle, Source
from bwvisu.adapters.lint import icon
from bwvisu.adapters.ondemand import form, job, submit, view
from bwvisu.adapters.ondemand.notes import Note, Notes
from bwvisu.adapters.ondemand.ruby import Names
from bwvisu.domain.application import NAME

FORMS = ("form.yml", "form.yml.erb")
SUBMITS = ("submit.yml.erb", "submit.yml")
VIEWS = ("view.html.erb", "view.html")
ICON = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">
  <rect x="6" y="10" width="52" height="44" rx="6" fill="none" stroke="#46606e" stroke-width="4"/>
  <path d="M6 22h52" stroke="#46606e" stroke-width="4"/>
</svg>
"""


@dataclass(frozen=True, slots=True)
class Imported:
    """The bundle, and file by file what became of the foreign ones."""

    files: Mapping[str, str]
    notes: tuple[Note, ...]
    sources: Mapping[str, str]
    """Foreign file -> what became of it, in a few words."""


def translate(name: str, files: Mapping[str, str | None]) -> Imported:
    """The files of the bundle ``name`` from those of a batch-connect application; None: not read."""
    notes = Notes()
    manifest = _manifest(files, notes)
    form_file, form_text = _first(files, FORMS, notes)
    asked = form.read(form_file, form_text, notes) if form_text else form.Form()
    submit_file, submit_text = _first(files, SUBMITS, notes)
    names = Names(asked.names)
    submission = submit.read(submit_file, submit_text, names, notes) if submit_text else submit.Submission()
    connect, ports = _way_in(files, submission, notes)
    template = job.template(files, asked, submission, notes)
    app = _app(name, manifest, asked, connect, ports)
    picture = _picture(files, notes)
    _judge(name, app, template, len(ports), notes)
    sources = {file: _became(file, text, notes) for file, text in files.items()}
    readme = _readme(name, notes, sources)
    bundle = {"app.yaml": app, "job.sh.j2": template, "icon.svg": picture, "README.md": readme}
    return Imported(bundle, tuple(notes.found), sources)


def name_of(text: str) -> str:
    """A bundle's name from whatever a folder is called."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")
    plain = re.sub(r"^bc-(osc-|example-)?", "", plain) or plain
    return plain if NAME.fullmatch(plain) else f"app-{plain}"[:40].strip("-")


def _first(files: Mapping[str, str | None], names: tuple[str, ...], notes: Notes) -> tuple[str, str]:
    for name in names:
        if name in files:
            return name, files[name] or ""
    notes.say(names[0], "is not there")
    return names[0], ""


def _manifest(files: Mapping[str, str | None], notes: Notes) -> dict[str, Any]:
    text = files.get("manifest.yml")
    if text is None:
        notes.say("manifest.yml", "is not there")
        return {}
    try:
        data = strict_yaml.load(text)
    except strict_yaml.NotUnderstood as why:
        notes.say("manifest.yml", f"not understood: {why}")
        return {}
    found = data if isinstance(data, dict) else {}
    if found.get("role") != "batch_connect":
        notes.say("manifest.yml", "the role is not batch_connect: this may be no interactive application")
    return found


def _way_in(
    files: Mapping[str, str | None], submission: submit.Submission, notes: Notes
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    if submission.kind != "basic":
        return {"kind": "native", "command": "vncviewer {host}::{port}"}, [{"name": "vnc", "protocol": "vnc"}]
    file, text = _first(files, VIEWS, notes)
    connect, path = view.read(file, text, notes) if text else ({"kind": "link"}, "")
    return connect, [{"name": "web", "protocol": "http", **({"path": path} if path else {})}]


def _app(
    name: str, manifest: Mapping[str, Any], asked: form.Form, connect: dict[str, Any], ports: list[dict[str, str]]
) -> str:
    category = manifest.get("subcategory") or manifest.get("category")
    data: dict[str, Any] = {
        "title": _words(manifest.get("name") or asked.title or name, 100) or name,
        "summary": _words(manifest.get("description"), 200),
        "category": _words(category, 60),
        "ports": ports,
        "connect": connect,
        "parameters": asked.parameters,
    }
    shown = {key: value for key, value in data.items() if value}
    text = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    return f"# Taken over from Open OnDemand; README.md lists what is left to do.\n{text}"


def _picture(files: Mapping[str, str | None], notes: Notes) -> str:
    text = files.get("icon.svg")
    problems = icon.problems(text) if text else []
    if text and not problems:
        return text
    if "icon.svg" in files:
        notes.say("icon.svg", f"was not taken over: {'; '.join(problems) or 'it cannot be read'}")
    return ICON


def _judge(name: str, app: str, template: str, ports: int, notes: Notes) -> None:
    """What the service would say of it, gaps left out."""
    try:
        application = Source(name=name, app=app, template=template).application(strict=True)
    except BrokenBundle as broken:
        for problem in broken.problems:
            notes.say("app.yaml", f"mend it: {problem}")
        return
    for problem in batch_script.problems(template, application.parameters, ports):
        if "not_translated_" not in problem:
            notes.say("job.sh.j2", f"mend it: {problem}")


def _became(file: str, text: str | None, notes: Notes) -> str:
    read = {*FORMS, *SUBMITS, *VIEWS, "manifest.yml", "icon.svg"}
    read |= {f"template/{part}.sh{end}" for part in job.PARTS for end in ("", ".erb")}
    if text is None:
        return "not read: a link, no text, or too long"
    if file not in read:
        return "not translated"
    left = sum(note.file == file for note in notes.found)
    return f"translated, {left} things to look at" if left else "translated"


def _readme(name: str, notes: Notes, sources: Mapping[str, str]) -> str:
    """For people: what is left to do.  Foreign text stands in code blocks, where it means nothing."""
    lines = [f"# {name}", "", "Taken over from Open OnDemand by `bwvisu app import-ood`. To do:", ""]
    for note in notes.found:
        where = note.file if note.line is None else f"{note.file}, line {note.line}"
        gap = f" (`not_translated_{note.number}` stands there)" if note.number is not None else ""
        lines.append(f"- {_words(where, 200)}: {_words(note.why, 400)}{gap}")
        if note.text:
            lines += ["", f"      {_words(note.text, 200)}", ""]
    lines += ["", "| file | what became of it |", "| --- | --- |"]
    lines += [f"| {_words(file, 200).replace('|', ' ')} | {what} |" for file, what in sources.items()]
    return "\n".join([*lines, ""])


def _words(value: object, longest: int) -> str:
    """One printable line."""
    text = " ".join(str(value or "").split())
    return "".join(character for character in text if character.isprintable())[:longest]
