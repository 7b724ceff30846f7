#!/usr/bin/env bash
# Compares tyto with nDPI's ndpiReader on captures, in turn, and prints medians
# and ratios.
#   bench/compare.sh CAPTURE…        RUNS=6 by default
# Both write their records to a file: tyto --json, ndpiReader -C (CSV). Runs on
# one core take the first and the second core in turn, because the cores of a
# shared machine are not equally fast; two cores are compared with their mean.
# What the machine gives at most is measured by two runs at once, one on each;
# how far apart they are, by bench/cores.
set -euo pipefail
runs=${RUNS:-6}
root=$(cd "$(dirname "$0")/.." && pwd)
command -v ndpiReader >/dev/null || { echo "ndpiReader is missing: apt-get install libndpi-bin" >&2; exit 2; }
[ -x /usr/bin/time ] || { echo "GNU time is missing: apt-get install time" >&2; exit 2; }
[ $# -gt 0 ] || { sed -n '2,9p' "$0" >&2; exit 2; }
(cd "$root" && make -s build && go build -o bin/cores ./bench/cores)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

once() { # once FILE COMMAND…: appends "cpu wall KB" of a run
  local log=$1; shift
  /usr/bin/time -o "$work/time" -f '%U %S %e %M' "$@" >"$work/out" 2>"$work/err" || { cat "$work/err" >&2; exit 1; }
  awk 'END { print $1+$2, $3, $4 }' "$work/time" >>"$log"
}
median() { sort -g | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR+1)/2] : (v[NR/2] + v[NR/2+1]) / 2 }'; }
column() { awk -v c="$2" '{ print $c }' "$1"; }

printf '%-12s %-22s %8s %8s %9s %14s\n' capture program 'CPU s' 'wall s' 'peak MiB' 'packets/CPU-s'
for capture; do
  "$root/bin/cores"
  name=$(basename "$capture" .pcap)
  rm -f "$work"/{tyto,tyto1,ndpi,pair0,pair1}
  for ((i = 0; i <= runs; i++)); do # the first is a warm-up
    [ "$i" -gt 0 ] || rm -f "$work"/log
    for p in tyto tyto1 pair ndpi; do
      log=$work/$p; [ "$i" -gt 0 ] || log=$work/warm
      case $p in
        tyto)  once "$log" "$root/bin/tyto" analyze --json --no-model --no-detections "$capture"; packets=$(tail -1 "$work/out" | sed 's/.*"packets":\([0-9]*\).*/\1/') ;;
        tyto1) once "$log" taskset -c $((i % 2)) "$root/bin/tyto" analyze --json --no-model --no-detections "$capture" ;;
        pair)
          for c in 0 1; do
            /usr/bin/time -o "$work/time$c" -f '%U %S %e %M' taskset -c $c "$root/bin/tyto" analyze --json --no-model --no-detections "$capture" >"$work/out$c" 2>/dev/null &
          done
          wait
          for c in 0 1; do awk '{ print $3 }' "$work/time$c" >>"$log$c"; done ;;
        ndpi)  once "$log" ndpiReader -q -i "$capture" -C "$work/csv" ;;
      esac
    done
  done
  for p in tyto tyto1 ndpi; do
    cpu=$(column "$work/$p" 1 | median); wall=$(column "$work/$p" 2 | median); rss=$(column "$work/$p" 3 | median)
    label=$p; [ $p != tyto1 ] || label='tyto, one core'; [ $p != ndpi ] || label='ndpiReader'
    printf '%-12s %-22s %8.2f %8.2f %9.0f %14.0f\n' "$name" "$label" "$cpu" "$wall" "$(echo "$rss / 1024" | bc -l)" "$(echo "$packets / $cpu" | bc -l)"
  done
  paste "$work/ndpi" "$work/tyto" | awk '{ print $1 / $4 }' | median | xargs printf '%-12s ndpiReader / tyto, CPU: %.2f\n' "$name"
  paste "$work/tyto1" "$work/tyto" | awk 'NR % 2 { one = $2; two = $5; next } { print (one + $2) / (two + $5) }' | median |
    xargs printf '%-12s one core / all cores, wall: %.2f\n' "$name"
  # runs a second of two at once, against those of one alone
  paste "$work/pair0" "$work/pair1" "$work/tyto1" | awk '{ both = 1/$1 + 1/$2; a = $4 } NR % 2 { one = a; p = both; next } { print (both + p) / 2 * (one + a) / 2 }' | median |
    xargs printf '%-12s the most these cores give: %.2f\n' "$name"
done
"$root/bin/cores"
