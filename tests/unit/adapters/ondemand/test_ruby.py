"""The Ruby that is understood, as Jinja2 that means the same; everything else is said to be more."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.adapters.batch_script import Access, JobFacts, UnusableTemplate, problems, render
from bwvisu.adapters.ondemand.ruby import Names, condition, value
from bwvisu.adapters.ondemand.terms import NotUnderstood, Term, quoted
from bwvisu.domain.job import Scalar
from tests.support.effort import effort

JOB = JobFacts("01jd00000000000000000000aa", "alice", "a", "main")
PARAMETERS: dict[str, Scalar] = {"n": 3, "x": 0.5, "flag": True, "off": False, "text": "a b", "empty": "", "no": "7"}
NAMES = Names(
    {
        "n": Term("n", "int"),
        "x": Term("x", "float"),
        "flag": Term("flag", "bool"),
        "off": Term("off", "bool"),
        "text": Term("text", "text"),
        "empty": Term("empty", "text"),
        "no": Term("no", "text"),
        "fixed": quoted("python"),
        "nothing": quoted(""),
    }
)


def rendered(source: str) -> str:
    """What the translation prints, without the quotes of a text."""
    script = render(f"#!/bin/sh\n{{{{ {value(source, NAMES).text} }}}}\n", PARAMETERS, JOB, Access("p"), lambda _: "")
    *assigned, shown = script.splitlines()[1:]
    return assigned[0].partition("=")[2].strip("'") if assigned else shown


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("context.n", "3"),
        ("n.to_i * 3600", "10800"),
        ("n / 2", "1"),
        ("x + n", "3.5"),
        ("n.blank? ? 1 : n.to_i", "3"),
        ("no.to_i + 1", "8"),
        ("-n + 5", "2"),
        ("text", "a b"),
        ("text.upcase", "A B"),
        ('"--name=#{text}!"', "--name=a b!"),
        ("'single #{text}'", "single #{text}"),
        ("empty.blank? ? 'none' : empty", "none"),
        ("nothing.present? ? 1 : 2", "2"),
        ("fixed + '/3'", "python/3"),
        ("(n == 3 && flag) || false ? 'yes' : 'no'", "yes"),
        ("flag == '1' ? 1 : 0", "1"),
        ("off != '0' ? 1 : 0", "0"),
        ("n == '3' ? 1 : 0", "1"),
        ("'3' < n ? 1 : 0", "0"),
        ("n >= 3 and not off ? 1 : 0", "1"),
        ("text.include?('b') ? 1 : 0", "1"),
    ],
)
def test_what_is_understood_means_the_same(source: str, shown: str) -> None:
    assert rendered(source) == shown


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("system('id')", "system is no attribute"),
        ("`id`", "more Ruby"),
        ("context.nope", "nope is no attribute"),
        ("text.gsub('a')", "the method gsub"),
        ("text.send('system')", "the method send"),
        ("%w(a b)", "missing"),
        ("[1, 2]", "more Ruby"),
        ("text * 1000000000", "text * int"),
        ("9 ** 9", "missing"),
        ("text < 'b'", "text is compared with text"),
        ("n == 'three'", "compared with a text"),
        ("text ? 1 : 2", "any text and any number is true"),
        ("text && flag", "between conditions only"),
        ("!text", "before a condition only"),
        ('"a\\nb"', "a backslash"),
        ('"#{flag}"', "a condition within a text"),
        ("n n", "more Ruby than is understood"),
        ("(" * 100 + "n", "too deeply"),
        ("!" * 100 + "flag", "too deeply"),
        ("n" * 3000, "too long"),
        ("", "missing"),
        ("context.", "missing"),
        ("n.", "missing"),
        ("'a\nb'", "control character"),
    ],
)
def test_what_is_more_is_said_to_be(source: str, why: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        value(source, NAMES)
    assert why in str(caught.value)


def test_a_bare_text_is_no_condition() -> None:
    assert condition("flag", NAMES) == "flag"
    with pytest.raises(NotUnderstood, match="any text"):
        condition("text", NAMES)


@effort(1)
@given(st.text())
def test_a_text_that_is_written_down_comes_back(text: str) -> None:
    try:
        term = quoted(text)
    except NotUnderstood:
        return
    script = render(f"#!/bin/sh\n{{{{ {term.text} == t }}}}\n", {"t": text}, JOB, Access("p"), lambda _: "")
    assert script == "#!/bin/sh\ntrue\n"


@effort(2)
@given(st.text("nxtext. '\"#{}()!?:=<>&|+-*/%01\\", max_size=60) | st.text(max_size=60))
def test_any_text_is_translated_or_refused(source: str) -> None:
    try:
        term = value(source, NAMES)
    except NotUnderstood:
        return
    template = f"#!/bin/sh\n{{% if {term.text} %}}{{% endif %}}\n"
    assert problems(template, PARAMETERS, 0) == []
    with suppress(UnusableTemplate):  # a division by zero, say
        render(template, PARAMETERS, JOB, Access("p"), lambda _: "")
