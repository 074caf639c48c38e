#!/usr/bin/env bash
# The daemon's memory after more and more images that were built, pushed, served and pulled. Needs
# root, docker-registry, curl, and a build of the project (bazel-bin, or ZLAYER_BIN, a directory with
# zlayerd and zlayer).
#
#   tests/bench/transfers.sh [--images 300] [--size BYTES] [--directory DIR]
set -euo pipefail
exec python3 "$(dirname "$0")/transfers.py" "$@"
