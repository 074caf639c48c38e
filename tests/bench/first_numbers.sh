#!/usr/bin/env bash
# Measures what a user meets first, with the built programs: time from start to ready, idle memory, and
# a Dockerfile of 20 steps (10 RUN echo, 5 small COPY, 5 of configuration) cold and cached.
#
#   tests/bench/first_numbers.sh [ROUNDS]      (20 rounds; the median is printed)
#
# Needs root, busybox-static, and bazel-bin/daemon/zlayerd and bazel-bin/client/cli/zlayer (or
# ZLAYER_BIN, a directory that has both).
set -euo pipefail
rounds=${1:-20}
top=$(cd "$(dirname "$0")/../.." && pwd)
daemon=${ZLAYER_BIN:+$ZLAYER_BIN/zlayerd}
zlayer=${ZLAYER_BIN:+$ZLAYER_BIN/zlayer}
daemon=${daemon:-$top/bazel-bin/daemon/zlayerd}
zlayer=${zlayer:-$top/bazel-bin/client/cli/zlayer}

work=$(mktemp -d)
pid=
finish() { [ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null || true; }; rm -rf "$work"; }
trap finish EXIT
export ZLAYER_ADDRESS=unix://$work/s XDG_CACHE_HOME=$work/cache

now() { date +%s%N; }
median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.1f", v[int((NR + 1) / 2)] / 1e6 }'; }
start() {
  "$daemon" --root "$work/root" --address "$ZLAYER_ADDRESS" 2>>"$work/log" &
  pid=$!
  until [ -S "$work/s" ]; do sleep 0.001; done
}
stop() { kill "$pid"; wait "$pid" || true; pid=; }

for _ in $(seq "$rounds"); do
  begin=$(now)
  start
  "$zlayer" info >/dev/null
  echo $(($(now) - begin))
  stop
done >"$work/ready"
echo "start to ready, with the client's own start: $(median <"$work/ready") ms"

start
"$zlayer" info >/dev/null
sleep 1
echo "idle memory: $(awk '/^VmRSS/ { print $2 / 1024 }' "/proc/$pid/status") MiB"

mkdir -p "$work/bb/bin" "$work/bb/etc" "$work/c"
cp /bin/busybox "$work/bb/bin/sh"
tar -C "$work/bb" -c . | "$zlayer" import - busybox >/dev/null
{
  echo "FROM busybox"
  for i in 1 2 3 4 5; do
    echo "RUN echo $i > /r$i"
    echo "COPY f$i /f$i"
    echo "ENV V$i=$i"
    echo "RUN echo $i$i > /s$i"
    echo "$i" >"$work/c/f$i"
  done
} >"$work/c/Dockerfile"
"$zlayer" build -q "$work/c" >/dev/null  # the base's tree, the client's digests
sleep 2.1  # files are young no more: their digests are remembered
measure() {
  for _ in $(seq "$rounds"); do
    begin=$(now)
    "$zlayer" build -q "$@" "$work/c" >/dev/null
    echo $(($(now) - begin))
  done | median
}
echo "20 steps cold: $(measure --no-cache) ms"
echo "20 steps cached: $(measure) ms"
