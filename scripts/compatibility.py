"""Name every change of the REST API since its last release that would break somebody's client.

usage: compatibility.py [--release]

`docs/openapi.released.json` is the description that clients were generated from; only `--release`, a step of a
release, puts the present `docs/openapi.json` in its place.  Broken is a client that was generated from the released
document, or written by it, and then meets the present service.  So these break, although HTTP would bear them:

- another operation id, tag, name of a schema or order of types: generated code is named after them;
- a value that an enumeration in an answer did not have: generated code refuses it, which is why words that may
  grow (a reason's `code`, Slurm's states, the `type` of a problem) are plain strings here;
- a problem that is declared no more, or under another status: somebody waits for it.

Calls, optional arguments, fields of answers, statuses of errors and problems may be added: clients are told to let
pass what they do not know.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from scripts.schemas import Comparison, Schema

DOCS = Path(__file__).resolve().parent.parent / "docs"
PRESENT, RELEASED = DOCS / "openapi.json", DOCS / "openapi.released.json"
PROBLEM = {"$ref": "#/components/schemas/Problem"}
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

Parameters = Mapping[tuple[str, str], Schema]


def breaks(old: Schema, new: Schema) -> list[str]:
    """One sentence for each break between two OpenAPI documents; none: every old client still works."""
    schemas = old.get("components", {}).get("schemas", {})
    kept = new.get("components", {}).get("schemas", {})
    found = [f"the schema {name} is gone; generated clients have a type of this name" for name in schemas.keys() - kept]
    present = dict(_operations(new))
    for call, operation in _operations(old):
        if call in present:
            found += (f"{call}: {words}" for words in _Operation(old, new).breaks(operation, present[call]))
        else:
            found.append(f"{call} is gone")
    return sorted(found)


def _operations(document: Schema) -> Iterator[tuple[str, Schema]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


class _Operation:
    """Compares one operation of two documents."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._asked = Comparison.of_requests(old, new)
        self._answered = Comparison.of_answers(old, new)

    def breaks(self, old: Schema, new: Schema) -> Iterator[str]:
        yield from self._names(old, new)
        yield from self._security(old, new)
        yield from self._parameters(_parameters(old), _parameters(new))
        yield from self._body(old.get("requestBody"), new.get("requestBody"))
        yield from self._responses(old["responses"], new["responses"])

    def _names(self, old: Schema, new: Schema) -> Iterator[str]:
        if old.get("operationId") != new.get("operationId"):
            yield f"the operation id is {new.get('operationId')} now, it was {old.get('operationId')}"
        if old.get("tags") != new.get("tags"):
            yield f"the tags are {new.get('tags')} now, they were {old.get('tags')}"

    def _security(self, old: Schema, new: Schema) -> Iterator[str]:
        """Each way in that there was must still be one."""
        was, now = old.get("security", []) or [{}], new.get("security", []) or [{}]
        yield from (f"{' and '.join(way) or 'no token'} is not enough any more" for way in was if way not in now)

    def _parameters(self, old: Parameters, new: Parameters) -> Iterator[str]:
        for key, parameter in new.items():
            if parameter.get("required") and not old.get(key, {}).get("required"):
                yield f"the {key[0]} parameter {key[1]} is required now"
        for key, parameter in old.items():
            at = f"the {key[0]} parameter {key[1]}"
            if key not in new:
                yield f"{at} is gone"
                continue
            if any(parameter.get(how) != new[key].get(how) for how in ("style", "explode", "allowReserved")):
                yield f"{at} is written in another way now"
            yield from self._asked.breaks(_without_null(parameter["schema"]), _without_null(new[key]["schema"]), at)

    def _body(self, old: Schema | None, new: Schema | None) -> Iterator[str]:
        if old is None or new is None:
            if old is not None or (new or {}).get("required"):
                yield f"the body is {'required now' if new else 'gone'}"
            return
        if new.get("required") and not old.get("required"):
            yield "the body is required now"
        yield from _contents(old["content"], new["content"], "the body", self._asked)

    def _responses(self, old: Schema, new: Schema) -> Iterator[str]:
        for status in new.keys() - old.keys():
            if status < "4":
                yield f"may answer {status} now"
        for status, response in old.items():
            if status not in new:
                yield f"answers no {status} any more"
                continue
            headers = {name.lower() for name in new[status].get("headers", {})}
            for name in response.get("headers", {}):
                if name.lower() not in headers:
                    yield f"{status} has no header {name} any more"
            yield from _contents(response.get("content", {}), new[status].get("content", {}), status, self._answered)


def _parameters(operation: Schema) -> Parameters:
    """By place and name; headers have no upper and lower case."""
    return {
        (each["in"], each["name"].lower() if each["in"] == "header" else each["name"]): each
        for each in operation.get("parameters", ())
    }


def _without_null(schema: Schema) -> Schema:
    """What a parameter may be when it is sent: nobody can send null in a header or a query."""
    rest = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return {**schema, "anyOf": rest} if rest else schema


def _contents(old: Schema, new: Schema, at: str, comparison: Comparison) -> Iterator[str]:
    for kind, was in old.items():
        if kind not in new:
            yield f"{at} is {kind} no more"
            continue
        for key in ("schema", "x-itemSchema"):
            if key in was:
                yield from comparison.breaks(was[key], new[kind].get(key, {}), at)
        gone = was.get("examples", {}).keys() - new[kind].get("examples", {}).keys()
        if was.get("schema") == PROBLEM:  # its examples are one for each problem that may be met
            yield from (f"{at} is never the problem {slug} any more" for slug in gone)


def check() -> int:
    """Print every break; 1 when there is one."""
    found = breaks(json.loads(RELEASED.read_text()), json.loads(PRESENT.read_text()))
    for sentence in found:
        print(f"breaks clients: {sentence}", file=sys.stderr)
    return 1 if found else 0


def release() -> int:
    """Take the present document for what clients rely on from now on; 1 when it breaks what they rely on."""
    if check():
        return 1
    RELEASED.write_text(PRESENT.read_text())
    print(f"written: {RELEASED.relative_to(DOCS.parent)}")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Compare, or with ``--release`` begin a new count."""
    action: dict[tuple[str, ...], Callable[[], int]] = {(): check, ("--release",): release}
    if tuple(arguments) not in action:
        print(__doc__, file=sys.stderr)
        return 2
    return action[tuple(arguments)]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
