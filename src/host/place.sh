# Runs on a machine, sent by the controller: finds our binary there and becomes the agent, or says what is missing.
# Arguments: SHA-256 of the binary, its architecture, the state directory or nothing, `root` where sudo shall be used.
sha=$1 architecture=$2 state=$3 root=$4
here=$(uname -m)
case $here:$architecture in
    "$architecture:$here" | armv*:armv7l) ;;
    *) say architecture "$here"; exit 0 ;;
esac
# Programs that were on their way when a machine or a link died; nobody waits as long as a minute for one.
find "${TMPDIR:-/tmp}"/timetrial-sent.* -prune -type f -user "$(id -u)" -mmin +1 -exec rm -f {} + 2>/dev/null
if [ -n "$state" ]; then :
elif [ "$root" = root ] || [ "$(id -u)" = 0 ]; then state=/var/cache/timetrial
elif [ -n "$XDG_CACHE_HOME" ]; then state=$XDG_CACHE_HOME/timetrial
elif [ -n "$HOME" ]; then state=$HOME/.cache/timetrial
else say nowhere; exit 0
fi
owner=$(id -u)
if [ "$root" = root ]; then
    # Before anything is sent.
    # Its own words, in one line.
    words=$(sudo -n true 2>&1) || { say sudo "$(printf %s "$words" | tr '\n' ' ')"; exit 0; }
    owner=0
fi
look_at_all
if [ -n "$wrong" ]; then say not-safe "$wrong"; exit 0; fi
binary=$state/bin/$sha/timetrial
# A binary that root runs must be one that only root can have put there. What is not so will be replaced.
look "$binary" ours 'regular file'
if [ -n "$wrong" ] || [ "$(sha256sum "$binary" 2>/dev/null | cut -d ' ' -f 1)" != "$sha" ]; then say missing "$state"; exit 0; fi
if [ "$root" = root ]; then
    say there
    exec sudo -n "$binary" agent --state-dir "$state"
fi
say there
exec "$binary" agent --state-dir "$state"
