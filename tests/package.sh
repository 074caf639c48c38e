#!/usr/bin/env bash
# Makes the Debian package and lives through it in a fresh Debian, a chroot: lintian, systemd's own
# checks of the units, apt-get install, a daemon with the unit's capabilities and nothing more, a build,
# purge.
#
#   tests/package.sh
#
# Needs root, a Debian mirror, the built programs (or ZLAYER_BIN, a directory that has both), and the
# packages debhelper, lintian and systemd. ZLAYER_BASE names a root filesystem that debootstrap made, to
# save making one.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" -eq 0 ] || { echo "tests/package.sh needs root" >&2; exit 1; }
# What is mounted here goes with this process.
if [ -z "${ZLAYER_TEST_NAMESPACE:-}" ]; then
  ZLAYER_TEST_NAMESPACE=1 exec unshare --mount "$0"
fi

work=$(mktemp -d)
root=$work/debian
daemon=
finish() {
  [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon"; } || true
  umount --recursive --lazy "$root" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap finish EXIT
step() { printf '== %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

step "The package"
package=$("$top/deploy/package.sh" "$work")
lintian --allow-root --fail-on error "$package"

step "A fresh Debian"
if [ -n "${ZLAYER_BASE:-}" ]; then
  cp -a "$ZLAYER_BASE" "$root"
else
  debootstrap --variant=minbase bookworm "$root" >"$work/debootstrap.log"
fi
mount --bind "$root" "$root"  # a root that is no mount point cannot be made private by the daemon
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=0755 dev "$root/dev"
for device in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
  read -r name major minor <<<"$device"
  mknod -m 0666 "$root/dev/$name" c "$major" "$minor"
done
mkdir "$root/dev/shm" "$root/dev/pts"
cp /etc/resolv.conf "$root/etc/"
in_debian() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }

step "Installing it"
cp "$package" "$root/zlayer.deb"
in_debian apt-get update -q >"$work/apt.log"
in_debian apt-get install -q -y --no-install-recommends /zlayer.deb >>"$work/apt.log" 2>&1 ||
  { tail "$work/apt.log"; exit 1; }
in_debian getent group zlayer
[ -f "$root/etc/zlayer/zlayerd.yaml" ] || fail "no configuration"

step "The units"
units=$root/lib/systemd/system
mkdir "$work/units"  # the machine's systemd looks for what they name from its own root
cp "$units"/zlayerd.* "$work/units"
sed -i "s,/usr/bin/zlayerd,$root&," "$work/units/zlayerd.service"
systemd-analyze verify "$work/units/zlayerd.service" "$work/units/zlayerd.socket"
systemd-analyze security --offline=yes --threshold=70 --no-pager "$work/units/zlayerd.service" |
  tail -n 1

step "The daemon, with the unit's capabilities"
capabilities=$(sed -n 's/^CapabilityBoundingSet=//p' "$units/zlayerd.service" | tr ' ' '\n' |
  sed 's/^CAP_\(.*\)/,+\L\1/' | tr -d '\n')
chroot "$root" setpriv --bounding-set="-all$capabilities" --inh-caps=-all \
  zlayerd --config /etc/zlayer/zlayerd.yaml 2>"$work/log" &
daemon=$!
for _ in $(seq 100); do
  in_debian zlayer info >/dev/null 2>&1 && break
  kill -0 "$daemon" || { cat "$work/log"; exit 1; }
  sleep 0.1
done
in_debian zlayer info

step "A build"
mkdir -p "$work/busybox/bin" "$root/context"
cp /bin/busybox "$work/busybox/bin/busybox"
for applet in sh cat chmod chown id mknod; do ln -s busybox "$work/busybox/bin/$applet"; done
tar -C "$work/busybox" -c . | in_debian zlayer import - busybox
cat >"$root/context/Dockerfile" <<'DOCKERFILE'
FROM busybox
RUN --network=none id && echo made > /made && chown 1000:1000 /made && chmod 4755 /made
RUN --network=none mknod /null c 1 3 && cat /made > /null
USER 1000
RUN cat /made
DOCKERFILE
in_debian zlayer build -t made /context
in_debian zlayer images
kill "$daemon"
wait "$daemon" || fail "the daemon ended with $?"
daemon=

step "Purging it"
in_debian apt-get purge -q -y zlayer >>"$work/apt.log" 2>&1 || { tail "$work/apt.log"; exit 1; }
for path in usr/bin/zlayerd usr/bin/zlayer etc/zlayer var/lib/zlayer run/zlayer usr/share/doc/zlayer \
  lib/systemd/system/zlayerd.service; do
  [ ! -e "$root/$path" ] || fail "/$path is left"
done
! in_debian getent group zlayer || fail "the group is left"
echo "PASSED"
