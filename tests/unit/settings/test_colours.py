"""A site's own colours are read only where they can be read by everybody."""

import re
from pathlib import Path
from typing import Any

import pytest

from bwvisu.settings import SettingsError, load
from bwvisu.settings.colours import DARK_GROUND, ENOUGH, LIGHT_GROUND, contrast
from tests.unit.settings.test_load import GOOD

CSS = (Path(__file__).parents[3] / "src" / "bwvisu" / "portal" / "static" / "portal.css").read_text()
FILE = f"""\
{GOOD}portal:
  token_file: /t
  session_key_file: /k
  auth: {{kind: local}}
  site:
    SITE
"""
LINE = len(FILE.splitlines())


def read(path: Path, site: str) -> Any:
    path.write_text(FILE.replace("SITE", site))
    portal = load(path).portal
    assert portal
    return portal.site


def of_the_pages(dark: bool) -> dict[str, str]:
    """The colours that the style sheet gives."""
    rules = CSS.partition('[data-theme="dark"] {')[2] if dark else CSS.partition(":root {")[2]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", rules.partition("}")[0]))


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21), ("#ffffff", "#ffffff", 1), ("#767676", "#ffffff", 4.54), ("#ff0000", "#ffffff", 4.0)],
)
def test_the_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.005)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_ground_of_the_pages_is_harder_to_read_on_than_the_one_that_is_tried(dark: bool) -> None:
    ours, tried = of_the_pages(dark), DARK_GROUND if dark else LIGHT_GROUND
    pairs = [ours[name] for name in ("ground", "panel", "on-accent")]
    extreme = "#ffffff" if dark else "#000000"
    assert min(contrast(extreme, each) for each in pairs) == contrast(extreme, tried)
    assert contrast(ours["accent"], tried) >= ENOUGH


@pytest.mark.parametrize(
    ("site", "fault"),
    [
        (
            'accent: "#38bdf8"',
            "accent: must be darker to be read, e.g. #23779c: its contrast is 1.9:1, and 4.5:1 is needed",
        ),
        (
            'accent_dark: "#1D4ED8"',
            "accent_dark: must be lighter to be read, e.g. #6385e4: its contrast is 2.3:1, and 4.5:1 is needed",
        ),
        ("accent: blue", "accent: must be a colour such as #1d4ed8"),
    ],
)
def test_a_colour_that_cannot_be_read_is_refused_with_one_that_can(tmp_path: Path, site: str, fault: str) -> None:
    path = tmp_path / "bwvisu.yaml"
    with pytest.raises(SettingsError) as raised:
        read(path, site)
    assert raised.value.faults == (f"{path}:{LINE}: portal.site.{fault}",)
    if better := re.search(r"e\.g\. (#\w+)", fault):
        name = site.partition(":")[0]
        assert getattr(read(path, f'{name}: "{better[1]}"'), name) == better[1]


def test_what_is_nearly_enough_is_not_told_as_enough(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"its contrast is 4\.4:1"):
        read(tmp_path / "bwvisu.yaml", 'accent: "#717171"')
