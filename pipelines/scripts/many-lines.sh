#!/usr/bin/env bash
# Measures what a hub carries of simulated stations (docs/many-lines.md), on this machine alone: starts one nats-server, or
# three as a cluster, on free ports, with their streams in a temporary folder, and ends them.
#
#   many-lines.sh [SERVERS [ARGUMENT ...]]     1 or 3 servers; arguments of `snarm hub simulate`, such as --stations 50
#
# SNARM names the command [default: target/release/snarm].
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
snarm=$(realpath "${SNARM:-target/release/snarm}")
servers=${1:-1}
shift || true
case "$servers" in 1 | 3) ;; *) echo "many-lines: expected 1 or 3 servers, found $servers" >&2; exit 1 ;; esac
PATH=$PATH:/usr/sbin

folder=$(mktemp -d)
pids=()
end() {
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
    wait
    rm -rf "$folder"
}
trap end EXIT
cd "$folder"

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
clients=() routes=()
for ((at = 0; at < servers; at++)); do
    clients+=("$(port)")
    routes+=("nats://127.0.0.1:$(port)")
done
for ((at = 0; at < servers; at++)); do
    words=(-n "hub-$at" -a 127.0.0.1 -p "${clients[at]}" -js -sd "js-$at")
    [ "$servers" = 1 ] || words+=(--cluster_name hub --cluster "${routes[at]}" --routes "$(IFS=,; echo "${routes[*]}")")
    nats-server "${words[@]}" 2> "server-$at.log" &
    pids+=($!)
done
urls=$(printf "'nats://127.0.0.1:%s'," "${clients[@]}")
printf '[hub]\nurl = [%s]\nname = "measure"\n' "$urls" > hub.toml

# A cluster chooses its leader first.
for try in $(seq 60); do
    "$snarm" hub init --replicas "$servers" 2> init.log && break
    [ "$try" -lt 60 ] || { cat init.log >&2; exit 1; }
    sleep 1
done
"$snarm" hub simulate --data stations "$@"
for ((at = 0; at < servers; at++)); do
    # Fields of proc(5): user and system time in ticks; memory in pages.
    ticks=$(awk '{print $14 + $15}' "/proc/${pids[at]}/stat")
    memory=$(awk '/VmHWM/ {print $2}' "/proc/${pids[at]}/status")
    disk=$(du -sk "js-$at" | cut -f1)
    echo "server $at: $(python3 -c "print($ticks / $(getconf CLK_TCK))") s of a processor, $memory KiB of memory at most, $disk KiB on the disk"
done
echo "stations: $(du -sk stations | cut -f1) KiB on the disk"
