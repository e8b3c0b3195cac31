# Runs on a machine, sent by the controller, after the binary was sent: checks what came and puts it in its place.
# Arguments: SHA-256 of the binary, the state directory, the file that was sent.
# With sudo this is root's: what it checks is its own copy, which nobody else can change any more.
set -e
umask 022
sha=$1 state=$2 sent=$3
owner=$(id -u)
look_at_all
if [ -n "$wrong" ]; then say not-safe "$wrong"; exit 0; fi
mkdir -p "$state"
marker=$state/.timetrial-state
# As the agent does: a directory is taken if it is empty, or ours.
if [ ! -f "$marker" ]; then
    ls -A "$state" | {
        first='' stranger='' lock=''
        while IFS= read -r name; do
            first=${first:-$name}
            case $name in
                lock) lock=yes ;;
                bin | requests | roots | venvs | apt | w) ;;
                *) stranger=${stranger:-$name} ;;
            esac
        done
        if [ -z "$lock" ]; then stranger=${stranger:-$first}; fi
        if [ -n "$stranger" ]; then say not-ours "$stranger"; exit 1; fi
    } || exit 0
    # Only a new file: a link there leads to somebody else's.
    (set -C; echo 'the cache and the work of timetrial' >"$marker")
fi
place=$state/bin/$sha
mkdir -p "$place"
# What came to be in the meantime.
look_at_all
if [ -n "$wrong" ]; then say not-safe "$wrong"; exit 0; fi
find "$place"/new.* -prune -type f -mmin +1 -exec rm -f {} + 2>/dev/null || :
cp "$sent" "$place/new.$$"
chmod 755 "$place/new.$$"
came=$(sha256sum "$place/new.$$" | cut -d ' ' -f 1)
if [ "$came" != "$sha" ]; then
    rm -f "$place/new.$$"
    say wrong "$came"
    exit 0
fi
mv "$place/new.$$" "$place/timetrial"
# Those of versions that nobody runs any more, and nothing that is named otherwise.
for old in "$state"/bin/*; do
    name=${old##*/}
    case $name in *[!0-9a-f]* | "$sha") continue ;; esac
    if [ ${#name} = 64 ]; then find "$old" -prune -type d -mtime +30 -exec rm -rf {} + 2>/dev/null || :; fi
done
say installed
