"""The catalogues are whole, and what the API says in English is said in the reader's language."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message

from bwvisu.errors import Fault
from bwvisu.planning import words
from bwvisu.portal.documents import Job
from bwvisu.portal.form import fields, in_words
from bwvisu.portal.look import translations
from bwvisu.portal.reasons import SENTENCES, why
from bwvisu.portal.sayings import said
from scripts import texts
from tests.support.small_api import job as plain

GERMAN = translations("de").gettext
SRC = Path(words.__file__).parent.parent


def codes() -> Iterator[str]:
    """Every code of a reason that the sources spell out, and those of Slurm that we have words for."""
    for path in (
        each for folder in ("planning", "reconcilers", "adapters/slurm") for each in SRC.glob(f"{folder}/*.py")
    ):
        yield from re.findall(r"""Reason\([^)]*?code="([a-z-]+)\"""", path.read_text())
        yield from re.findall(r"""Refused\([^"]*f?"[^"]*", "([a-z-]+)"\)""", path.read_text())
    yield from (f"slurm:{word}" for word in words.WAITING)


def job(code: str, message: str = "In English.", **changes: Any) -> Job:
    return Job.model_validate(plain(reason={"code": code, "message": message}, **changes))


def test_every_reason_has_a_sentence_and_every_sentence_is_translated() -> None:
    known = set(codes())
    assert len(known) > 40
    assert known - SENTENCES.keys() == set()
    assert [code for code, sentence in SENTENCES.items() if GERMAN(sentence) == sentence] == []


def test_reasons_are_said_in_german_with_their_details_and_in_english_as_the_api_does() -> None:
    failed = job("exit-code", exit_code=3)
    assert why(failed, failed.reason, GERMAN) == "Das Skript endete mit dem Exit-Code 3."
    assert why(failed, failed.reason, None) == "In English."
    rejected = job("rejected-by-slurm", "Invalid account")
    assert why(rejected, rejected.reason, GERMAN) == "Slurm hat den Auftrag abgelehnt: Invalid account"


def test_a_reason_of_a_later_version_is_shown_as_the_api_says_it() -> None:
    later = job("eaten-by-the-dog", "The dog has eaten it: 100 %.")
    assert why(later, later.reason, GERMAN) == "The dog has eaten it: 100 %."
    assert why(later, None, GERMAN) == ""


@pytest.mark.parametrize(
    ("detail", "english", "german"),
    [
        ("must be at most 120 min", "It must be at most 120 min.", "Der Wert darf höchstens 120 min sein."),
        ("is required", "Please fill this in.", "Bitte füllen Sie dieses Feld aus."),
        ("must be one of a, b%s", "It must be one of: a, b%s.", "Möglich sind: a, b%s."),
        ("has green hair", "Has green hair", "Has green hair"),
    ],
)
def test_faults_are_sentences_beside_their_fields(detail: str, english: str, german: str) -> None:
    for translate, sentence in ((str, english), (GERMAN, german)):
        told = in_words([Fault("/parameters/minutes", f"minutes {detail}")], translate)
        (field,) = fields({"properties": {"minutes": {"type": "integer"}}}, None, told)
        assert field.error == sentence
    assert said("", GERMAN) == ""


def test_the_limit_of_ones_sessions_is_said_with_its_numbers() -> None:
    detail = "3 jobs on main are not finished, and one person may have 3 (2 in Slurm and 1 waiting for them); stop one"
    assert said(detail, GERMAN).startswith("3 Ihrer Sitzungen dort sind noch nicht beendet, erlaubt sind 3")


def test_the_catalogues_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert texts.main(check=True) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (Message("a", ""), "not translated"),
        (Message("a", "b", flags=["fuzzy"]), "only guessed"),
        (Message(("%(n)s a", "%(n)s as"), ("%(n)s b", "")), "not translated"),
        (Message("%(n)s a", "%(m)s b"), "has places that the text has not (%(m)s)"),
        (Message("a", "b"), ""),
    ],
)
def test_a_catalogue_that_is_not_whole_is_noticed(message: Message, fault: str) -> None:
    assert texts.wrong(message) == fault


def test_a_stale_catalogue_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "de" / "LC_MESSAGES" / "messages.po"
    path.parent.mkdir(parents=True)
    path.write_bytes((texts.PORTAL / "locale/de/LC_MESSAGES/messages.po").read_bytes())
    template = texts.extracted()
    assert list(texts.faulty(path, template)) == []
    template.add("A new text")
    assert list(texts.faulty(path, template)) == ["the catalogue is stale: make texts"]
    path.write_bytes(texts.merged(path, template))
    assert list(texts.faulty(path, template)) == ["not translated: A new text"]
    path.write_bytes(texts.merged(path, Catalog(charset="utf-8")))
    assert "Ready" not in path.read_text()
