#!/usr/bin/env bash
# 1,000 watchers follow one build that writes lines at a steady rate: how late the lines arrive, and
# whether any is lost.
#
#   tests/bench/watchers.sh [WATCHERS] [LINES A SECOND] [SECONDS]     (1000, 50, 10)
#
# Needs root, busybox-static, and a build of //daemon:zlayerd, //client/cli:zlayer and
# //tests/bench:watchers (bazel-bin, or ZLAYER_BIN, a directory that has all three).
set -euo pipefail
watchers=${1:-1000} rate=${2:-50} seconds=${3:-10}
top=$(cd "$(dirname "$0")/../.." && pwd)
program() { if [ -n "${ZLAYER_BIN:-}" ]; then echo "$ZLAYER_BIN/${1##*/}"; else echo "$top/bazel-bin/$1"; fi; }
zlayer=$(program client/cli/zlayer)
work=$(mktemp -d)
pid=
finish() { [ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null || true; }; rm -rf "$work"; }
trap finish EXIT
export ZLAYER_ADDRESS=unix://$work/s XDG_CACHE_HOME=$work/cache
"$(program daemon/zlayerd)" --root "$work/root" --address "$ZLAYER_ADDRESS" 2>"$work/log" &
pid=$!
until "$zlayer" info >/dev/null 2>&1; do sleep 0.01; done
mkdir -p "$work/bb/bin" "$work/bb/etc" "$work/c"
cp /bin/busybox "$work/bb/bin/busybox"
ln -s busybox "$work/bb/bin/sh"
tar -C "$work/bb" -c . | "$zlayer" import - busybox >/dev/null
cat >"$work/c/Dockerfile" <<EOF
FROM busybox
RUN /bin/busybox sleep 5; i=0; while [ \$i -lt $((rate * seconds)) ]; do echo "line \$i of the output"; \
  /bin/busybox usleep $((1000000 / rate)); i=\$((i + 1)); done
EOF
id=$("$zlayer" build --detach "$work/c")
"$(program tests/bench/watchers)" "$ZLAYER_ADDRESS" "$id" "$watchers" 10
echo "daemon's peak memory: $(awk '/^VmHWM/ { print $2 / 1024 }' "/proc/$pid/status") MiB"
