#!/usr/bin/env bash
# What earlier builds cost: a cached rebuild and the daemon's memory with more and more builds in the
# store. Needs root, busybox-static, and bazel-bin with daemon/zlayerd, client/cli/zlayer and
# tests/bench/builds (or ZLAYER_BIN, a directory that has all three).
#
#   tests/bench/many.sh [--builds 10000] [--rounds 31] [--directory DIR]
set -euo pipefail
exec python3 "$(dirname "$0")/many.py" "$@"
