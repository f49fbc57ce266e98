#!/usr/bin/env bash
# Checks licences, sources and known faults of all dependencies with cargo-deny (cargo install cargo-deny), by deny.toml. Says what
# it could not check: faults are known to a database that has to be fetched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! command -v cargo-deny >/dev/null; then
    echo "deny: licences and sources are not checked: expected cargo-deny, found none: cargo install cargo-deny --locked"
    exit 0
fi
cargo deny --workspace --locked --offline check bans licenses sources
if cargo deny --workspace --locked fetch db >/dev/null 2>&1; then
    cargo deny --workspace --locked check advisories
else
    echo "deny: known faults are not checked: expected the database of RustSec, could not fetch it"
fi
