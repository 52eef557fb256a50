"""Programs that jobs of a person find in place of an application's, since this machine has not got them all."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bwvisu.sandbox import Sandbox

FURNISH = """\
set -e
cd
mkdir -p stand-ins/bin
printf 'PATH=$HOME/stand-ins/bin:$PATH\\n%s' "$1" >.bash_profile
shift
while [ $# -gt 0 ]; do
    printf %s "$2" >"stand-ins/bin/$1"
    chmod +x "stand-ins/bin/$1"
    shift 2
done
"""
"""``sh``: more for the profile; then names and texts.  Jobs start as a login shell of their user would."""


@contextmanager
def stand_ins(box: Sandbox, user: str, programs: Mapping[str, str], profile: str = "") -> Iterator[None]:
    """Scripts by name, first in the PATH of a person's jobs; ``profile``: further lines of shell for it."""
    named = [word for program in programs.items() for word in program]
    try:
        done = box.run("cmd1", ["sh", "-c", FURNISH, "sh", profile, *named], user=user)
        assert done.returncode == 0, done.stderr
        yield
    finally:
        assert box.run("cmd1", ["sh", "-c", "cd; rm -r stand-ins .bash_profile"], user=user).returncode == 0
