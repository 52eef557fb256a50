"""A foreign folder's texts, without following a link; and one new folder that is written."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from bwvisu.errors import UserError

MOST_FILES = 300
LONGEST_FILE = 128 * 1024
"""Bytes."""
DEEPEST = 6
"""Folders within folders."""


class NotReadable(UserError):
    """The folder cannot be read, or written."""


def read_folder(folder: Path) -> Mapping[str, str | None]:
    """Path below ``folder`` -> text; None: a link, no text, too long, or no file at all.  Raises `NotReadable`."""
    found: dict[str, str | None] = {}
    if not folder.is_dir():
        raise NotReadable(f"{folder} is no folder")
    for place, folders, names in os.walk(folder, followlinks=False):
        below = Path(place).relative_to(folder)
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        folders[:] = sorted(set(folders) - {".git", *links}) if len(below.parts) < DEEPEST else []
        for name in sorted([*names, *links]):
            found[str(below / name)] = None if name in links else _text(Path(place) / name)
            if len(found) > MOST_FILES:
                raise NotReadable(f"{folder} holds more than {MOST_FILES} files: is it the folder of one application?")
    return found


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Make a folder that was not there, with these files in it and nowhere else.  Raises `NotReadable`."""
    try:
        folder.mkdir()
        for name, text in files.items():
            if Path(name).name != name:
                raise NotReadable(f"{name!r} is no file of a bundle")
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except FileExistsError as error:
        raise NotReadable(f"{folder} is there already") from error
    except OSError as error:
        raise NotReadable(f"{folder} cannot be written: {error.strerror}") from error


def _text(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        data = file.read(LONGEST_FILE + 1)
    if len(data) > LONGEST_FILE or b"\0" in data:
        return None
    try:
        return data.decode().replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None
