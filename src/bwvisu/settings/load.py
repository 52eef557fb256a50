"""Read the settings: the file, then the environment, then the check of both.

Sources, the later one wins: defaults, the YAML file, ``BWVISU_<SECTION>__<KEY>`` in the environment.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_settings import SettingsError as SourceError

from bwvisu.errors import OperatorError
from bwvisu.settings.faults import explain
from bwvisu.settings.models import Settings

DEFAULT_PATH = Path("/etc/bwvisu/bwvisu.yaml")


class SettingsError(OperatorError):
    """The settings cannot be used; ``faults`` holds one line for each."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


def settings_path(option: Path | None = None) -> Path:
    """``--config``, else ``BWVISU_CONFIG``, else `DEFAULT_PATH`."""
    return option or Path(os.environ.get("BWVISU_CONFIG") or DEFAULT_PATH)


def load(path: Path | None = None) -> Settings:
    """Read and check the settings; raises `SettingsError` with every fault at once."""
    path = settings_path(path)
    tree = _parse(path)
    try:
        return Settings(**_plain(tree, path))
    except ValidationError as error:
        raise SettingsError(explain(error, path, tree)) from None
    except SourceError as error:
        raise SettingsError([f"environment: {error}"]) from error


def _parse(path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise SettingsError([f"{path}: no such file; name one by --config or BWVISU_CONFIG"]) from None
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise SettingsError([f"{path}: is not UTF-8"]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise SettingsError([f"{where}: not YAML: {getattr(error, 'problem', None) or error}"]) from error


def _plain(tree: yaml.Node | None, path: Path) -> dict[str, Any]:
    """Build values from the tree; a key that stands twice is a fault, not a silent overwrite."""
    if tree is None:
        return {}
    if not isinstance(tree, yaml.MappingNode):
        raise SettingsError([f"{path}: the file must hold sections such as `etcd:` and `clusters:`"])
    twice = [f"{path}:{key.start_mark.line + 1}: the key {key.value!r} stands twice" for key in _repeated(tree)]
    if twice:
        raise SettingsError(twice)
    try:
        plain: dict[Any, Any] = yaml.SafeLoader("").construct_document(tree)
    except yaml.YAMLError as error:
        raise SettingsError([f"{path}: not YAML: {getattr(error, 'problem', None) or error}"]) from error
    return {str(key): value for key, value in plain.items()}


def _repeated(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key
            seen.add(str(key.value))
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated(item)
