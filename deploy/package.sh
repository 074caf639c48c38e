#!/usr/bin/env bash
# Makes the Debian package of the programs that Bazel built:
#
#   deploy/package.sh [DIRECTORY]      (here; it gets zlayer_VERSION_amd64.deb)
#
# Takes bazel-bin/daemon/zlayerd and bazel-bin/client/cli/zlayer, or those in ZLAYER_BIN. Needs no
# network where debhelper is installed.
set -euo pipefail
out=$(realpath "${1:-.}")
top=$(cd "$(dirname "$0")/.." && pwd)
daemon=${ZLAYER_BIN:+$ZLAYER_BIN/zlayerd}
zlayer=${ZLAYER_BIN:+$ZLAYER_BIN/zlayer}
daemon=${daemon:-$top/bazel-bin/daemon/zlayerd}
zlayer=${zlayer:-$top/bazel-bin/client/cli/zlayer}

for program in "$daemon" "$zlayer"; do
  [ -x "$program" ] || {
    echo "$program is not there: bazel build //daemon:zlayerd //client/cli:zlayer" >&2
    exit 1
  }
done
command -v dh >/dev/null || {
  echo "debhelper is missing: apt-get install debhelper" >&2
  exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/zlayer
mkdir "$tree"
cp -r "$top/deploy/debian" "$top/deploy/systemd" "$tree"
cp "$top/deploy/zlayerd.yaml" "$top/README.md" "$top/ARCHITECTURE.md" "$tree"
install -m 0755 "$daemon" "$zlayer" "$tree"

# One version in all: the programs' own.
version=$("$daemon" --version | awk '{ print $2 }')
sed -i "1s/(.*)/($version)/" "$tree/debian/changelog"

# Manual pages and completions, where this version has them.
for page in "$top"/deploy/*.[158]; do
  [ -e "$page" ] || continue
  cp "$page" "$tree"
  basename "$page" >>"$tree/debian/manpages"
done
complete() {  # SHELL FILE DIRECTORY
  mkdir -p "$tree/$1"
  if "$zlayer" completion "$1" >"$tree/$1/$2" 2>/dev/null; then
    echo "$1/$2 $3" >>"$tree/debian/install"
  fi
}
complete bash zlayer usr/share/bash-completion/completions
complete zsh _zlayer usr/share/zsh/vendor-completions
complete fish zlayer.fish usr/share/fish/vendor_completions.d

cd "$tree"
dpkg-buildpackage --build=binary --unsigned-changes --unsigned-source >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; exit 1; }
mkdir -p "$out"
cp "$work"/zlayer_*.deb "$out"
ls "$out"/zlayer_"$version"_*.deb
