"""Application bundles: a folder per application, read when it changes, broken ones reported and never half used.

A job is rendered from the very text that it was accepted with: `Source`, stored once under its digest.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bwvisu.adapters import batch_script, strict_yaml
from bwvisu.domain.application import NAME, Application, did_you_mean
from bwvisu.domain.declared import Declared
from bwvisu.domain.job import Scalar
from bwvisu.errors import NotFound, OperatorError

FORMAT = 1
LONGEST_FILE = 256 * 1024
"""Bytes; two of them are far below etcd's 1.5 MiB for a value."""
LONGEST_DECLARATION = 64 * 1024
"""Bytes of ``app.yaml``: the time to read hostile YAML grows with the square of its length."""
MOST_SENTENCES = 20
"""About one file."""
_TRIAL_JOB = batch_script.JobFacts(id="0" * 26, user="user", application="application", cluster="cluster")
_TRIAL_ACCESS = batch_script.Access("\x7f", "\x7f\x7f")  # no parameter can hold this character
Signature = tuple[tuple[str, int, int, int], ...]


class BrokenBundle(OperatorError):
    """A bundle cannot be used; ``problems`` are sentences for its administrator."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class Source(BaseModel):
    """What rendering needs of a bundle, as the record ``bundles/{digest}``: two files, byte for byte."""

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    name: str
    app: str
    """Text of ``app.yaml``."""
    template: str
    """Text of ``job.sh.j2``."""

    @property
    def text(self) -> str:
        """The canonical JSON text, the same on every replica."""
        return json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @property
    def digest(self) -> str:
        """SHA-256 of `text`, 64 hexadecimal digits: the key it is stored under."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @classmethod
    def parse(cls, text: str | bytes, digest: str) -> Self:
        """Read a stored source; raises `BrokenBundle` where it is damaged or not what the digest says."""
        try:
            source = cls.model_validate_json(text)
        except ValidationError as error:
            raise BrokenBundle([f"the stored bundle {digest[:12]} cannot be read"]) from error
        if source.digest != digest:
            raise BrokenBundle([f"the stored bundle {digest[:12]} is not what its digest says"])
        return source

    def application(self, *, strict: bool = False) -> Application:
        """What ``app.yaml`` says; keys of a newer version are passed over unless ``strict``.  Raises `BrokenBundle`."""
        try:
            data = json.dumps(strict_yaml.load(self.app))
            return Application.model_validate_json(data, extra="forbid" if strict else "ignore")
        except strict_yaml.NotUnderstood as error:
            raise BrokenBundle([f"app.yaml: {error}"]) from error
        except ValidationError as error:
            raise BrokenBundle(_sentences(error)) from error


@dataclass(frozen=True, slots=True)
class Bundle:
    """An application that users can start."""

    source: Source
    application: Application
    digest: str
    icon: str = ""
    """Text of the SVG file."""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.source.name

    def check(self, parameters: Mapping[str, object], cluster: str = "") -> Mapping[str, Scalar]:
        """As `Application.check` on a cluster, and that every value can stand where the template puts it, by trying.

        Raises `InvalidInput`; `OperatorError` where the template fails for these values.
        """
        values = self.application.on(cluster).check(parameters)
        batch_script.render(self.source.template, values, _TRIAL_JOB, _TRIAL_ACCESS, lambda _: "")
        return values


def read_bundle(folder: Path) -> Bundle:
    """Read and check a bundle; raises `BrokenBundle` with everything that is wrong."""
    if not NAME.fullmatch(folder.name):
        raise BrokenBundle([f"{folder.name!r} cannot be an application's name: lower-case letters, digits and -"])
    source = Source(
        name=folder.name, app=_text(folder / "app.yaml", LONGEST_DECLARATION), template=_text(folder / "job.sh.j2")
    )
    application = source.application(strict=True)
    icon = _text(folder / application.icon)
    problems = batch_script.problems(source.template, application.parameters, ports=len(application.ports))
    if "<svg" not in icon:
        problems = [*problems, f"{application.icon} is no SVG picture"]
    if problems:
        raise BrokenBundle(problems)
    return Bundle(source=source, application=application, digest=source.digest, icon=icon)


