"""The scripts of an application of Open OnDemand as one batch script of ours."""

import re
from collections.abc import Iterator, Mapping

from bwvisu.adapters.ondemand.erb import Kind, pieces
from bwvisu.adapters.ondemand.form import Form
from bwvisu.adapters.ondemand.jinja import Translator
from bwvisu.adapters.ondemand.notes import Notes
from bwvisu.adapters.ondemand.ruby import Names
from bwvisu.adapters.ondemand.submit import Submission
from bwvisu.adapters.ondemand.terms import Term

PARTS = ("before", "script", "after")
_SHEBANG = re.compile(r"#!\s*(?:/usr)?/bin/(?:env +)?(bash|sh)( +-[a-z]+)?[ \t]*(?:\n|$)")
_PASSWORD = re.compile(
    r"^([ \t]*(?:export +)?password=)(?:\"?\$\(create_passwd[^)\n]*\)\"?|`create_passwd[^`\n]*`)", re.MULTILINE
)
_ACCESS = Term("access.password", "text")
_MODULES = re.compile(r"^[ \t]*(?:module|ml)[ \t]", re.MULTILINE)
_PROFILE = """\
if [[ $(type -t module) != function && -r /etc/profile ]]; then
    # shellcheck disable=SC1091
    source /etc/profile
fi
"""
"""As our own applications have it: whether a login shell's function reaches a job depends on the site."""
_PRELUDE = """\
# What Open OnDemand gives its scripts: a folder of their own, a port, a password, and a few functions.
session=$(mktemp -d)
SCRIPT_PID=
clean_up() {
    trap - EXIT
    if [[ -n $SCRIPT_PID ]]; then
        mapfile -t children < <(pgrep -P "$SCRIPT_PID")
        kill "$SCRIPT_PID" "${children[@]}" 2>/dev/null || true
        wait "$SCRIPT_PID" || true
    fi
    cd /
    rm -rf -- "$session"
    exit "${1:-0}"
}
trap 'clean_up $?' EXIT
trap 'clean_up 143' TERM INT
cd "$session" || exit 1
host=$(hostname)
port=$KEYHOLE_PORT0
password={{ access.password }}
export host port password
find_port() { echo "$KEYHOLE_PORT0"; }
create_passwd() { head -c 200 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' | head -c "${1:-32}"; }
port_used() { (exec 3<>"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null; }
wait_until_port_used() {
    for ((i = 0; i < ${2:-30}; i++)); do
        if port_used "$1"; then return 0; fi
        sleep 1
    done
    return 1
}
source_helpers() { :; }
export -f find_port create_passwd port_used wait_until_port_used source_helpers
"""


def template(files: Mapping[str, str | None], form: Form, submission: Submission, notes: Notes) -> str:
    """The text of ``job.sh.j2``."""
    texts = {part: _part(files, part) for part in PARTS}
    shebang = _SHEBANG.match(texts["script"][1])
    login = " -l" if shebang and shebang[2] and "l" in shebang[2] else ""
    variables: dict[str, str] = {}
    body = {part: _translated(*texts[part], Names(form.names), notes, variables) for part in PARTS}
    body["variables"] = "".join(f"{name}={{{{ {text} }}}}\n" for text, name in variables.items())
    return "\n".join(_lines(login, body, form, submission, notes)) + "\n"


def _lines(login: str, body: Mapping[str, str], form: Form, submission: Submission, notes: Notes) -> Iterator[str]:
    yield f"#!/bin/bash{login}"
    yield from submission.lines
    yield from _predefined(form, submission, notes)
    yield "\n#KEYHOLE-REQUEST-PORTS 1\n"
    if any(_MODULES.search(text) for text in body.values()):
        yield _PROFILE
    yield _PRELUDE
    if body["variables"]:
        yield body["variables"]
    if submission.kind != "basic":
        why = f"Open OnDemand starts a VNC server for the kind {submission.kind[:40]!r}; here the script must do it"
        yield f"{{{{ {notes.gap('submit.yml.erb', why)} }}}}"
    if body["before"]:
        yield body["before"]
    if body["script"]:
        yield f"(\n{body['script']}\n) &\nSCRIPT_PID=$!\n"
    else:
        yield f"{{{{ {notes.gap('template/script.sh.erb', 'there is no script that could be read')} }}}}"
    if body["after"]:
        yield body["after"]
    yield 'wait "$SCRIPT_PID"'


def _part(files: Mapping[str, str | None], part: str) -> tuple[str, str]:
    for name in (f"template/{part}.sh.erb", f"template/{part}.sh"):
        if name in files:
            return name, files[name] or ""
    return "", ""


def _translated(name: str, text: str, names: Names, notes: Notes, variables: dict[str, str]) -> str:
    if not text.strip():
        return ""
    if text.startswith("#!"):
        first = text.partition("\n")[0]
        if not _SHEBANG.match(text):
            gap = notes.gap(name, "only scripts of bash and sh can be part of a batch script", first, 1)
            return f"{{{{ {gap} }}}}"
        text = text[len(first) :].lstrip("\n")
    text = _PASSWORD.sub(r"\1<%= bwvisu_password %>", text)
    told = Names({**names.known, "bwvisu_password": _ACCESS}) if "<%= bwvisu_password %>" in text else names
    if re.search(r"/r?node/", "".join(each.text for each in pieces(text) if each.kind is Kind.TEXT)):
        notes.say(
            name, "holds an address below /node/ or /rnode/: here the application is reached at /, without a prefix"
        )
    translated = Translator(name, told, notes, variables).whole(text).strip("\n")
    return f"# ---- {name}\n{translated}\n"


def _predefined(form: Form, submission: Submission, notes: Notes) -> Iterator[str]:
    """Attributes that Open OnDemand hands to Slurm itself, where ``submit.yml`` does not."""
    hours = form.names.get("bc_num_hours")
    if not submission.has_time and "time" not in submission.options:
        if hours is not None and hours.type == "int":
            yield f"#SBATCH --time={{{{ {hours.text} * 60 }}}}"
        elif hours is not None and (hours.literal or "").isdecimal():
            yield f"#SBATCH --time={int(hours.literal or 0) * 60}"
        else:
            notes.say("form.yml", "says nothing of the run time: write #SBATCH --time=…")
    for name, option in (("bc_queue", "partition"), ("bc_account", "account")):
        term = form.names.get(name)
        if term is None or option in submission.options:
            continue
        if term.literal is None:
            yield f"{{% if {term.text} %}}\n#SBATCH --{option}={{{{ {term.text} }}}}\n{{% endif %}}"
        elif re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", term.literal):
            yield f"#SBATCH --{option}={term.literal}"
