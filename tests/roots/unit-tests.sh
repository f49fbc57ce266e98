#!/usr/bin/env bash
# Runs the plugin's unit tests with the feature `analytics` in a Debian root (make-root.sh).
#
#   unit-tests.sh ROOT
#
# tests/tests/analytics.rs runs this. Ends with 77 where it cannot run.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "${1:?root}" && pwd)
tests=$("$here/build-plugin.sh" "$root" tests)
inside=/srv/snarm-units
rm -rf "$root$inside"
mkdir -p "$root$inside"
cp "$tests" "$root$inside/tests"
chroot "$root" env LC_ALL=C.UTF-8 HOME=$inside "$inside/tests"
