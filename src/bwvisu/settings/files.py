"""Which of the files that the settings name cannot be read from here."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bwvisu.settings.models import Settings


def unreadable_files(settings: Settings) -> list[str]:
    """One line for each, as ``clusters.main.ssh.key_file: /k is not there``."""
    return [f"{where}: {path} {fault}" for where, path in named_files(settings) if (fault := _fault(path))]


def named_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Every file that the settings name, by its dotted name."""
    return _paths(settings, "")


def _paths(value: Any, where: str) -> Iterator[tuple[str, Path]]:
    match value:
        case Path():
            yield where, value
        case BaseModel():
            for name in type(value).model_fields:
                yield from _paths(getattr(value, name), f"{where}.{name}".lstrip("."))
        case Mapping():
            for name, inner in value.items():
                yield from _paths(inner, f"{where}.{name}")
        case tuple():
            for position, inner in enumerate(value):
                yield from _paths(inner, f"{where}.{position}")


def _fault(path: Path) -> str:
    if not path.exists():
        return "is not there"
    return "" if os.access(path, os.R_OK) else "cannot be read by this user"
