# Runs on a machine, sent by the controller: finds our binary there and becomes the agent, or says what is missing.
# Arguments: SHA-256 of the binary, its architecture, the state directory or nothing, `root` where sudo shall be used.
# It speaks in single lines that begin with `timetrial-place/1`, because a login shell may print before it.
sha=$1 architecture=$2 state=$3 root=$4
say() { printf 'timetrial-place/1 %s\n' "$*"; }
here=$(uname -m)
case $here:$architecture in
    "$architecture:$here" | armv*:armv7l) ;;
    *) say architecture "$here"; exit 0 ;;
esac
if [ -n "$state" ]; then :
elif [ "$root" = root ] || [ "$(id -u)" = 0 ]; then state=/var/cache/timetrial
elif [ -n "$XDG_CACHE_HOME" ]; then state=$XDG_CACHE_HOME/timetrial
elif [ -n "$HOME" ]; then state=$HOME/.cache/timetrial
else say nowhere; exit 0
fi
binary=$state/bin/$sha/timetrial
# A binary that root runs must be one that only root can have put there.
if [ "$root" = root ] && [ "$(stat -c %u "$binary" 2>/dev/null)" != 0 ]; then say missing "$state"; exit 0; fi
if [ "$(sha256sum "$binary" 2>/dev/null | cut -d ' ' -f 1)" != "$sha" ]; then say missing "$state"; exit 0; fi
if [ "$root" = root ]; then
    sudo -n true || { say sudo; exit 0; }
    say there
    exec sudo -n "$binary" agent --state-dir "$state"
fi
say there
exec "$binary" agent --state-dir "$state"
