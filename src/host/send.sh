# Runs on a machine while our program is sent there: makes the file, says where, and removes it when its input ends, so
# when the controller is done with it, was interrupted or killed, or the connection broke.
sent=$(mktemp "${TMPDIR:-/tmp}/timetrial-sent.XXXXXXXXXX") || exit 1
trap 'rm -f "$sent"' EXIT
trap 'exit 1' HUP INT TERM PIPE
printf 'timetrial-place/1 sent %s\n' "$sent"
cat >/dev/null
