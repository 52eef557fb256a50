"""An application of Open OnDemand becomes a bundle; what is missing is listed, and what is hostile does nothing."""

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bwvisu.adapters.batch_script import Access, JobFacts, render
from bwvisu.adapters.bundles import read_bundle
from bwvisu.adapters.lint import lint
from bwvisu.adapters.ondemand import Imported, NotReadable, name_of, read_folder, translate, write_folder
from bwvisu.adapters.ondemand.jinja import literal
from bwvisu.adapters.preview import preview
from bwvisu.errors import OperatorError
from tests.fuzz.mutation import mutated
from tests.support.effort import effort

JUPYTER = Path(__file__).parents[3] / "support" / "ondemand" / "jupyter"
FILES = {name: text for name, text in read_folder(JUPYTER).items() if text is not None}
LOOP = "<%- %w(a b).each do |name| -%>\necho <%= name %>\n<%- end -%>\n"
CLEAN = {**FILES, "template/script.sh.erb": FILES["template/script.sh.erb"].replace(LOOP, "")}
JOB = JobFacts("01jd00000000000000000000aa", "alice", "a", "main")


def notes(imported: Imported, file: str) -> list[str]:
    return [note.why for note in imported.notes if note.file == file]


def test_what_is_understood_runs_and_what_is_not_is_a_gap() -> None:
    imported = translate("jupyter", FILES)
    template = imported.files["job.sh.j2"]
    assert "#SBATCH -N {{ bc_num_slots }}\n" in template
    assert "{% if (node_type == 'gpu') %}\n#SBATCH --gres=gpu:1\n{% endif %}\n" in template
    assert "#SBATCH --time={{ bc_num_hours * 60 }}" in template
    assert "{% if not_translated_1 %}\necho {{ not_translated_2 }}\n{% endif %}" in template
    assert "module load python\n" in template
    gaps = [(note.file, note.line, note.number) for note in imported.notes if note.number]
    assert gaps == [("template/script.sh.erb", 13, 1), ("template/script.sh.erb", 14, 2)]
    assert "job-name" in "".join(notes(imported, "submit.yml.erb"))
    assert imported.sources["form.js"] == "not translated"
    assert imported.sources["template/after.sh.erb"] == "translated"
    assert "not_translated_2` stands there" in imported.files["README.md"]


def test_until_the_gaps_are_filled_the_bundle_does_not_load(tmp_path: Path) -> None:
    write_folder(tmp_path / "jupyter", translate("jupyter", FILES).files)
    assert {each.message.partition(",")[0] for each in lint(tmp_path / "jupyter").findings} == {
        "job.sh.j2 uses not_translated_1",
        "job.sh.j2 uses not_translated_2",
    }


def test_a_clean_application_is_a_good_bundle(tmp_path: Path) -> None:
    write_folder(tmp_path / "jupyter", translate("jupyter", CLEAN).files)
    report = lint(tmp_path / "jupyter")
    assert report.is_good(strict=False), report.findings
    application = read_bundle(tmp_path / "jupyter").application
    assert (application.title, application.category) == ("Jupyter Notebook", "Servers")
    assert application.parameters["cuda_version"].when == {"node_type": ("gpu", "hugemem")}
    shown: dict[str, object] = json.loads(application.model_dump_json())
    assert shown["connect"] == {"port": "", "kind": "form", "action": "/login", "fields": {"password": "{password}"}}


def test_what_we_add_to_a_script_is_good_by_the_strictest_measure(tmp_path: Path) -> None:
    files = {
        "manifest.yml": "name: Web\nrole: batch_connect\n",
        "form.yml": "form: [bc_num_hours, greeting]\nattributes: {greeting: {widget: text_field}}\n",
        "submit.yml.erb": "script: {native: ['-N', '1']}\n",
        "template/script.sh.erb": '#!/bin/bash\nserver "${port}" "<%= context.greeting %>"\n',
        "view.html.erb": "<a href='/rnode/<%= host %>/<%= port %>/x'>",
    }
    imported = translate("web", files)
    assert imported.notes == ()
    write_folder(tmp_path / "web", imported.files)
    assert lint(tmp_path / "web").findings == ()
    assert read_bundle(tmp_path / "web").application.ports[0].path == "/x"


