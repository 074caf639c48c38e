#!/usr/bin/env bash
# From a fresh Debian 12 to a first image: installs what is missing, builds zlayerd and zlayer, starts
# a daemon with its defaults, makes a Debian base image, builds deploy/example on it, and runs the
# result. May be run again at any time: what is there stays.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"

if [ "$(id -u)" -ne 0 ]; then
  echo "deploy/quickstart.sh needs root: it installs packages and runs containers." >&2
  exit 1
fi
step() { printf '\n== %s\n' "$*"; }

step "Packages"
deploy/install.sh

step "Building zlayerd and zlayer"
bazel build //daemon:zlayerd //client/cli:zlayer
for program in daemon/zlayerd client/cli/zlayer; do
  cmp -s "bazel-bin/$program" "/usr/local/bin/${program##*/}" ||
    install -m 0755 "bazel-bin/$program" /usr/local/bin/
done

step "The daemon"
if zlayer info >/dev/null 2>&1; then
  echo "A daemon is running already; it stays as it is."
else
  mkdir -p /var/log
  setsid nohup zlayerd >>/var/log/zlayerd.log 2>&1 </dev/null &
  daemon=$!
  for _ in $(seq 100); do
    zlayer info >/dev/null 2>&1 && break
    kill -0 "$daemon" 2>/dev/null || { tail -n 3 /var/log/zlayerd.log >&2; exit 1; }
    sleep 0.1
  done
fi
zlayer info

step "A Debian base image"
if zlayer inspect debian:bookworm >/dev/null 2>&1; then
  echo "debian:bookworm is in the store already."
else
  base=$(mktemp -d)
  trap 'rm -rf "$base"' EXIT
  debootstrap --variant=minbase bookworm "$base" >"$base.log" ||
    { tail -n 5 "$base.log" >&2; exit 1; }
  rm -f "$base.log" "$base"/var/cache/apt/archives/*.deb
  chmod 0755 "$base"  # mktemp's mode would be that of the image's root
  tar -C "$base" -c . | zlayer import - debian:bookworm
fi

step "Building deploy/example"
zlayer build -t hitsd:latest deploy/example

step "Running it"
deploy/run-image.sh --check /hitsd --check hitsd:latest

cat <<'EOF'

zlayerd works. How to go on:
  zlayer build -t NAME DIRECTORY      build a Dockerfile of your own
  zlayer images                       what is in the store
  zlayer builds ls                    what was built; "zlayer builds logs ID" shows the output
  zlayer export -o FILE NAME          an OCI archive, for skopeo, podman, docker
  deploy/run-image.sh NAME            run an image with crun
The daemon logs to /var/log/zlayerd.log; stop it with "pkill -TERM -x zlayerd".
EOF
