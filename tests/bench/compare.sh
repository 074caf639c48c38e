#!/usr/bin/env bash
# Compares zlayerd with the BuildKit in Debian's dockerd and with Debian's buildah, in one run:
# installs them, starts what needs starting, alternates the runs, checks that all made the same
# image, prints one table and cleans up. Needs root, and a build of the project (bazel-bin, or
# ZLAYER_BIN, a directory with zlayerd and zlayer).
#
#   tests/bench/compare.sh [--rounds N] [--peers zlayer,buildkit,buildah] [--rows NAME,...]
#                          [--directory DIR]     (see --help)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"$here/../peers/install.sh"
exec python3 "$here/compare.py" "$@"
