"""Keep the portal's catalogues in step with its texts.

usage: python -m scripts.texts [--check]

Extracts every text of the pages and merges them into the catalogue of each language: new ones wait there for their
translation, those that are gone are removed.  With `--check` nothing is written, and the exit code says whether a
catalogue is stale, lacks a translation, or has one that only a machine has guessed.
"""

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
PORTAL = ROOT / "src" / "bwvisu" / "portal"
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
HEADER = "# The portal's texts; `make texts` merges new ones in."
PLACE = re.compile(r"%\(\w+\)[sd]|%[sd]")


def main(check: bool) -> int:
    """Write the catalogues anew, or look at them."""
    template = extracted()
    bad = 0
    for path in sorted(PORTAL.glob("locale/*/LC_MESSAGES/messages.po")):
        faults = list(faulty(path, template))
        if not check:
            path.write_bytes(merged(path, template))
            faults = list(faulty(path, template))
        print(*(f"{path.parent.parent.name}: {fault}" for fault in faults), sep="\n", end="\n" if faults else "")
        bad += len(faults)
    return int(bad > 0 and check)


def extracted() -> Catalog:
    """Every text of the pages."""
    template = Catalog(charset="utf-8")
    found = extract_from_dir(str(PORTAL), METHODS, options_map={"templates/**.html": {"trimmed": "true"}})
    for name, _line, text, comments, context in found:
        template.add(text, locations=[(f"src/bwvisu/portal/{name}", 0)], auto_comments=comments, context=context)
    return template


def read(path: Path) -> Catalog:
    """A language's catalogue."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name)


def merged(path: Path, template: Catalog) -> bytes:
    """The catalogue with all texts of the pages and no others; nothing is guessed."""
    catalogue = read(path)
    catalogue.update(template, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.header_comment = HEADER
    written = io.BytesIO()
    write_po(written, catalogue, width=118, no_location=True, sort_output=True, omit_header=False)
    dates = (
        rb"^\"(POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team|Project-Id-Version|Generated-By"
        rb"|Report-Msgid-Bugs-To)[^\n]*\n"
    )
    return re.sub(dates, b"", written.getvalue(), flags=re.MULTILINE)


def faulty(path: Path, template: Catalog) -> Iterator[str]:
    """What is wrong with a catalogue, in words."""
    if path.read_bytes() != merged(path, template):
        yield "the catalogue is stale: make texts"
    for message in read(path):
        if message.id and (fault := wrong(message)):
            yield f"{fault}: {message.id}"


def wrong(message: Message) -> str:
    """What is wrong with one translation; empty: nothing."""
    sources = [message.id] if isinstance(message.id, str) else list(message.id)
    translations = [message.string] if isinstance(message.string, str) else list(message.string or ("",))
    if message.fuzzy:
        return "only guessed"
    if not all(translations):
        return "not translated"
    places = {place for source in sources for place in PLACE.findall(source)}
    strange = {place for each in translations for place in PLACE.findall(each)} - places
    return f"has places that the text has not ({', '.join(sorted(strange))})" if strange else ""


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(str(__doc__))
    sys.exit(main(check=sys.argv[1:] == ["--check"]))
