"""What is run on a gateway: one fixed POSIX shell text per purpose.

Nothing is ever interpolated into a text: what varies comes as arguments or on stdin.  Each prints a closing line
``END <word> …``, so that an answer which was cut short is recognised.

The fence: every text that looks at or loads rules takes a lock on the gateway and compares (generation, epoch) with
the greatest it has ever seen there, kept in a file across reboots.  A smaller one is refused.  Looking takes part in
this, so that what a new leader has seen cannot be changed behind its back by an old one.

Beside the fence lies what a gateway knows of its filters, for leaders without a memory: a file per backend that may
hold rules of ours, written before every load and removed only where a listing shows that it holds none; and a file
that says that ``iptables-save`` has worked here.  A filter that cannot be asked goes on translating what it holds.

A gateway is of one address family, ``ip`` or ``ip6`` as nft calls them; of iptables' tools the family's are run.

Beside the commands of ``sudo`` (iptables, iptables-save, iptables-restore or their ip6 twins, nft, conntrack) a gateway
needs ``flock``, ``nc``, ``getent`` and ``xargs -P``.
"""

from collections.abc import Mapping, Sequence

ROOT_PROGRAMS: Mapping[str, Sequence[str]] = {
    "nftables": ("nft", "conntrack"),
    "iptables": ("iptables-save", "iptables-restore", "conntrack"),
    "proxy": (),
}
"""By backend, what the texts run by ``$sudo``; on an IPv6 gateway `ip6` stands for `ip` in those of iptables."""


PRELUDE = """\
set -u
umask 077
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin:/usr/local/sbin"
sudo=$1
end() { printf '\\nEND %s\\n' "$*"; exit 0; }
"""

_FAMILY = """\
case $family in
ip) iptables=iptables conntrack='conntrack -f ipv4' ;;
ip6) iptables=ip6tables conntrack='conntrack -f ipv6' ;;
*) end fault no family "$family" ;;
esac
# Port of the gateway, client, target's address and port of all that is translated.  Counters may stand in between.
flows() {
    listed=$($sudo $conntrack -L -p tcp --dst-nat 2>/dev/null) || return 1
    there='src=\\([0-9a-f.:]*\\) dst=[^ ]* sport=[0-9]* dport=\\([0-9]*\\)'
    back='src=\\([0-9a-f.:]*\\) dst=[^ ]* sport=\\([0-9]*\\) dport=[0-9]*'
    printf '%s\\n' "$listed" | sed -n "s/^tcp .* $there .*$back.*/\\2 \\1 \\3 \\4/p" | sort -u
}
"""

FENCE = """\
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

INPUT = """\
# All of stdin first: a connection that dies half-way must not load half a table.
input=$(cat)
[ "${#input}" -eq "$6" ] || end fault truncated
"""

MAP = """\
ask() { timeout 10 nc -U "$socket" 2>/dev/null; }
plain() { sed -n 's/^0x[0-9a-f]* //p' | sort; }
map_path() {
    maps=$(printf 'show map\\n' | ask)
    case $maps in *"# id (file)"*) ;; *) return 1 ;; esac
    printf '%s\\n' "$maps" | sed -n "s|^[0-9-]* (\\([^ ]*/$table\\.map\\)) .*|\\1|p"
}
entries() {
    shown=$(printf 'show map %s;show map\\n' "$1" | ask)
    case $shown in *"# id (file)"*) ;; *) return 1 ;; esac
    printf '%s\\n' "${shown%%"# id (file)"*}" | sed '/^$/d'
}
"""
"""Functions that ask HAProxy at ``$socket`` for the map of ``$table``; status 1: it did not answer in full."""

LOOK = (
    PRELUDE
    + FENCE
    + MAP
    + """\
table=$5 family=$6 socket=$8 nl='
'
"""
    + _FAMILY
    + """\
section() {
    name=$1
    shift
    out=$("$@" 2>/dev/null)
    status=$?
    printf '== %s %s\\n%s\\n' "$name" "$status" "$out"
}
saved() {
    section "$1" $sudo "$iptables-save" -t "$1"
    [ "$status" = 0 ] || failed=$status
    case $out in
    # With status 0 it says that it cannot show the table: it holds rules of nft's own kind.
    '# Table '*) failed=1 ;;
    *":$table-"*) ours=yes ;;
    esac
}
remember() {
    case $failed$ours in
    0yes) [ -e "$file.$1" ] || touch "$file.$1" || end fault cannot write "$file.$1" ;;
    0) rm -f "$file.$1" ;;
    *) [ ! -e "$file.$1" ] || end fault "$1 may hold rules of ours and cannot be listed ($file.$1)" ;;
    esac
}
section works $sudo nft list tables
failed=$status ours=''
case $nl$out$nl in *"${nl}table $family $table$nl"*) ours=yes ;; esac
section nft $sudo nft -j list table "$family" "$table"
[ -z "$ours" ] || failed=$status
remember nftables
failed=0 ours=''
saved nat
seen=$status
saved filter
remember iptables
if [ "$seen" = 0 ]; then
    [ -e "$file.seen" ] || touch "$file.seen" || end fault cannot write "$file.seen"
