#!/usr/bin/env bash
# Builds every case with zlayer, with BuildKit (in Debian's dockerd) and with Debian's buildah, and
# prints in what their images differ from each other and from the records that the fast test
# compares with. Needs root, and a build of the project (bazel-bin, or ZLAYER_BIN, a directory with
# zlayerd and zlayer). ZLAYER_SHARED is where the cases of other projects are.
#
#   tests/conformance/run.sh [--cases GLOB,...] [--peers buildkit,buildah] [--refresh]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"$here/../peers/install.sh"
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "$here/run.py" "$@"
