#!/usr/bin/env bash
# Runs an image of the store with crun, without a container engine:
#
#   deploy/run-image.sh [--check COMMAND...] REFERENCE
#
# Runs the image's own command in the foreground. With --check: in the background, until COMMAND
# succeeds within the container (10 attempts, one a second), then stops it; exits as COMMAND did.
set -euo pipefail

usage() { sed -n 's/^# \{0,1\}//; 2,7p' "$0" >&2; exit 2; }
check=()
if [ "${1:-}" = --check ]; then
  shift
  while [ $# -gt 1 ]; do check+=("$1"); shift; done
fi
[ $# -eq 1 ] || usage
reference=$1
[ "$(id -u)" -eq 0 ] || { echo "deploy/run-image.sh needs root: it runs a container." >&2; exit 1; }

# crun does not take a hierarchy of cgroup v1 with v2 beside it: the v2 part goes, in a mount namespace
# of this script's own.
if [ -z "${ZLAYER_RUN_NAMESPACE:-}" ]; then
  [ ${#check[@]} -eq 0 ] || set -- --check "${check[@]}" "$reference"
  ZLAYER_RUN_NAMESPACE=1 exec unshare --mount "$0" "$@"
fi
umount /sys/fs/cgroup/unified 2>/dev/null || true

work=$(mktemp -d)
id=zlayer-run-$$
crun() { command crun --cgroup-manager=disabled --root "$work/state" "$@"; }
finish() {
  crun delete --force "$id" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT

zlayer export --format oci-layout -o "$work/layout" "$reference"
tag=$(sed -n 's/.*"org.opencontainers.image.ref.name":"\([^"]*\)".*/\1/p' "$work/layout/index.json")
umoci unpack --image "$work/layout:$tag" "$work/bundle" >/dev/null
sed -i 's/"terminal": true/"terminal": false/' "$work/bundle/config.json"

if [ ${#check[@]} -eq 0 ]; then
  crun run --bundle "$work/bundle" "$id"
  exit
fi
crun run --detach --bundle "$work/bundle" "$id" </dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
  crun exec "$id" "${check[@]}" && exit 0
  sleep 1
done
echo "The check did not succeed: ${check[*]}" >&2
exit 1
