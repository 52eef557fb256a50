"""``bwvisu app``: write applications: look them over, see their scripts, try them, take them over from elsewhere."""

import getpass
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from bwvisu.cli import display, parameters
from bwvisu.cli.exits import Exit, epilog
from bwvisu.cli.options import Cluster, ProfileName, TokenFile, Url
from bwvisu.cli.output import AsJson, notice, plain, print_json, print_lines
from bwvisu.cli.profiles import connection
from bwvisu.errors import NotFound, UserError

if TYPE_CHECKING:
    from bwvisu.adapters.bundles import Bundle
    from bwvisu.adapters.lint import Report

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Write applications: check, render, try them.", epilog=epilog()
)

Folder = Annotated[Path, typer.Argument(metavar="PATH", help="The bundle's folder.", show_default=False)]
Parameter = Annotated[
    list[str],
    typer.Option("--param", "--parameter", "-p", metavar="NAME=VALUE", help="May be given several times."),
]
STYLES = {"error": "red", "warning": "yellow"}


@app.command()
def lint(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Folders of bundles, or bundles; none: this folder.", show_default=False),
    ] = [],  # noqa: B006 typer copies it
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="Warnings count as errors, and so does a missing shellcheck.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with applications, before users see them.

    Checked are declaration and template, the scripts of many example values by the shell's own parser and by
    shellcheck, ports, picture and README. Nothing is executed. Exit code 1: there are errors.
    """
    from bwvisu.adapters.lint import lint as look_over  # noqa: PLC0415 pydantic takes 0.3 s

    reports = [look_over(folder) for folder in bundles_in(paths or [Path()])]
    if as_json:
        print_json([_as_json(report, strict=strict) for report in reports])
    else:
        _show(reports)
    if not all(report.is_good(strict=strict) for report in reports):
        raise typer.Exit(Exit.REFUSED)


@app.command()
def render(
    path: Folder,
    parameter: Parameter = [],  # noqa: B006
    cluster: Annotated[str, typer.Option(help="For which cluster.")] = "main",
    user: Annotated[str, typer.Option(help="For whom.")] = "alice",
    *,
    brief: Annotated[bool, typer.Option("--brief", help="Leave out the keyhole's client.")] = False,
) -> None:
    """Print the batch script that Slurm would be given; its secrets open nothing."""
    from bwvisu.adapters.preview import preview  # noqa: PLC0415

    bundle = read(path)
    with parameters.in_words(properties(bundle, cluster)):
        values = bundle.check(parameters.typed(parameter, properties(bundle, cluster)), cluster)
        script = preview(bundle, values, user=user, cluster=cluster, brief=brief)
    sys.stdout.write(script if script.endswith("\n") else f"{script}\n")


@app.command("try")
def try_out(
    path: Folder,
    parameter: Parameter = [],  # noqa: B006
    cluster: Cluster = None,
    user: Annotated[str | None, typer.Option("--user", help="Whose job it will be.", show_default="you")] = None,
    sandbox: Annotated[
        str | None,
        typer.Option("--sandbox", help="A sandbox that is up.", show_default="that which is up, else a new one"),
    ] = None,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds until all its ports must have answered.")] = 300,
    profile: ProfileName = None,
    url: Url = None,
    token_file: TokenFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Run an application once, as a real job, and tell each step with its time; then end it and tidy up.

    Without --profile, --url or --token-file it runs on a sandbox cluster on this machine, which needs root on Debian
    12; with one of them by that service, which must have the very bundle. Exit code 5: it did not get there.
    """
    from bwvisu.cli import trial, trial_place  # noqa: PLC0415 loads the sandbox
    from bwvisu.cli.endings import end_on_any  # noqa: PLC0415

    bundle = read(path)
    body: dict[str, Any] = {"application": bundle.name}
    body["parameters"] = parameters.typed(parameter, properties(bundle, cluster or ""))
    if cluster:
        body["cluster"] = cluster
    end_on_any()
    steps = Steps(quiet=as_json)
    remote = profile or url or token_file
    where = connection(profile=profile, url=url, token_file=token_file) if remote else None
    place = (
        trial_place.by_api(bundle, where, steps.say)
        if where
        else trial_place.on_sandbox(bundle, path, sandbox, steps.say)
    )
    with place as (rest, log), parameters.in_words(properties(bundle, cluster or "")):
        body["user"] = user or rest.connection.user or getpass.getuser()
        tried = trial.run(rest, body, timeout, steps.tell, log)
    if as_json:
        print_json({"application": bundle.name, **trial.as_json(tried, steps.told)})
    elif not tried.good:
        notice(f"It did not get there: {tried.why}")
        if tried.log:
            print_lines(tried.log)
    if not tried.good:
        raise typer.Exit(Exit.NOT_REACHED)


