#!/usr/bin/env bash
# Measures the queue with the built programs: how many builds a second are acknowledged while they
# pile up behind a build that runs, what a look at them costs, how long a killed daemon takes to serve
# again with all of them, and how many a second are canceled.
#
#   tests/bench/queue.sh [BUILDS]      (10000 builds)
#
# Needs root, busybox-static, and bazel-bin with daemon/zlayerd, client/cli/zlayer and
# tests/bench/queue_load (or ZLAYER_BIN, a directory that has all three).
set -euo pipefail
builds=${1:-10000}
top=$(cd "$(dirname "$0")/../.." && pwd)
daemon=${ZLAYER_BIN:-$top/bazel-bin/daemon}/zlayerd
zlayer=${ZLAYER_BIN:-$top/bazel-bin/client/cli}/zlayer
load=${ZLAYER_BIN:-$top/bazel-bin/tests/bench}/queue_load

work=$(mktemp -d)
pid=
finish() { [ -z "$pid" ] || { kill -9 "$pid" 2>/dev/null; wait "$pid" 2>/dev/null || true; }; rm -rf "$work"; }
trap finish EXIT
export ZLAYER_ADDRESS=unix://$work/s XDG_CACHE_HOME=$work/cache
cat >"$work/zlayerd.yaml" <<YAML
queue:
  max_running: 1
  max_queued: 1000000
  max_queued_per_namespace: 1000000
  max_attempts: 100
YAML

now() { date +%s%N; }
ms() { awk -v ns="$1" 'BEGIN { printf "%.0f ms", ns / 1e6 }'; }
# Prints the time from the start until a client has its answer.
start() {
  local begin
  begin=$(now)
  "$daemon" --config "$work/zlayerd.yaml" --root "$work/root" --address "$ZLAYER_ADDRESS" 2>>"$work/log" &
  pid=$!
  until "$zlayer" info >"$work/info" 2>/dev/null; do sleep 0.002; done
  took=$(($(now) - begin))
}
timed() {
  local begin
  begin=$(now)
  "$@" >/dev/null
  ms $(($(now) - begin))
}

start
echo "start to an answer, nothing queued: $(ms "$took")"
mkdir -p "$work/bb/bin" "$work/bb/etc" "$work/c"
cp /bin/busybox "$work/bb/bin/sh"
ln -s sh "$work/bb/bin/sleep"
tar -C "$work/bb" -c . | "$zlayer" import - busybox >/dev/null
printf 'FROM busybox\nRUN echo up; sleep 100000\n' >"$work/c/Dockerfile"
busy=$("$zlayer" build --detach "$work/c")
until "$zlayer" builds logs "$busy" | grep -q up; do sleep 0.05; done

echo -n "submit: "
"$load" "$ZLAYER_ADDRESS" submit "$builds" 2>&1 >"$work/ids"
last=$(tail -n 1 "$work/ids")
echo "memory of the daemon: $(awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$pid/status") MiB"
echo "logs: $(find "$work/root/builds" -mindepth 1 -maxdepth 1 | wc -l)"
echo "show the last, with the client's own start: $(timed "$zlayer" builds show "$last")"
echo "list 100: $(timed "$zlayer" builds ls)"

for _ in 1 2 3; do
  kill -9 "$pid"
  wait "$pid" 2>/dev/null || true
  start
  echo "start to an answer after kill -9: $(ms "$took")"
done
"$zlayer" info --format json | tr ',' '\n' | grep -i queued || true

echo -n "cancel: "
head -n 2000 "$work/ids" | "$load" "$ZLAYER_ADDRESS" cancel
