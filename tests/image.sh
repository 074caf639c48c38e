#!/usr/bin/env bash
# Builds deploy/Dockerfile with zlayerd, runs the image with crun, as a container that has been granted
# what that file says, and builds with the zlayerd in it.
#
#   tests/image.sh
#
# Needs root, a Debian mirror, the built programs (or ZLAYER_BIN, a directory that has both), crun and
# umoci. ZLAYER_BASE names a root filesystem that debootstrap made, to save making one.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" -eq 0 ] || { echo "tests/image.sh needs root" >&2; exit 1; }
# crun does not take a hierarchy of cgroup v1 with v2 beside it: the v2 part goes, in a mount namespace
# of this script's own.
if [ -z "${ZLAYER_TEST_NAMESPACE:-}" ]; then
  ZLAYER_TEST_NAMESPACE=1 exec unshare --mount "$0"
fi
umount /sys/fs/cgroup/unified 2>/dev/null || true

bin=${ZLAYER_BIN:-}
work=$(mktemp -d)
daemon=
id=zlayer-image-$$
crun() { command crun --cgroup-manager=disabled --root "$work/state" "$@"; }
finish() {
  crun delete --force "$id" 2>/dev/null || true
  [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon"; } || true
  rm -rf --one-file-system "$work"
}
trap finish EXIT
step() { printf '== %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; cat "$work/container.log" >&2; exit 1; }

step "A daemon on the host"
mkdir -p "$work/context"
cp "${bin:-$top/bazel-bin/daemon}/zlayerd" "${bin:-$top/bazel-bin/client/cli}/zlayer" "$work/context"
PATH=$work/context:$PATH
export ZLAYER_ADDRESS=unix://$work/host.sock XDG_CACHE_HOME=$work/cache
zlayerd --root "$work/host" --address "$ZLAYER_ADDRESS" 2>"$work/host.log" &
daemon=$!
answers() {
  for _ in $(seq 100); do
    zlayer info >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  return 1
}
answers || { cat "$work/host.log"; exit 1; }

step "The image"
if [ -z "${ZLAYER_BASE:-}" ]; then
  ZLAYER_BASE=$work/base
  debootstrap --variant=minbase bookworm "$ZLAYER_BASE" >"$work/debootstrap.log"
fi
tar -C "$ZLAYER_BASE" -c . | zlayer import - debian:bookworm >/dev/null
zlayer build -q -f "$top/deploy/Dockerfile" -t zlayerd "$work/context"
zlayer export --format oci-layout -o "$work/layout" zlayerd
umoci unpack --image "$work/layout:$(sed -n 's/.*"org.opencontainers.image.ref.name":"\([^"]*\)".*/\1/p' \
  "$work/layout/index.json")" "$work/bundle" >/dev/null

step "A container of it"
mkdir "$work/volume" "$work/run"
# The image's own process, in namespaces for all but the network.
perl -MJSON::PP -0777 -e '
  my ($file, $work, $unit) = @ARGV;
  sub content { open(my $in, "<", $_[0]) or die; join("", <$in>) }
  my $config = decode_json(content($file));
  my @capabilities = map { split } content($unit) =~ /^CapabilityBoundingSet=(.*)/mg;
  # Some machines lack one; nobody can be granted it there.
  my ($have) = content("/proc/self/status") =~ /^CapBnd:\s*(\w+)/m;
  @capabilities = grep { $_ ne "CAP_SYS_RESOURCE" || hex($have) >> 24 & 1 } @capabilities;
  $config->{process}{terminal} = JSON::PP::false;
  delete $config->{process}{rlimits};
  $config->{process}{noNewPrivileges} = JSON::PP::false;
  $config->{process}{capabilities} =
    { map { $_ => \@capabilities } qw(bounding effective permitted) };
  $config->{linux} = { namespaces => [map { { type => $_ } } qw(pid ipc uts mount)] };
  push @{$config->{mounts}},
    { destination => "/var/lib/zlayer", source => "$work/volume", options => ["rbind"] },
    { destination => "/run/zlayer", source => "$work/run", options => ["rbind"] };
  for (@{$config->{mounts}}) {
    $_ = { destination => "/sys", source => "/sys", options => ["rbind"] } if $_->{destination} eq "/sys";
  }
  @{$config->{mounts}} = grep { $_->{destination} ne "/sys/fs/cgroup" } @{$config->{mounts}};
  open(my $out, ">", $file) or die;
  print $out encode_json($config);
' "$work/bundle/config.json" "$work" "$top/deploy/systemd/zlayerd.service"
crun run --detach --bundle "$work/bundle" "$id" >"$work/container.log" 2>&1 </dev/null ||
  fail "starting it"
export ZLAYER_ADDRESS=unix://$work/run/zlayerd.sock
answers || fail "the daemon in the container does not answer"
zlayer info
crun exec "$id" zlayer info >/dev/null || fail "its health check"

step "A build in it"
mkdir -p "$work/busybox/bin" "$work/inner"
cp /bin/busybox "$work/busybox/bin/sh"
tar -C "$work/busybox" -c . | zlayer import - busybox >/dev/null
printf 'FROM busybox\nRUN echo built in a container\n' >"$work/inner/Dockerfile"
zlayer build -t inner "$work/inner" || fail "the build"

step "Its end"
crun kill "$id" TERM
for _ in $(seq 100); do
  grep -q "daemon: stopped" "$work/container.log" && break
  sleep 0.1
done
grep -q "daemon: stopped" "$work/container.log" || fail "the daemon does not end in order"
echo "PASSED"