@app.command("import-ood")
def import_ood(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a batch-connect application.")],
    into: Annotated[Path, typer.Option("--into", help="Where the bundle's folder is made.")] = Path(),
    name: Annotated[str | None, typer.Option("--name", help="The bundle's name.", show_default="the folder's")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Take an application of Open OnDemand over, as far as that can be done without running Ruby.

    What could not be translated is listed file by file, here and in the new README.md; until it is mended, the bundle
    does not load. Nothing is executed, and nothing is written but one new folder.
    """
    from bwvisu.adapters import ondemand  # noqa: PLC0415

    called = ondemand.name_of(name or folder.resolve().name)
    if name is not None and called != name:
        raise typer.BadParameter("lower-case letters, digits and -", param_hint="--name")
    imported = ondemand.translate(called, ondemand.read_folder(folder))
    target = into / called
    ondemand.write_folder(target, imported.files)
    if as_json:
        print_json(
            {
                "application": called,
                "path": str(target),
                "files": imported.sources,
                "notes": [asdict(note) for note in imported.notes],
            }
        )
        return
    shown = display.columns("File", "Line", "What is left to do", "Text")
    for note in imported.notes:
        cells = (note.file, note.line or "", note.why, note.text)
        shown.add_row(*(Text(plain(cell)) for cell in cells))
    for file, became in imported.sources.items():
        if not any(note.file == file for note in imported.notes):
            shown.add_row(*(Text(plain(cell)) for cell in (file, "", became, "")))
    display.show(shown)
    notice(f"written: {target}; next: bwvisu app lint {target}")


class Steps:
    """Tells the steps of a trial, as they come or all at the end."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._began = time.monotonic()
        self.told: list[dict[str, Any]] = []

    def say(self, what: str) -> None:
        """Something about the place, with the time since the beginning: on stderr, the trial itself is the answer."""
        if not self._quiet:
            notice(f"{time.monotonic() - self._began:6.1f} s  {what}")

    def tell(self, step: str, seconds: float, detail: str = "") -> None:
        """A step of the job."""
        self.told.append({"step": step, "seconds": round(seconds, 2), "detail": detail or None})
        if not self._quiet:
            typer.echo(f"{seconds:6.1f} s  {plain(step)}" + (f": {plain(detail)}" if detail else ""))


def bundles_in(paths: list[Path]) -> list[Path]:
    """Each bundle that is meant: a folder with ``app.yaml``, else the folders in it.  Raises NotFound."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            raise NotFound(f"{path} is no folder")
        inside = [each for each in sorted(path.iterdir()) if each.is_dir() and not each.name.startswith((".", "_"))]
        mine = [path] if (path / "app.yaml").exists() else inside
        if not mine:
            raise NotFound(f"{path} holds no application: no app.yaml, and no folder that could be one")
        found += mine
    return found


def read(path: Path) -> "Bundle":
    """The bundle in this folder; raises UserError with everything that is wrong."""
    from bwvisu.adapters.bundles import BrokenBundle, read_bundle  # noqa: PLC0415

    try:
        return read_bundle(path.resolve())
    except BrokenBundle as broken:
        raise UserError("\n".join(broken.problems)) from broken


def properties(bundle: "Bundle", cluster: str) -> dict[str, Any]:
    """What it asks there, as the API would publish it."""
    found: Any = bundle.application.on(cluster).json_schema()["properties"]
    return dict(found)


def _as_json(report: "Report", *, strict: bool) -> dict[str, Any]:
    return {
        "application": report.name,
        "good": report.is_good(strict=strict),
        "scripts": report.scripts,
        "shellcheck": report.shellchecked,
        "findings": [
            {
                "level": str(each.level),
                "rule": each.rule,
                "file": each.file,
                "line": each.line,
                "message": each.message,
            }
            for each in report.findings
        ],
    }


def _show(reports: "list[Report]") -> None:
    shown = display.columns("Application", "Level", "Rule", "Where", "What")
    for report in reports:
        for each in report.findings:
            cells = (each.rule, each.where, each.message)
            level = Text(str(each.level), style=STYLES[each.level])
            shown.add_row(plain(report.name), level, *(Text(plain(cell)) for cell in cells))
        if not report.findings:
            told = f"{report.scripts} different scripts read"
            shown.add_row(plain(report.name), Text("good", style="green"), "", "", told)
    display.show(shown)
    if any(report.scripts and not report.shellchecked for report in reports):
        notice("shellcheck is missing: apt-get install shellcheck")
