#!/bin/sh
# Each line of stdin is the list of process groups alive now, in the order they are to be stopped.
# The end of stdin means that their owner is gone: what the last line named is stopped, and the folder
# in $1 removed.
trap '' HUP INT TERM
runs() {
  kill -s 0 "$1" 2>/dev/null || return 1
  # A process nobody has reaped yet is still there, but does not run.
  stat=
  read -r stat 2>/dev/null <"/proc/$1/stat"
  case $stat in *') Z '*) return 1 ;; esac
}
groups=
while read -r line; do groups=$line; done
for group in $groups; do
  kill -s TERM "$group" 2>/dev/null
  kill -s CONT "$group" 2>/dev/null
  tries=0
  while [ $tries -lt 50 ] && runs "$group"; do
    sleep 0.1
    tries=$((tries + 1))
  done
  kill -s KILL -- "-$group" 2>/dev/null
done
[ -z "$1" ] || rm -rf -- "$1"