HOSTILE = "a'b\"c $(touch pwned) `touch pwned` \\ ${HOME} & ; # {{ x }} *"
PLACES = """\
#!/bin/bash
printf '%s\\n' "double <%= context.text %>" 'single <%= context.text %>' <%= context.text %> # don't <%= context.text %>
cat <<EOL
here '<%= context.text %>' "<%= context.text %>"
EOL
cat <<-EOL
	here <%= context.text %>
	EOL
echo "<%= context.box %> <%= context.number + 1 %>"
"""


def test_a_value_is_the_same_text_wherever_the_script_puts_it(tmp_path: Path) -> None:
    form = """\
attributes:
  box: {widget: check_box, value: 1}
  number: {widget: number_field, value: 4}
form: [text, box, number]
"""
    files = {"form.yml": form, "template/script.sh.erb": PLACES}
    write_folder(tmp_path / "places", translate("places", files).files)
    bundle = read_bundle(tmp_path / "places")
    values = bundle.check({"text": HOSTILE})
    script = preview(bundle, values, user="alice", cluster="main", brief=True)
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    work = tmp_path / "work"
    work.mkdir()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(work), "TMPDIR": str(work), "KEYHOLE_PORT0": "1"}
    done = subprocess.run(
        ["bash"], input=script, text=True, env=environment, cwd=work, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"double {HOSTILE}",
        f"single {HOSTILE}",
        HOSTILE,
        f"here '{HOSTILE}' \"{HOSTILE}\"",
        f"here {HOSTILE}",
        "1 5",
    ]
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize(
    ("files", "file", "complaint"),
    [
        ({}, "manifest.yml", "is not there"),
        ({"manifest.yml": "role: files\n"}, "manifest.yml", "is not batch_connect"),
        ({"form.yml": "a: &x 1\nb: *x\n"}, "form.yml", "aliases are not understood"),
        ({"form.yml.erb": "form: [<%= `id` %>]\n"}, "form.yml.erb", "computed by Ruby"),
        ({"form.yml": "form: [text]\nattributes: {text: {pattern: '(a+)+$'}}\n"}, "form.yml", "only simple patterns"),
        ({"form.yml": "form: [Text]\n"}, "form.yml", "the parameter is called text"),
        ({"submit.yml.erb": "script: [<% x %>\n"}, "submit.yml.erb", "write its #SBATCH lines by hand"),
        ({"submit.yml": "script: {native: ['--comment=a b']}\n"}, "submit.yml", "would not read this"),
        ({"submit.yml": "script: {native: ['--array', '1-9']}\n"}, "submit.yml", "exactly one Slurm job"),
        ({"submit.yml": "script: {native: ['--comment=a\\n#SBATCH']}\n"}, "submit.yml", "would not read this"),
        ({"submit.yml": "batch_connect: {template: vnc}\n"}, "submit.yml.erb", "starts a VNC server"),
        (
            {"template/script.sh.erb": "#!/usr/bin/python3\nprint(1)\n"},
            "template/script.sh.erb",
            "only scripts of bash",
        ),
        ({"template/script.sh": "cat <<'EOF'\n<%= context.text %>\nEOF\n"}, "template/script.sh", "quoted end mark"),
        ({"view.html.erb": "<a href='https://example.org/'>"}, "view.html.erb", "`connect` is a plain link"),
        ({"icon.svg": "<svg><script/></svg>"}, "icon.svg", "was not taken over"),
        ({"template/script.sh.erb": "<% if %>\n"}, "template/script.sh.erb", "a block is not closed"),
        ({"template/script.sh.erb": "<% end %>\n"}, "template/script.sh.erb", "an end without a beginning"),
    ],
)
def test_what_is_missing_is_said_of_its_file(files: dict[str, str], file: str, complaint: str) -> None:
    base = {"form.yml": "form: [text]\n"} if "form.yml.erb" not in files else {}
    imported = translate("app", {**base, **files})
    assert any(complaint in why for why in notes(imported, file)), imported.notes


