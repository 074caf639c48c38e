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
if [ "$(id -u)" -ne 0 ]; then
  echo "compare.sh needs root: it starts daemons that mount and run containers." >&2
  exit 1
fi
missing=
for package in buildah docker.io skopeo busybox-static python3; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
    missing="$missing $package"
done
if [ -n "$missing" ]; then
  apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
exec python3 "$here/compare.py" "$@"
