#!/usr/bin/env bash
# Skips, as tests/src/skip.rs has them, for checks that are scripts.
#
#   skip.sh WHAT REASON   says that a check does not run for want of WHAT, and counts it; fails with SNARM_NO_SKIP=1,
#                         but for what that file allows
#   skip.sh --count       says how many tests and checks were skipped, and for want of what
#
#   SNARM_SKIPS   file that gets a line for each
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

if [ "${1:-}" = --count ]; then
    [ -s "${SNARM_SKIPS:-}" ] || { echo "skipped: none"; exit 0; }
    echo "skipped: $(wc -l < "$SNARM_SKIPS"), all in $SNARM_SKIPS; for want of"
    cut -d: -f1 "$SNARM_SKIPS" | sort | uniq -c
    exit 0
fi

line="$1: $2"
echo "skipped: $line"
[ -z "${SNARM_SKIPS:-}" ] || echo "$line" >> "$SNARM_SKIPS"
if [ "${SNARM_NO_SKIP:-}" = 1 ] && ! grep -q "^    (\"$1\", \"" "$root/tests/src/skip.rs"; then
    echo "SNARM_NO_SKIP is set, and this check cannot run for want of $1" >&2
    exit 1
fi