elif [ -e "$file.seen" ] && command -v "$iptables-save" >/dev/null; then
    printf '== blind 0\\n\\n'
fi
[ -z "$7" ] || section flows flows
if [ -e "$file.proxy" ] || { [ -n "$socket" ] && [ -e "$socket" ]; }; then
    failed=1 ours=''
    if path=$(map_path); then
        failed=0
        if [ -n "$path" ]; then
            out=$(entries "$path") || failed=1
            ours=${out:+yes}
            printf '== proxy %s\\n%s\\n' "$failed" "$out"
        fi
    fi
    remember proxy
fi
end ok
"""
)
"""Arguments: sudo, file, generation, epoch, name of ours, family, whether to list flows (empty: no), HAProxy's socket.

Where the socket's path is empty or leads nowhere, there is no proxy; a map is listed where HAProxy has ours.

Prints each listing as a section with its exit status.  ``fault`` where a filter that may hold rules of ours cannot be
listed.  A section ``blind``: ``iptables-save`` is here, has worked before, and does not now; foreign rules may be there
unseen.
"""

LOAD = (
    PRELUDE
    + INPUT
    + """\
family=$7 nl='
'
"""
    + FENCE
    + _FAMILY
    + """\
[ -e "$file.$5" ] || touch "$file.$5" || end fault cannot write "$file.$5"
case $5 in
nftables) load() { $sudo nft -f -; } ;;
iptables) load() { $sudo "$iptables-restore" --noflush -w 5; } ;;
esac
out=$(printf '%s\\n' "$input" | load 2>&1) || end refused "$(printf %s "$out" | tr '\\n' ' ' | cut -c -500)"
cuts=$(printf '%s\\n' "$input" | sed -n 's/^#cut //p') || end uncut
[ -n "$cuts" ] || end ok
flows=$(flows) || end uncut
# Only what is alive is deleted: one call each, and most removed forwards have no connection.  Both lists through stdin:
# an argument holds 128 KiB.  Each ends in the line that sorts last; without it, something was cut short.
doomed=$({
    printf '%s\\n~\\n' "$flows" | sed -e p -e 's/ [^ ]* / * /' | sort -u
    printf '%s\\n~\\n' "$cuts" | sort -u
} | sort | uniq -d)
case $doomed in '~') end ok ;; *"$nl~") ;; *) end uncut ;; esac
printf '%s\\n' "${doomed%"$nl~"}" | {
    failed=0
    while read -r port source address inner; do
        [ "$source" = '*' ] && set -- || set -- --orig-src "$source"
        # Status 1: it ended by itself in the meantime.
        $sudo $conntrack -D -p tcp --orig-port-dst "$port" --reply-src "$address" --reply-port-src "$inner" "$@" ||
            [ "$?" = 1 ] || failed=1
    done >/dev/null 2>&1
    exit "$failed"
} || end uncut
end ok
"""
)
"""Arguments: sudo, file, generation, epoch, backend, length of stdin, family.  Loads stdin, then cuts connections.

Lines ``#cut port source address inner`` name them; ``*``: whatever their source.
"""

PROBE = (
    PRELUDE
    + """\
command -v nc >/dev/null || end fault nc is missing
xargs -P 32 -n "$2" sh -c '
    for target; do
        address=${target%:*} address=${address#\\[} address=${address%\\]}
        nc -z -w 2 "$address" "${target##*:}" >/dev/null 2>&1
        echo "$target $?"
    done' sh
end ok
"""
)
"""Arguments: sudo (unused), targets per process.  Stdin: lines ``address:port``, IPv6 in brackets."""

RESOLVE = (
    PRELUDE
    + """\
xargs -P 16 -n 1 sh -c '
    getent "ahostsv$0" "$1" | while read -r address kind _; do
        [ "$kind" != STREAM ] || echo "$1 $address"
    done' "$2"
end ok
"""
)
"""Arguments: sudo (unused), 4 or 6.  Stdin: one host name per line."""


FLOWS = (
    PRELUDE
    + """\
printf 'counted %s\\n' "$(cat /proc/sys/net/netfilter/nf_conntrack_acct 2>/dev/null)"
$sudo conntrack -L -f "$2" -p tcp --dst-nat -o id 2>/dev/null || end fault conntrack does not work here
end ok
"""
)
"""Arguments: sudo, ``ipv4`` or ``ipv6``.  Prints whether conntrack counts bytes (``counted 1``), then translated flows.

What the gateway itself opens, such as the probes of `PROBE`, is not translated and so not among them (measured).
"""
