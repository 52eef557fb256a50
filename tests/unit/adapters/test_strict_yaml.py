"""YAML without its surprises."""

import pytest

from bwvisu.adapters.strict_yaml import NotUnderstood, load


def test_plain_values() -> None:
    assert load("a: 1\nb: [x, 2.5, true, null]\nc: {d: 'no'}") == {
        "a": 1,
        "b": ["x", 2.5, True, None],
        "c": {"d": "no"},
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\na: 2", r"'a' stands twice.*line 2"),
        ("a: {b: 1, b: 2}", "'b' stands twice"),
        ("yes: 1", "a key must be text"),
        ("a: &x [1]\nb: *x", "aliases are not understood"),
        ("a: &x [*x]", "aliases are not understood"),
        ("a: !!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("a: 2024-01-01", "quote dates"),
        ("a: .nan", "only text, numbers"),
        ("a: [1", "line 1"),
        ("a: 1\n---\nb: 2", "single document"),
        ("[" * 1500 + "]" * 1500, "nested too deeply"),
        ("a: \x00", "not allowed"),
    ],
)
def test_everything_else_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(NotUnderstood, match=complaint):
        load(text)
