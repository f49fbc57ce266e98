#!/usr/bin/env bash
# Measures in a Debian root (make-root.sh) behind which elements `SnarmAnomalyMeta` survives: the tests of
# tests/tests/elements/survival.rs, built here against an older GStreamer as packages of the plugin are.
#
#   survival.sh ROOT
#
# tests/tests/analytics.rs runs this. Ends with 77 where it cannot run.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "${1:?root}" && pwd)
[ -e "$root/.complete" ] || { echo "skipped: no complete root in $root; make-root.sh makes one" >&2; exit 77; }
[ "$(id -u)" = 0 ] || { echo "skipped: root rights are needed to enter a root" >&2; exit 77; }

cd "$here/../.."
tests=$(cargo test --locked -p snarm-tests --test elements --no-run --message-format json |
    sed -n 's|.*"executable":"\([^"]*/elements-[^"]*\)".*|\1|p')
inside=/srv/snarm-survival
rm -rf "$root$inside"
mkdir -p "$root$inside"
cp "$tests" "$root$inside/elements"
chroot "$root" env LC_ALL=C.UTF-8 HOME=$inside "$inside/elements" survival:: --nocapture --test-threads 1 \
    --skip the_table_is_in_the_docs
