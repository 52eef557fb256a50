"""What `bwvisu app lint` finds in bundles that load, and that it executes nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given

from bwvisu.adapters.lint import Finding, Level, Report, lint, shells
from bwvisu.adapters.lint.renderings import line_in
from tests.fuzz.mutation import mutated
from tests.support.effort import effort

ROOT = Path(__file__).parents[4]
APP = """\
title: Editor
ports: [{name: web, protocol: http}]
connect: {kind: link}
parameters:
  minutes: {type: integer, minimum: 1, maximum: 60, default: 5}
  text: {type: string, default: hello}
  fast: {type: boolean, default: false}
"""
TEMPLATE = """\
#!/bin/bash
#SBATCH --time={{ minutes }}
#KEYHOLE-REQUEST-PORTS 1
{% if fast %}
export FAST=1
{% endif %}
server --port "$KEYHOLE_PORT0" --title {{ text }}
"""
ICON = '<svg xmlns="http://www.w3.org/2000/svg"/>'
Look = Callable[..., Report]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    def looked(app: str = APP, template: str = TEMPLATE, icon: str = ICON, readme: str | None = "# Editor\n") -> Report:
        folder = tmp_path / "editor"
        folder.mkdir(exist_ok=True)
        (folder / "app.yaml").write_text(app)
        (folder / "job.sh.j2").write_text(template)
        (folder / "icon.svg").write_text(icon)
        if readme is not None:
            (folder / "README.md").write_text(readme)
        report = lint(folder)
        assert not list(tmp_path.rglob("pwned"))
        return report

    return looked


def one(report: Report) -> Finding:
    (finding,) = report.findings
    return finding


def test_a_good_bundle_is_good_and_all_its_branches_are_seen(look: Look) -> None:
    report = look()
    assert (report.findings, report.scripts, report.shellchecked) == ((), 4, True)
    assert report.is_good(strict=True)


@pytest.mark.parametrize("folder", sorted((ROOT / "job_templates").iterdir()), ids=lambda folder: folder.name)
def test_what_we_ship_is_good(folder: Path) -> None:
    assert lint(folder).findings == ()


@pytest.mark.parametrize(
    ("old", "new", "level", "rule", "where", "complaint"),
    [
        ("--title {{ text }}", "--title {{ txt }}", "error", "bundle", "job.sh.j2", "uses txt, which is no parameter"),
        ("--title {{ text }}", "", "warning", "unused", "app.yaml", "the parameter text is asked"),
        ("{{ text }}", '"{{ text }}"', "warning", "SC2027", "job.sh.j2:7", "quotes"),
        ("{{ text }}", "'{{ text }}'", "warning", "SC2016", "job.sh.j2:7", "single quotes"),
        ('"$KEYHOLE_PORT0"', "$KEYHOLE_PORT0", "warning", "SC2086", "job.sh.j2:7", "Double quote"),
        ("export FAST=1", "if [ x", "error", "shell-syntax", "job.sh.j2", "bash -n: "),
        ("KEYHOLE_PORT0", "KEYHOLE_PORT1", "error", "ports", "job.sh.j2", "uses KEYHOLE_PORT1, and asks for 1"),
        ("PORTS 1", "PORTS {{ 1 if fast else 0 }}", "error", "render", "job.sh.j2", "N from 1"),
        ("{{ text }}", "{{ minutes // (minutes - 60) }} {{ text }}", "error", "render", "job.sh.j2", "ZeroDivision"),
        (
            "time={{ minutes }}",
            "time={{ minutes }} -p {{ text }}",
            "warning",
            "directive-text",
            "app.yaml",
            "text may be",
        ),
        ("#!/bin/bash", "#!/bin/zsh", "warning", "no-shellcheck", "job.sh.j2", "does not know zsh"),
    ],
)
def test_a_template_that_should_be_looked_at(
    look: Look, old: str, new: str, level: str, rule: str, where: str, complaint: str
) -> None:
    assert old in TEMPLATE
    report = look(template=TEMPLATE.replace(old, new))
    found = [each for each in report.findings if each.rule == rule and complaint in each.message]
    assert found, report.findings
    assert (found[0].level, found[0].where) == (level, where)
    assert report.is_good(strict=False) == all(each.level is Level.WARNING for each in report.findings)
    assert not report.is_good(strict=True)


def test_ports_that_only_some_values_ask_for(look: Look) -> None:
    request = "#KEYHOLE-REQUEST-PORTS 1\n"
    report = look(template=TEMPLATE.replace(request, f"{{% if fast %}}\n{request}{{% endif %}}\n"))
    assert report.findings[0].rule == "ports"
    assert report.findings[0].message == (
        "with what is given by default the script asks for 0 ports; app.yaml declares 1"
    )


def test_a_port_on_which_nothing_listens(look: Look) -> None:
    finding = one(look(template=TEMPLATE.replace('"$KEYHOLE_PORT0"', "80")))
    assert (finding.rule, finding.message) == ("ports", "nothing listens on KEYHOLE_PORT0, the port web")


def test_onlookers_are_promised_where_they_are_let_in_and_nowhere_else(look: Look) -> None:
    promised = one(look(app=f"{APP}view_only: true\n"))
    assert (promised.level, promised.rule, promised.where) == (Level.ERROR, "view-only", "job.sh.j2")
    takes = f"{TEMPLATE}VIEW={{{{ access.view_password }}}} server\n"
    kept_quiet = [each.rule for each in look(template=takes).findings]
    assert "view-only" in kept_quiet
    assert "view-only" not in [each.rule for each in look(app=f"{APP}view_only: true\n", template=takes).findings]


def test_pictures_and_readmes(look: Look) -> None:
    finding = one(look(icon=ICON.replace("/>", "><script/></svg>")))
    assert (finding.level, finding.file) == (Level.ERROR, "icon.svg")
    assert "icon.svg holds <script>" in finding.message
    (readme,) = (each for each in look(readme="").findings if each.rule == "readme")
    assert readme.level is Level.WARNING


def test_limits_of_single_clusters_are_tried_too(look: Look) -> None:
    app = APP.replace("default: 5}", "default: 5, clusters: {small: {maximum: 10}}}")
    report = look(app=app, template=TEMPLATE.replace("{{ text }}", "{{ text }} {{ 1 // (minutes - 10) }}"))
    assert [each.rule for each in report.findings] == ["render"]


def test_a_broken_bundle_says_everything_once(look: Look) -> None:
    report = look(template="#!/bin/bash\n#SBATCH --array=1\necho {{ x }}\n", readme=None)
    assert [each.rule for each in report.findings] == ["readme"] or {each.rule for each in report.findings} >= {
        "bundle"
    }
    assert report.findings[0].level is Level.ERROR
    assert report.scripts == 0


def test_a_missing_shellcheck_is_said(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "shellcheck", lambda: None)
    report = look()
    assert one(report).rule == "no-shellcheck"
    assert (report.is_good(strict=False), report.is_good(strict=True), report.shellchecked) == (True, False, False)


def test_shellcheck_is_here() -> None:
    assert shutil.which("shellcheck"), "scripts/system-packages test"


def test_settings_of_who_runs_it_do_not_count(look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".shellcheckrc").write_text("disable=all\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELLCHECK_OPTS", "--exclude=SC2086")
    assert one(look(template=TEMPLATE.replace('"$KEYHOLE_PORT0"', "$KEYHOLE_PORT0"))).rule == "SC2086"


def test_a_rendered_line_leads_to_its_template() -> None:
    template = "#!/bin/bash\nfoo {{ a }} bar\n{% if b %}\nplain\n{% endif %}\nfoo {{ c }} baz\n"
    assert line_in(template, 'foo "$bwvisu_value_0" bar') == 2
    assert line_in(template, "  plain") == 4
    assert line_in(template, 'foo "$bwvisu_value_1" baz') == 6
    assert line_in(template, "other") is None
    assert line_in(template, "") is None


WORDS = (
    *(b"{{ text }}", b"{{ minutes }}", b"{% if fast %}", b"{% endif %}", b"'", b'"', b"`touch pwned`", b"\\", b"if "),
    *(b"$(touch pwned)", b"\n", b"<<EOF\n", b"#SBATCH ", b"#KEYHOLE-REQUEST-PORTS 1", b"# shellcheck source=/x\n"),
)


@effort(0.1, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated((TEMPLATE.encode(),), WORDS))
def test_whatever_a_template_holds_is_reported_and_not_run(look: Look, template: bytes) -> None:
    text = template.decode(errors="replace").replace("\r", "")
    assert all(finding.message.strip() for finding in look(template=text).findings)