def test_links_and_binaries_are_not_read_and_nothing_outside_is_written(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    foreign = tmp_path / "foreign"
    (foreign / "template").mkdir(parents=True)
    (foreign / "form.yml").symlink_to(secret)
    (foreign / "elsewhere").symlink_to(tmp_path)
    (foreign / "template" / "script.sh.erb").write_bytes(b"\0\xff")
    os.mkfifo(foreign / "pipe")
    read = read_folder(foreign)
    assert read == {"elsewhere": None, "form.yml": None, "pipe": None, "template/script.sh.erb": None}
    assert "secret" not in "".join(translate("app", read).files.values()).replace("secret=", "")
    target = tmp_path / "out"
    target.symlink_to(tmp_path / "elsewhere")
    for files in ({"app.yaml": "x"}, {"../x": "x"}):
        with pytest.raises(NotReadable):
            write_folder(target if "app.yaml" in files else tmp_path / "new", files)
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("bc_osc_jupyter", "jupyter"),
        ("RStudio Server", "rstudio-server"),
        ("../..", "app"),
        ("3d", "app-3d"),
        ("ä", "app"),
    ],
)
def test_a_name_is_made_of_any_folders(folder: str, name: str) -> None:
    assert name_of(folder) == name


@effort(1)
@example("{")
@example("{{{{!}}%}{%raw%}{%endraw%}")
@given(st.text("{}%!#- \nrawend", max_size=40) | st.text(max_size=40))
def test_text_stays_text(text: str) -> None:
    text = text.replace("\r", "").replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    for after in ("", "{{ n }}", "{%+ if n +%}{%+ endif +%}"):
        script = render(f"#!/bin/sh\n:{literal(text)}{after}", {"n": 1}, JOB, Access("p"), lambda _: "")
        assert script == f"#!/bin/sh\n:{text}{'1' if after.startswith('{{') else ''}"


WORDS = (
    *(b"<%", b"%>", b"<%=", b"-%>", b"<%#", b"<%%", b"end", b"if ", b"unless ", b"else", b" do |x|", b"context."),
    *(
        b"{{",
        b"}}",
        b"{%",
        b"{{!",
        b"#{",
        b"'",
        b'"',
        b"\n",
        b"- ",
        b": ",
        b"[",
        b"{",
        b"&a ",
        b"*a",
        b"<<EOF\n",
        b"\\",
    ),
    *(b"\n#SBATCH --array=1", b"\n#KEYHOLE-REQUEST-PORTS 1", b"`id`", b"system('touch pwned')", b"$(touch pwned)"),
    *(b"../", b"\xff", b"data-hide-", b"options: "),
)


@effort(0.5)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_whatever_lies_there_becomes_files_of_a_bundle(
    tmp_path_factory: pytest.TempPathFactory, changed: str, data: st.DataObject
) -> None:
    text = data.draw(mutated((FILES[changed].encode(),), WORDS)).decode(errors="replace").replace("\r", "")
    imported = translate("app", {**FILES, changed: text})
    assert set(imported.files) == {"app.yaml", "job.sh.j2", "icon.svg", "README.md"}
    assert set(imported.sources) == {*FILES}
    folder = tmp_path_factory.mktemp("import") / "app"
    write_folder(folder, imported.files)
    assert sorted(path.name for path in folder.iterdir()) == sorted(imported.files)
    with suppress(OperatorError):
        read_bundle(folder)
