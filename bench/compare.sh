#!/usr/bin/env bash
# Compares tyto with nDPI's ndpiReader on captures, in turn, and prints medians
# and ratios.
#   bench/compare.sh CAPTURE…        RUNS=5 by default
# Both write their records to a file: tyto --json, ndpiReader -C (CSV).
set -euo pipefail
runs=${RUNS:-5}
root=$(cd "$(dirname "$0")/.." && pwd)
command -v ndpiReader >/dev/null || { echo "ndpiReader is missing: apt-get install libndpi-bin" >&2; exit 2; }
[ -x /usr/bin/time ] || { echo "GNU time is missing: apt-get install time" >&2; exit 2; }
[ $# -gt 0 ] || { sed -n '2,5p' "$0" >&2; exit 2; }
(cd "$root" && make -s build)
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
  name=$(basename "$capture" .pcap)
  rm -f "$work"/{tyto,tyto1,ndpi}
  for ((i = 0; i <= runs; i++)); do # the first is a warm-up
    [ "$i" -gt 0 ] || rm -f "$work"/log
    for p in tyto tyto1 ndpi; do
      log=$work/$p; [ "$i" -gt 0 ] || log=$work/warm
      case $p in
        tyto)  once "$log" "$root/bin/tyto" analyze --json "$capture"; packets=$(tail -1 "$work/out" | sed 's/.*"packets":\([0-9]*\).*/\1/') ;;
        tyto1) once "$log" taskset -c 0 "$root/bin/tyto" analyze --json "$capture" ;;
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
  paste "$work/tyto1" "$work/tyto" | awk '{ print $2 / $5 }' | median | xargs printf '%-12s one core / all cores, wall: %.2f\n' "$name"
done
