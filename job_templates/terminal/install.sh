#!/bin/bash
# install.sh DIR: put the terminal's server into DIR, where jobs look for it ($BWVISU_TERMINAL_HOME, else
# /opt/bwvisu/terminal). Again with the same versions it does nothing. PYTHON chooses the interpreter.
set -euo pipefail

if (($# != 1)) || [[ $1 != /* ]]; then
    echo "usage: ${0##*/} DIR (absolute)" >&2
    exit 2
fi
target=$1
python=${PYTHON:-/usr/bin/python3}
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
versions=$here/requirements.txt
wanted=$(sha256sum <"$versions")
stamp=$target/.installed

# One installation at a time, whatever the target: the lock is on this bundle's own file.
exec 9<"$versions"
flock 9
if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    echo "terminal: $target is up to date"
    exit 0
fi
if [[ -e $target && ! -f $target/pyvenv.cfg && -n $(ls -A -- "$target") ]]; then
    echo "terminal: $target holds something else; choose an empty folder" >&2
    exit 1
fi
umask 022
"$python" -m venv --clear "$target"
"$target/bin/python" -m pip install -qq --disable-pip-version-check --no-input --require-hashes \
    --only-binary :all: --requirement "$versions"
# What the screen shows is also text for screen readers (and for tests), which xterm.js otherwise draws as a picture.
settings=$target/share/jupyter/lab/settings
mkdir -p "$settings"
printf '%s\n' '{"@jupyterlab/terminal-extension:plugin": {"screenReaderMode": true}}' >"$settings/overrides.json"
printf '%s\n' "$wanted" >"$stamp"
echo "terminal: installed in $target"
