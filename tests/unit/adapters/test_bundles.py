"""A catalogue on a real folder: what is read, what is reported, and what stays when a bundle breaks."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bwvisu.adapters.bundles import BrokenBundle, Bundle, Catalogue, Source, read_bundle
from bwvisu.errors import InvalidInput, NotFound

APP = """\
title: {title}
ports: [{{name: web, protocol: http}}]
connect: {{kind: link}}
parameters:
  minutes: {{type: integer, minimum: 1, maximum: 60, default: 5}}
  queue: {{type: string, default: cpu}}
"""
TEMPLATE = "#!/bin/bash\n#SBATCH --time={{ minutes }} -p {{ queue }}\n#KEYHOLE-REQUEST-PORTS 1\ntrue\n"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a bundle's files; None leaves one out."""

    def writer(name: str = "editor", title: str = "Editor", **files: str | None) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        texts = {"app.yaml": APP.format(title=title), "job.sh.j2": TEMPLATE, "icon.svg": "<svg/>"} | files
        for file, text in texts.items():
            if text is None:
                (folder / file).unlink(missing_ok=True)
            else:
                (folder / file).write_text(text)
        return folder

    return writer


def loaded(folder: Path) -> Catalogue:
    catalogue = Catalogue(folder)
    assert catalogue.refresh()
    return catalogue


def broken(folder: Path) -> str:
    with pytest.raises(BrokenBundle) as caught:
        read_bundle(folder)
    return "\n".join(caught.value.problems)


def test_a_bundle_is_read(write: Write) -> None:
    bundle = read_bundle(write())
    assert (bundle.name, bundle.application.title, bundle.icon) == ("editor", "Editor", "<svg/>")
    assert list(bundle.application.parameters) == ["minutes", "queue"]


def test_what_is_stored_is_read_back_and_nothing_else_passes_for_it(write: Write) -> None:
    bundle = read_bundle(write(**{"app.yaml": APP.format(title="Édité")}))
    text = bundle.source.text.encode()
    assert Source.parse(text, bundle.digest) == bundle.source
    assert Source.parse(text, bundle.digest).application() == bundle.application
    for damaged in (text[:-1], text.replace(b"true", b"evil"), b"\xff", b"[]"):
        with pytest.raises(BrokenBundle, match="stored bundle"):
            Source.parse(damaged, bundle.digest)


def test_the_digest_follows_name_declaration_and_template_but_not_the_picture(write: Write) -> None:
    digest = read_bundle(write()).digest
    assert read_bundle(write(**{"icon.svg": "<svg></svg>"})).digest == digest
    others = [
        read_bundle(write(name="other")).digest,
        read_bundle(write(title="Other")).digest,
        read_bundle(write(**{"job.sh.j2": TEMPLATE + "#\n"})).digest,
    ]
    assert len({digest, *others}) == 4


def test_a_newer_versions_key_is_passed_over_where_a_job_needs_it(write: Write) -> None:
    source = Source(name="editor", app=APP.format(title="Editor") + "from_the_future: 1\n", template=TEMPLATE)
    assert source.application().title == "Editor"
    with pytest.raises(BrokenBundle, match="from_the_future is not a key here"):
        source.application(strict=True)


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("app.yaml", "title: A\nparameter: {}", "app.yaml: parameter is not a key here; did you mean 'parameters'?"),
        (
            "app.yaml",
            "title: A\nparameters: {n: {type: integer, minimun: 1}}",
            "minimun is not a key here; did you mean",
        ),
        ("app.yaml", "title: A\ntitle: B", "'title' stands twice"),
        ("app.yaml", "- a list", "app.yaml"),
        ("app.yaml", "", "app.yaml"),
        ("app.yaml", "title: [", "line 1"),
        ("app.yaml", "title: A\nversion: 1.0", "app.yaml: version: Input should be a valid string"),
        ("app.yaml", None, "app.yaml cannot be read: No such file"),
        ("job.sh.j2", None, "job.sh.j2 cannot be read"),
        ("job.sh.j2", TEMPLATE + "echo {{ minute }}", "uses minute, which is no parameter; did you mean 'minutes'?"),
        ("job.sh.j2", "#!/bin/bash\n", "declares 1 ports, but job.sh.j2 requests 0"),
        ("job.sh.j2", "x" * 300_000, "longer than"),
        ("icon.svg", "<html>", "icon.svg is no SVG picture"),
        ("icon.svg", None, "icon.svg cannot be read"),
    ],
)
def test_a_broken_bundle_says_why(write: Write, file: str, text: str | None, complaint: str) -> None:
    assert complaint in broken(write(**{file: text}))


