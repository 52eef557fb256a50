"""A picture is looked at and does nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.adapters.lint.icon import problems
from tests.support.effort import effort

ROOT = Path(__file__).parents[4]
SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'


def test_pictures_are_pictures() -> None:
    for path in ROOT.glob("job_templates/*/icon.svg"):
        assert problems(path.read_text()) == []
    assert problems(SVG.format('<use xlink:href="#a"/><image href="data:image/png;base64,AA=="/>')) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is no XML"),
        ("<svg", "is no XML"),
        ("<html/>", "is no SVG picture"),
        ("<svg/>", "is no SVG picture"),
        (SVG.format("<script>alert(1)</script>"), "holds <script>"),
        (SVG.format('<g xmlns:h="http://www.w3.org/1999/xhtml"><h:script/></g>'), "holds <script>"),
        (SVG.format("<foreignObject/>"), "holds <foreignObject>"),
        (SVG.format('<g onload="alert(1)"/>'), "holds the attribute 'onload'"),
        (SVG.format('<a href="java\tscript:alert(1)"/>'), "holds a javascript: address"),
        (SVG.format('<image href="https://example.org/x.png"/>'), "refers to something outside"),
        (SVG.format('<image xlink:href="//example.org/x.png"/>'), "refers to something outside"),
        (f'<?xml-stylesheet href="x.css"?>{SVG.format("")}', "style sheet"),
        (f'<!DOCTYPE svg [<!ENTITY a "b">]>{SVG.format("&a;")}', "declares entities"),
        (f'<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>{SVG.format("&a;")}', "declares entities"),
    ],
)
def test_what_a_browser_could_execute_or_fetch_is_no_picture(text: str, complaint: str) -> None:
    assert any(complaint in problem for problem in problems(text)), problems(text)


def test_a_bomb_is_not_expanded() -> None:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 20))
    assert problems(f'<!DOCTYPE svg [<!ENTITY a0 "x">{entities}]>{SVG.format("&a19;")}') == ["declares entities"]


@effort(1)
@given(st.text(max_size=100) | st.text("<>/svg=\"'&;!?[]- \n", max_size=100))
def test_any_text_is_a_picture_or_told(text: str) -> None:
    assert all(problem.strip() for problem in problems(text))
