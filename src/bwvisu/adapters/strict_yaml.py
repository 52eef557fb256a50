"""YAML without surprises: plain values only, no key twice, no anchors, nothing that JSON could not say."""

import json
from collections.abc import Hashable
from typing import Any

import yaml


class NotUnderstood(ValueError):
    """The text is not such YAML; the message names line and column where they are known."""


class _Loader(yaml.SafeLoader):
    """Refuses what the safe loader lets pass: repeated keys (the last would win), aliases (they can explode)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark: yaml.Mark = self.get_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases are not understood", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        mapping: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, "a key must be text; quote it", key_node.start_mark)
            if key in mapping:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands twice", key_node.start_mark)
            mapping[key] = self.construct_object(value_node, deep=deep)
        return mapping


def load(text: str) -> object:
    """The value of one YAML document; raises `NotUnderstood`."""
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506  # a narrower SafeLoader
        json.dumps(value, allow_nan=False)
    except yaml.YAMLError as error:
        raise NotUnderstood(" ".join(str(error).split())) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # e.g. `!!bool maybe`
        raise NotUnderstood(
            "only text, numbers, true and false, lists and mappings are understood; quote dates"
        ) from error
    except RecursionError as error:
        raise NotUnderstood("nested too deeply") from error
    return value