def test_all_that_is_wrong_with_a_template_is_said_at_once(write: Write) -> None:
    why = broken(write(**{"job.sh.j2": "#!/bin/bash\n#SBATCH --array=1\necho {{ x }}\n", "icon.svg": ""}))
    assert len(why.split("\n")) == 4


def test_bytes_that_are_no_text_and_bad_names(write: Write) -> None:
    folder = write()
    (folder / "job.sh.j2").write_bytes(b"\xff\xfe")
    assert "not UTF-8" in broken(folder)
    assert "cannot be an application's name" in broken(write(name="Bad_Name"))


def test_a_value_is_tried_where_the_template_puts_it(write: Write) -> None:
    bundle: Bundle = read_bundle(write())
    assert dict(bundle.check({})) == {"minutes": 5, "queue": "cpu"}
    with pytest.raises(InvalidInput) as caught:
        bundle.check({"queue": "cpu --array=1-99"})
    assert [fault.pointer for fault in caught.value.faults] == ["/parameters/queue"]


def test_the_catalogue_lists_bundles_and_nothing_else(write: Write, tmp_path: Path) -> None:
    write(name="zebra")
    write(name="ant")
    (tmp_path / "README.md").write_text("not a bundle")
    (tmp_path / ".git").mkdir()
    catalogue = loaded(tmp_path)
    assert [bundle.name for bundle in catalogue.all()] == ["ant", "zebra"]
    with pytest.raises(NotFound, match="did you mean 'zebra'") as caught:
        catalogue.get("zebr")
    assert caught.value.slug == "application-not-found"


def test_only_what_changed_is_read_again(write: Write, tmp_path: Path) -> None:
    write(name="one")
    write(name="two")
    catalogue = loaded(tmp_path)
    kept = catalogue.get("one")
    assert not catalogue.refresh()
    write(name="two", title="Changed")
    assert catalogue.refresh()
    assert catalogue.get("two").application.title == "Changed"
    assert catalogue.get("one") is kept


def test_a_broken_change_leaves_the_last_good_version_and_is_reported_until_mended(
    write: Write, tmp_path: Path
) -> None:
    write()
    catalogue = loaded(tmp_path)
    good = catalogue.get("editor")
    write(**{"job.sh.j2": "broken"})
    assert catalogue.refresh()
    assert catalogue.get("editor") is good
    assert "begins with #!" in catalogue.problems["editor"][0]
    assert not catalogue.refresh()
    assert catalogue.problems
    write(title="Mended")
    assert catalogue.refresh()
    assert (catalogue.get("editor").application.title, dict(catalogue.problems)) == ("Mended", {})


def test_a_folder_that_never_was_good_is_reported_only(write: Write, tmp_path: Path) -> None:
    write(**{"app.yaml": None})
    catalogue = loaded(tmp_path)
    assert (catalogue.all(), list(catalogue.problems)) == ((), ["editor"])


def test_a_removed_folder_is_gone_but_a_lost_catalogue_stays(write: Write, tmp_path: Path) -> None:
    write(name="one")
    write(name="two")
    catalogue = loaded(tmp_path)
    shutil.rmtree(tmp_path / "one")
    assert catalogue.refresh()
    assert [bundle.name for bundle in catalogue.all()] == ["two"]
    away = tmp_path.with_name(tmp_path.name + "-away")
    tmp_path.rename(away)
    assert catalogue.refresh()
    assert [bundle.name for bundle in catalogue.all()] == ["two"]
    assert "cannot be read" in catalogue.problems[""][0]
    away.rename(tmp_path)
    assert catalogue.refresh()
    assert not catalogue.problems


def test_a_switched_link_is_a_change(write: Write, tmp_path: Path) -> None:
    """Kubernetes swaps a mounted ConfigMap by one link; times and sizes of the files may stay."""
    for version in ("v1", "v2"):
        write(name=version, title=f"Title {version}")
        for file in (tmp_path / version).iterdir():
            os.utime(file, (1, 1))
    served = tmp_path / "served"
    served.mkdir()
    (served / "editor").symlink_to(tmp_path / "v1")
    catalogue = loaded(served)
    (served / "editor").unlink()
    (served / "editor").symlink_to(tmp_path / "v2")
    assert catalogue.refresh()
    assert catalogue.get("editor").application.title == "Title v2"
