"""Into a running job: hand its address and password to the browser, past everybody else who is on this machine.

A process's arguments are public there, and a browser's history keeps addresses.  So what holds a secret reaches the
browser as a page in a private file, which posts the form or follows the link by itself.
"""

import os
import subprocess
import tempfile
import webbrowser
from collections.abc import Mapping
from html import escape
from pathlib import Path

import typer

from bwvisu.cli.output import hint, plain, print_json
from bwvisu.cli.rest import Rest
from bwvisu.cli.sharing import admit_where_needed
from bwvisu.errors import OperatorError
from bwvisu.rest import Json

LINGER = 60
"""Seconds that a private page is there: a browser may take long to start."""
_REMOVE = 'sleep "$1"; rm -f -- "$2"'
_PAGE = """\
<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>bwVisu</title></head>
<body>{body}</body>
</html>
"""


def enter(rest: Rest, job_id: str, *, told: bool = False, as_json: bool = False, err: bool = False) -> None:
    """Open a job in the browser, or tell how to get in: where that is wanted, or where there is no browser.

    ``err``: tell it on stderr.  Raises Conflict (``job-not-available``).
    """
    access = admit_where_needed(rest, job_id, rest.call("GET", f"/jobs/{job_id}/access"))
    if as_json:
        print_json(access)
        return
    private = page(access)
    if not told and not access["native"] and _open(str(access["url"]), private):
        hint("Opened in the browser; `bwvisu job open --print` prints address and password.")
        told = private is None
    else:
        told = True
    if told:
        typer.echo(_in_words(access), err=err)


def _in_words(access: Json) -> str:
    known = {"Address": access["url"], "Password": access["password"], "Type": access["native"]}
    return "\n".join(f"{f'{name}:':9} {plain(value)}" for name, value in known.items() if value)


def page(access: Json) -> str | None:
    """The page that enters by itself; None where the bare address holds no secret.  Raises `OperatorError`."""
    if access.get("form"):
        return _PAGE.format(body=_form(_web(access["form"]["action"]), access["form"]["fields"]))
    if "#" in access["url"]:
        link = escape(_web(access["url"]))
        return _PAGE.format(
            body=f'<a id="go" href="{link}">Enter</a><script>document.getElementById("go").click()</script>'
        )
    return None


def _form(action: str, fields: Mapping[str, str]) -> str:
    inputs = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
    )
    return (
        f'<form id="go" method="post" action="{escape(action)}">{inputs}<button>Enter</button></form>'
        '<script>document.getElementById("go").submit()</script>'
    )


def _web(url: object) -> str:
    if not str(url).startswith(("http://", "https://")):
        raise OperatorError("the job's address is not a page that a browser can open; --print prints it")
    return str(url)


def _open(url: str, private: str | None) -> bool:
    """Whether a browser took it."""
    if not url.startswith(("http://", "https://")):
        return False
    if not any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")):
        return False
    return webbrowser.open(url if private is None else keep_briefly(private).as_uri())


def keep_briefly(text: str, seconds: float = LINGER) -> Path:
    """A file that only this user can read, and that is gone after a while, whatever becomes of this process."""
    folder = os.environ.get("XDG_RUNTIME_DIR")
    folder = folder if folder and os.access(folder, os.W_OK) else None
    descriptor, path = tempfile.mkstemp(prefix="bwvisu-", suffix=".html", dir=folder)  # with mode 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    silent = subprocess.DEVNULL
    subprocess.Popen(
        ["sh", "-c", _REMOVE, "sh", f"{seconds:g}", path],
        stdin=silent,
        stdout=silent,
        stderr=silent,
        start_new_session=True,
    )
    return Path(path)