@dataclass(slots=True)
class Catalogue:
    """The applications of a folder.  `refresh` looks for changes; everything else answers from memory.

    A broken bundle keeps its last good version and stands in ``problems``; a folder that was removed is gone.
    """

    folder: Path
    problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _bundles: Mapping[str, Bundle] = field(default_factory=dict)
    _signatures: dict[str, Signature] = field(default_factory=dict)

    def refresh(self) -> bool:
        """Read what has changed since the last time; True where anything has.  Milliseconds for a hundred bundles."""
        try:
            folders = {path.name: path for path in self.folder.iterdir() if _is_bundle(path)}
        except OSError as error:
            return self._report({"": (f"{self.folder} cannot be read: {error.strerror}",)})
        signatures = {name: _signature(path) for name, path in folders.items()}
        changed = [name for name in folders if signatures[name] != self._signatures.get(name)]
        removed = self._signatures.keys() - folders.keys()
        bundles = {name: bundle for name, bundle in self._bundles.items() if name in folders}
        problems = {name: why for name, why in self.problems.items() if name in folders and name not in changed}
        for name in changed:
            try:
                bundles[name] = read_bundle(folders[name])
            except BrokenBundle as error:
                problems[name] = error.problems
        self._bundles = MappingProxyType(dict(sorted(bundles.items())))
        self._signatures = signatures
        return self._report(problems) or bool(changed or removed)

    def get(self, name: str) -> Bundle:
        """The application of this name; raises `NotFound` with the nearest one."""
        try:
            return self._bundles[name]
        except KeyError:
            hint = did_you_mean(name, self._bundles)
            raise NotFound(f"there is no such application{hint}", slug="application-not-found") from None

    def all(self) -> Sequence[Bundle]:
        """Every application, by name."""
        return tuple(self._bundles.values())

    def _report(self, problems: Mapping[str, tuple[str, ...]]) -> bool:
        changed = problems != self.problems
        self.problems = MappingProxyType(dict(problems))
        return changed


def _is_bundle(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "_"))


def _signature(folder: Path) -> Signature:
    """Changes whenever a file of the folder does; follows links, as a mounted Kubernetes ConfigMap needs it."""
    signature = []
    try:
        for path in sorted(folder.iterdir()):
            stat = path.stat()
            signature.append((path.name, stat.st_ino, stat.st_mtime_ns, stat.st_size))
    except OSError as error:
        return ((str(error), 0, 0, 0),)
    return tuple(signature)


def _text(path: Path, longest: int = LONGEST_FILE) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(longest + 1)
        if len(data) > longest:
            raise BrokenBundle([f"{path.name} is longer than {longest} bytes"])
        return data.decode()
    except OSError as error:
        raise BrokenBundle([f"{path.name} cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise BrokenBundle([f"{path.name} is not UTF-8 text"]) from error


def _sentences(error: ValidationError) -> list[str]:
    """Pydantic's findings, each with the place in the file, and a suggestion for an unknown key."""
    first = error.errors(include_url=False)[:MOST_SENTENCES]
    return [_sentence(found["loc"], found["type"], found["msg"]) for found in first]


def _sentence(place: tuple[int | str, ...], kind: str, message: str) -> str:
    where = "app.yaml: " + "/".join(str(part) for part in place)
    if kind == "extra_forbidden":
        return f"{where} is not a key here{did_you_mean(str(place[-1]), _keys())}"
    return f"{where}: {re.sub('^Value error, ', '', message)}"


def _keys(model: type[Declared] = Declared) -> set[str]:
    """Every key that ``app.yaml`` may hold anywhere."""
    own = {field.alias or name for name, field in model.model_fields.items()}
    return own.union(*(_keys(narrower) for narrower in model.__subclasses__()))
