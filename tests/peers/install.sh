#!/usr/bin/env bash
# Installs the builders that zlayerd is compared with, and what the comparisons need: Debian packages.
set -euo pipefail
if [ "$(id -u)" -ne 0 ]; then
  echo "This needs root: it starts daemons that mount and run containers." >&2
  exit 1
fi
missing=
for package in buildah docker.io skopeo busybox-static python3 git; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
    missing="$missing $package"
done
if [ -n "$missing" ]; then
  apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
