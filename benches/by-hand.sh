#!/bin/bash
# What a careful person would script for one trial: the peer that `timetrial bench` measures itself beside.
# by-hand.sh TRIALS PORT PATH EXPECTED_BYTES WORKERS LOAD_SECONDS WRK_ARGUMENTS -- DAEMON COMMAND...
# Prints for each trial, in milliseconds: whole, load, start until ready, stop.
set -u
trials=$1 port=$2 path=$3 expected=$4 workers=$5 seconds=$6 threads=$7 connections=$8
shift 9
hex=$(printf '%04X' "$port")
now() { echo $((${EPOCHREALTIME/./} / 1000)); }
port_is_free() { ! grep -q ":$hex [0-9A-F]*:0000 0A" /proc/net/tcp; }

# Asks for the document once; fails if it is not the right one.
ask() {
  exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
  printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$path" >&3
  answer=$(timeout 5 cat <&3); exec 3>&-
  [[ $answer == *" 200 "* && $answer == *"$expected"* ]]
} 2>/dev/null

children() { cat "/proc/$1/task/$1/children" 2>/dev/null; }
ticks() { for pid in "$1" $(children "$1"); do awk '{sum += $14 + $15} END {print sum + 0}' "/proc/$pid/stat" 2>/dev/null; done | awk '{sum += $1} END {print sum + 0}'; }
calm() {
  for _ in $(seq 100); do
    before=$(ticks "$1"); sleep 0.3
    (( $(ticks "$1") - before < 2 )) && return 0
  done
}

for ((trial = 1; trial <= trials; trial++)); do
  begun=$(now)
  port_is_free || { echo "the port is taken" >&2; exit 1; }
  setsid "$@" >daemon.log 2>&1 </dev/null & daemon=$!
  until ask && (( $(children "$daemon" | wc -w) == workers )); do
    kill -0 "$daemon" 2>/dev/null || { echo "the daemon died" >&2; exit 1; }
    sleep 0.02
  done
  ready=$(now)
  calm "$daemon"
  load=$(now)
  wrk -t "$threads" -c "$connections" -d "${seconds}s" --latency "http://127.0.0.1:$port$path" >wrk.txt 2>&1
  loaded=$(now)
  ask || { echo "wrong answer after the load" >&2; exit 1; }
  stop=$(now)
  kill -TERM "$daemon"; wait "$daemon" 2>/dev/null
  stopped=$(now)
  kill -KILL -- "-$daemon" 2>/dev/null
  until port_is_free; do sleep 0.01; done
  grep -q 'Requests/sec' wrk.txt || { echo "no figures" >&2; exit 1; }
  echo "$(( $(now) - begun )) $((loaded - load)) $((ready - begun)) $((stopped - stop))"
done
