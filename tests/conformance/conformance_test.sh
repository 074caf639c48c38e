#!/usr/bin/env bash
# Debian's python, for another one may stand before it in PATH; builds with Bazel's zlayerd.
set -euo pipefail
bin=$(mktemp -d /tmp/zlayer-programs-XXXXXX)
trap 'rm -rf "$bin"' EXIT
ln -s "$(realpath daemon/zlayerd)" "$(realpath client/cli/zlayer)" "$bin"
ZLAYER_BIN=$bin PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 tests/conformance/fast.py "$@"
