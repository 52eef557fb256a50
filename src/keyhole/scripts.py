"""What is run on a gateway: one fixed POSIX shell text per purpose.

Nothing is ever interpolated into a text: what varies comes as arguments or on stdin.  Each prints a closing line
``END <word> …``, so that an answer which was cut short is recognised.

The fence: every text that looks at or loads rules takes a lock on the gateway and compares (generation, epoch) with
the greatest it has ever seen there, kept in a file across reboots.  A smaller one is refused.  Looking takes part in
this, so that what a new leader has seen cannot be changed behind its back by an old one.

Beside the commands of ``sudo`` (iptables, iptables-save, iptables-restore, nft, conntrack) a gateway needs ``flock``,
``nc``, ``getent`` and ``xargs -P``.
"""

_PRELUDE = """\
set -u
umask 077
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin:/usr/local/sbin"
sudo=$1
end() { printf '\\nEND %s\\n' "$*"; exit 0; }
"""

_FENCE = """\
dir=$HOME/.bwvisu file=$HOME/.bwvisu/$2
mkdir -p "$dir" && touch "$file.lock" || end fault cannot write "$dir"
exec 9>>"$file.lock"
flock -w 5 9 || end fault locked
generation=0 epoch=0
if [ -e "$file.fence" ]; then
    read -r generation epoch <"$file.fence" || end fault unreadable "$file.fence"
    case $generation-$epoch in -* | *- | *[!0-9-]*) end fault unreadable "$file.fence" ;; esac
fi
if [ "$3" -lt "$generation" ] || { [ "$3" -eq "$generation" ] && [ "$4" -lt "$epoch" ]; }; then
    end fenced "$generation" "$epoch"
fi
if [ "$3 $4" != "$generation $epoch" ]; then
    printf '%s %s\\n' "$3" "$4" >"$file.new" && sync "$file.new" && mv "$file.new" "$file.fence" ||
        end fault cannot write "$file.fence"
fi
"""

LOOK = (
    _PRELUDE
    + _FENCE
    + """\
section() {
    name=$1
    shift
    out=$("$@" 2>/dev/null)
    printf '== %s %s\\n%s\\n' "$name" "$?" "$out"
}
section works $sudo nft list tables
section nft $sudo nft -j list table ip "$5"
section nat $sudo iptables-save -t nat
section filter $sudo iptables-save -t filter
end ok
"""
)
"""Arguments: sudo, file, generation, epoch, nft table.  Prints each listing as a section with its exit status."""

LOAD = (
    _PRELUDE
    + """\
# All of stdin first: a connection that dies half-way must not load half a table.
input=$(cat)
[ "${#input}" -eq "$6" ] || end fault truncated
"""
    + _FENCE
    + """\
case $5 in
nftables) load() { $sudo nft -f -; } ;;
iptables) load() { $sudo iptables-restore --noflush -w 5; } ;;
esac
out=$(printf '%s\\n' "$input" | load 2>&1) || end refused "$(printf %s "$out" | tr '\\n' ' ' | cut -c -500)"
cuts=$(printf '%s\\n' "$input" | sed -n 's/^#cut //p')
[ -n "$cuts" ] || end ok
flows=$($sudo conntrack -L -p tcp --dst-nat 2>/dev/null) || end uncut
# Only what is alive is deleted: one call each, and most removed forwards have no connection.
live=$(printf '%s\\n' "$flows" | sed -n \\
    's/^tcp .* dport=\\([0-9]*\\) .*src=\\([0-9.]*\\) dst=[0-9.]* sport=\\([0-9]*\\) dport=.*$/\\1 \\2 \\3/p' | sort -u)
[ -n "$live" ] || end ok
printf '%s\\n' "$cuts" | grep -Fx -e "$live" | while read -r port address inner; do
    # Status 1: it ended by itself in the meantime.
    $sudo conntrack -D -p tcp --orig-port-dst "$port" --reply-src "$address" --reply-port-src "$inner"
done >/dev/null 2>&1
end ok
"""
)
"""Arguments: sudo, file, generation, epoch, backend, length of stdin.  Loads stdin, then cuts the ``#cut`` flows."""

PROBE = (
    _PRELUDE
    + """\
command -v nc >/dev/null || end fault nc is missing
xargs -P 32 -n "$2" sh -c '
    for target; do
        nc -z -w 2 "${target%:*}" "${target#*:}" >/dev/null 2>&1
        echo "$target $?"
    done' sh
end ok
"""
)
"""Arguments: sudo (unused), targets per process.  Stdin: lines ``address:port``."""

RESOLVE = (
    _PRELUDE
    + """\
xargs -P 16 -n 1 sh -c '
    getent ahostsv4 "$1" | while read -r address kind _; do
        [ "$kind" != STREAM ] || echo "$1 $address"
    done' sh
end ok
"""
)
"""Arguments: sudo (unused).  Stdin: one host name per line."""
