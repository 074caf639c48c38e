#!/bin/bash
# `zlayer runtimes` and `zlayer init`, without a daemon.
set -euo pipefail

zlayer=$PWD/$1
project=$(mktemp -d)
trap 'rm -rf "$project"' EXIT
cd "$project"

fail() {
  echo "$1" >&2
  exit 1
}

expect() { # WANTED TEXT
  [[ $2 == *"$1"* ]] || fail "expected \"$1\" in: $2"
}

expect_exit() { # CODE COMMAND...
  local code=0
  error=$("${@:2}" 2>&1 > /dev/null) || code=$?
  [ "$code" = "$1" ] || fail "${*:2} exited with $code: $error"
}

list=$("$zlayer" runtimes)
expect $'\nnode24 ' "$list"
expect 'python3.13' "$list"
[[ $list != *wasm* ]] || fail "wasm cannot be built"
"$zlayer" runtimes --format json | python3 -c '
import json, sys
runtimes = {r["name"]: r for r in json.load(sys.stdin)["runtimes"]}
assert runtimes["go"]["aliases"] == ["golang"], runtimes["go"]
assert "FROM golang" in runtimes["go"]["dockerfile"] and ".git" in runtimes["go"]["dockerignore"]
assert list(runtimes) == sorted(runtimes)'
expect 'ARG NODE_VERSION=20' "$("$zlayer" runtimes --show NODE-20)"
expect_exit 2 "$zlayer" runtimes --show pyton
expect 'did you mean python?' "$error"
expect_exit 1 "$zlayer" runtimes --show wasm

expect_exit 1 "$zlayer" init
expect 'no runtime template fits' "$error"
echo '{}' > package.json
echo 22 > .nvmrc
expect 'Wrote Dockerfile and .dockerignore for node22 (package.json, and .nvmrc asks for Node 22).
Build it with: zlayer build -t NAME .' "$("$zlayer" init)"
[ "$("$zlayer" runtimes --show node22)" = "$(cat Dockerfile)" ] || fail "another Dockerfile"
grep -q node_modules .dockerignore

echo mine > Dockerfile
expect_exit 1 "$zlayer" init
expect './Dockerfile is there already; --force overwrites it' "$error"
[ "$(cat Dockerfile)" = mine ] || fail "overwritten"
rm Dockerfile
echo mine > .dockerignore
expect_exit 0 "$zlayer" init go
expect '.dockerignore is there already and stays' "$error"
[ "$(cat .dockerignore)" = mine ] || fail "overwritten"
expect_exit 0 "$zlayer" init go --force
[ "$(cat .dockerignore)" != mine ] || fail "not overwritten"

ln -s nowhere ZImagefile
expect_exit 1 "$zlayer" init --zimagefile
[ -L ZImagefile ] || fail "overwritten"
rm ZImagefile
mkdir service
expect 'Wrote ZImagefile in service for rust' "$("$zlayer" init rust service --zimagefile)"
grep -qx 'runtime: rust' service/ZImagefile
expect_exit 1 "$zlayer" init auto missing
expect_exit 1 "$zlayer" init go missing
expect_exit 2 "$zlayer" init cobol
expect_exit 1 "$zlayer" init wasm

complete=$("$zlayer" __complete -- build --runtime py)
expect $'words\npython312\tA Python 3.12 program' "$complete"
complete=$("$zlayer" __complete -- build --runtime go --target '')
expect 'build' "$complete"
