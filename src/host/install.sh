# Runs on a machine, sent by the controller, after the binary was sent: checks what came and puts it in its place.
# Arguments: SHA-256 of the binary, the state directory, the file that was sent.
# With sudo this is root's: what it checks is its own copy, which nobody else can change any more.
set -e
umask 022
sha=$1 state=$2 sent=$3
say() { printf 'timetrial-place/1 %s\n' "$*"; }
marker=$state/.timetrial-state
mkdir -p "$state"
# As the agent does: a directory is taken if it is empty, or ours.
if [ ! -e "$marker" ] && [ ! -e "$state/lock" ]; then
    found=$(ls -A "$state" | head -n 1)
    if [ -n "$found" ]; then say not-ours "$found"; exit 0; fi
    echo 'the cache and the work of timetrial' >"$marker"
fi
place=$state/bin/$sha
mkdir -p "$place"
cp "$sent" "$place/new.$$"
chmod 755 "$place/new.$$"
came=$(sha256sum "$place/new.$$" | cut -d ' ' -f 1)
if [ "$came" != "$sha" ]; then
    rm -f "$place/new.$$"
    say wrong "$came"
    exit 0
fi
mv "$place/new.$$" "$place/timetrial"
# Those of versions that nobody runs any more.
find "$state/bin" -mindepth 1 -maxdepth 1 -type d -mtime +30 ! -path "$place" -exec rm -rf {} + 2>/dev/null || :
say installed
