#!/usr/bin/env bash
# distribution.py against the registry's server, over a registry in memory: plain and through TLS.
set -euo pipefail
serve=$(realpath registry/server/testing/serve_memory)
script=$(realpath tests/conformance/distribution.py)
directory=$(mktemp -d /tmp/zlayer-distribution-XXXXXX)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$directory"' EXIT
cd "$directory"

# check SCHEME [OPTION...]
check() {
  local scheme=$1
  shift
  "$serve" "$@" 127.0.0.1:0 >log &
  server=$!
  for _ in $(seq 600); do
    grep -q '^serving on ' log && break
    sleep 0.1
  done
  local address
  address=$(sed -n 's/^serving on //p' log)
  PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$script" --ca certificate.pem "$scheme://$address"
  kill "$server"
  wait "$server"
  server=
}

check http
if [ -x /usr/bin/openssl ]; then
  /usr/bin/openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
    -keyout key.pem -out certificate.pem 2>/dev/null
  check https --tls certificate.pem key.pem
fi
