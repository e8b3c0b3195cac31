# Stands in front of both scripts that put our program in its place. They speak in single lines that begin with
# `timetrial-place/1`, because a login shell may print before it.
say() { printf 'timetrial-place/1 %s\n' "$*"; }

# Nobody but root and the user who runs the agent ($owner) may change what is run, or put something else in its place:
# the same rule as in `agent/own.rs`, before there is an agent. What is wrong goes into $wrong.
# Arguments: a path; `ours` for what is our own or `above` for what it lies in; what it shall be, if not a directory.
# What is not there is not wrong.
look() {
    found=$(LC_ALL=C stat -c '%u %g %a %F' "$1" 2>/dev/null) || return 0
    read -r uid gid mode kind <<END
$found
END
    if [ "$kind" != "${3:-directory}" ]; then wrong="$1 is no ${3:-directory} but a $kind"
    elif [ "$uid" != 0 ] && [ "$uid" != "$owner" ]; then wrong="$1 belongs to the user $uid"
    else
        case $2:$mode in
            # The sticky bit keeps the names in it to their owners, as in /tmp.
            above:[1357]???) ;;
            *[2367]) wrong="$1 can be written by others (mode $mode)" ;;
            # A group of the same number as a user is that user's own.
            *[2367]?) if [ "$2" = ours ] || [ "$uid" != "$gid" ]; then wrong="$1 can be written by others (mode $mode)"; fi ;;
        esac
    fi
}

# Takes all links out of the way to $state, so that what is looked at is what is used, and looks at all of it.
look_at_all() {
    wrong=
    above=$(dirname "$state") rest=/$(basename "$state")
    while [ ! -d "$above" ] && [ "$above" != / ] && [ "$above" != . ]; do
        rest=/$(basename "$above")$rest above=$(dirname "$above")
    done
    # One that can't be entered stays as it is: nothing in it can be run either.
    above=$(cd -P "$above" 2>/dev/null && pwd -P || printf %s "$above")
    state=${above%/}$rest
    for part in "$state" "$state/bin" "$state/bin/$sha"; do look "$part" ours; done
    while look "$above" above && [ "$above" != / ] && [ "$above" != . ]; do above=$(dirname "$above"); done
}

