#!/usr/bin/env bash
# Runs an example client in another language against the built programs: clients_test.sh node|python.
# Says why it skips where its language, or a registry that it needs, is not there.
set -euo pipefail
language=$1
clients=tests/clients
skip() {
  echo "SKIPPED: $*"
  cat >"${XML_OUTPUT_FILE:-/dev/null}" <<XML
<testsuites><testsuite name="clients_$language" tests="1" skipped="1">
<testcase name="$language" result="skipped"><skipped message="$*"/></testcase>
</testsuite></testsuites>
XML
  exit 0
}
[ "$(id -u)" -eq 0 ] || skip "needs root"

work=$(mktemp -d /tmp/zlayer-clients-XXXXXX)  # the path of a socket must be short
daemon=
finish() {
  [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } || true
  rm -rf "$work"
}
trap finish EXIT
ZLAYER_PROTO=$(realpath proto)
export ZLAYER_PROTO ZLAYER_ADDRESS=unix://$work/s XDG_CACHE_HOME=$work/cache

case $language in
  node)
    command -v npm >/dev/null || skip "there is no npm"
    # The machine's certificates, which may have a proxy's among them, count for npm, too. The
    # packages' own scripts are not needed, and not run.
    export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
    cp -rL "$clients/node" "$work/node"
    timeout 120 npm ci --prefix "$work/node" --prefer-offline --fetch-retries=1 --ignore-scripts \
      --no-audit --no-fund >"$work/npm.log" 2>&1 ||
      skip "npm cannot fetch the packages: $(grep -m1 'npm error code' "$work/npm.log")"
    build() { node "$work/node/build.js" "$@"; }
    ;;
  python)
    # Debian's, for which python3-grpcio is made; another python may stand before it in PATH.
    /usr/bin/python3 -c 'import grpc' 2>/dev/null || skip "python3-grpcio is missing"
    mkdir "$work/python"
    protoc -Iproto --python_out="$work/python" --grpc_python_out="$work/python" \
      --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" proto/zlayer/v1/*.proto
    build() { PYTHONPATH=$work/python /usr/bin/python3 "$clients/python/build.py" "$@"; }
    ;;
esac

daemon/zlayerd --root "$work/root" --address "$ZLAYER_ADDRESS" 2>"$work/log" &
daemon=$!
for _ in $(seq 200); do
  client/cli/zlayer info >/dev/null 2>&1 && break
  kill -0 "$daemon" || { cat "$work/log"; exit 1; }
  sleep 0.1
done
mkdir -p "$work/base/bin" "$work/good" "$work/bad"
cp /bin/busybox "$work/base/bin/sh"
tar -C "$work/base" -c . | client/cli/zlayer import - busybox >/dev/null

fail() { echo "FAILED: $*"; cat "$work/out" "$work/err"; exit 1; }
# Larger than one message of the API and than a stream's window.
head -c 9000000 /dev/urandom >"$work/good/large"
printf 'FROM busybox\nCOPY large /\nRUN echo "it is $((40 + 2))"\n' >"$work/good/Dockerfile"
build "$work/good" "client:$language" >"$work/out" 2>"$work/err" || fail "a build that works"
grep -qx "it is 42" "$work/out" || fail "the output of RUN is missing"
grep -q build_complete "$work/out" || fail "the last event is missing"
client/cli/zlayer inspect "client:$language" >/dev/null || fail "there is no image"

printf 'FROM busybox\nRUN exit 3\n' >"$work/bad/Dockerfile"
if build "$work/bad" >"$work/out" 2>"$work/err"; then fail "a build that fails exits 0"; fi
grep -q "exited with code 3" "$work/out" || fail "the reason is missing"

if ZLAYER_ADDRESS=unix://$work/nobody build "$work/good" >"$work/out" 2>"$work/err"; then
  fail "no daemon, and it exits 0"
fi
[ -s "$work/err" ] || fail "no daemon, and no message"
echo "PASSED"
