"""What is run on a gateway with a proxy, beside the texts of `keyhole.scripts` and under the same fence.

HAProxy is asked through its stats socket, which the middleware's account may open by its group: no ``sudo``.  Facts,
measured with 2.6: a payload is read in pieces of at most ``tune.bufsize`` (16 KiB), and a line of it without a value
takes the next line for one and is no error; so what a version has come to hold is compared before it is committed.
``commit map`` exchanges versions at once and removes what was left behind by a version that was never committed.
``show`` answers are complete where the answer to a second command follows.

Beside the tools that the packet filters' texts need: ``awk`` and ``timeout``.
"""

from keyhole.scripts import FENCE, INPUT, MAP, PRELUDE

TRAFFIC_PROXY = (
    PRELUDE
    + """\
table=$2 socket=$3
"""
    + MAP
    + """\
shown=$(printf 'show table %s;show map\\n' "$table" | ask)
case $shown in *"# id (file)"*) ;; *) end fault haproxy does not answer at "$socket" ;; esac
printf '%s\\n' "${shown%%"# id (file)"*}"
end ok
"""
)
"""Arguments: sudo (unused), name of ours, HAProxy's stats socket.  Prints the counters of all external ports."""

LOAD_PROXY = (
    PRELUDE
    + INPUT
    + FENCE
    + """\
table=$5 socket=$7
[ -e "$file.proxy" ] || touch "$file.proxy" || end fault cannot write "$file.proxy"
"""
    + MAP
    + """\
path=$(map_path) || end fault haproxy does not answer at "$socket"
[ -n "$path" ] || end fault haproxy has no map "$table.map": see its configuration
rules=$(printf '%s\\n' "$input" | grep -v '^#cut ')
if [ -n "$rules" ]; then
    old=$(entries "$path") || end fault haproxy does not answer at "$socket"
    new=$({ printf '%s\\n' "$old" | sed 's/^0x[0-9a-f]* /</'; printf '%s\\n' "$rules"; } | awk '
        function fail(why) { print why > "/dev/stderr"; bad = 1; exit }
        { sign = substr($0, 1, 1); entry = substr($0, 2) }
        $0 == "" { next }
        $0 == "=" { split("", held); next }
        sign == "?" { if ((count += 0) != $2) fail("there are " count " entries, not " $2); next }
        NF != 2 || index("<+-", sign) == 0 || split(entry, pair, " ") != 2 { fail("broken line") }
        sign == "<" { held[pair[1]] = pair[2]; count++ }
        sign == "-" && held[pair[1]] != pair[2] { fail("not there: " pair[1]) }
        sign == "-" { delete held[pair[1]] }
        sign == "+" && pair[1] in held { fail("already there: " pair[1]) }
        sign == "+" { held[pair[1]] = pair[2] }
        END { if (bad) exit 1; for (key in held) print key, held[key] }' 2>&1) ||
        end refused "$(printf %s "$new" | tr '\\n' ' ' | cut -c -500)"
    new=$(printf '%s\\n' "$new" | sort)
    version=$(printf 'prepare map %s\\n' "$path" | ask | sed -n 's/^New version created: \\([0-9]*\\)$/\\1/p')
    [ -n "$version" ] || end fault haproxy gives no new version of its map
    {
        echo prompt
        [ -z "$new" ] || printf '%s\\n' "$new" | awk -v add="add map @$version $path <<" '
            NR % 50 == 1 { if (NR > 1) print ""; print add }
            { print }
            END { print "" }'
        echo quit
    } | ask >/dev/null
    if ! taken=$(entries "@$version $path") || [ "$(printf '%s\\n' "$taken" | plain)" != "$new" ]; then
        printf 'clear map @%s %s\\n' "$version" "$path" | ask >/dev/null
        end refused haproxy did not take every line
    fi
    printf 'commit map @%s %s\\n' "$version" "$path" | ask >/dev/null
    held=$(entries "$path") && [ "$(printf '%s\\n' "$held" | plain)" = "$new" ] || end fault the map was not committed
fi
printf '%s\\n' "$input" | grep -q '^#cut ' || end ok
# A request that had its way before the exchange may be about to connect: the last look is never the first.
clean=0
for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    live=$(printf 'show sess all;show map\\n' | ask) || end uncut
    case $live in *"# id (file)"*) ;; *) end uncut ;; esac
    live=$({ printf '%s\\n' "$input" | grep '^#cut '; printf '%s\\n' "$live"; } | awk -v ours="backend=$table" '
        $1 == "#cut" { cut["addr=" $4 ":" $5]; next }
        /^0x/ { session = substr($1, 1, length($1) - 1); own = 0 }
        $1 == ours { own = 1 }
        own && /^ *server=/ && $NF in cut { print "shutdown session " session }')
    if [ -n "$live" ]; then
        { echo prompt; printf '%s\\n' "$live"; echo quit; } | ask >/dev/null
        clean=0
    else
        [ "$clean" = 0 ] || break
        clean=1
    fi
    sleep 0.1
done
[ "$clean$live" = 1 ] || end uncut
# Whoever has the port next begins at nothing.
{
    echo prompt
    printf '%s\\n' "$input" | sed -n "s/^#cut \\([0-9]*\\) .*/clear table $table key \\1/p"
    echo quit
} | ask >/dev/null
end ok
"""
)
"""Arguments: sudo (unused), file, generation, epoch, name of ours, length of stdin, HAProxy's stats socket.

Stdin: ``=`` (all anew) or ``? entries``, then ``-name way``, ``+name way``, then the ``#cut`` lines.
One transaction, then the cuts.
"""
