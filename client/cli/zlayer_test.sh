#!/bin/sh
# Runs the built program where no daemon is.
set -u
zlayer=$1
failed=0
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
export ZLAYER_ADDRESS="unix://$directory/none.sock"
export XDG_CACHE_HOME="$directory/cache"
mkdir "$directory/context"

# check NAME EXIT_CODE TEXT COMMAND...: the command ends so, and stdout or stderr holds the text; an
# error is one line on stderr.
check() {
  name=$1 code=$2 text=$3
  shift 3
  "$@" >"$directory/out" 2>"$directory/err" </dev/null
  got=$?
  if [ "$got" != "$code" ]; then
    echo "FAILED $name: exit code $got, not $code"
    cat "$directory/err"
    failed=1
  fi
  if ! cat "$directory/out" "$directory/err" | grep -qF -- "$text"; then
    echo "FAILED $name: no \"$text\" in:"
    cat "$directory/out" "$directory/err"
    failed=1
  fi
  if [ "$code" != 0 ] && [ "$(wc -l <"$directory/err")" != 1 ]; then
    echo "FAILED $name: the error is not one line"
    cat "$directory/err"
    failed=1
  fi
}

for command in build plan check runtimes init images inspect import export tag untag rmi builds df cache info version completion \
  "dockerfile ast" "dockerfile expand" "dockerfile ignored" "builds ls" "builds show" "builds logs" "builds watch" "builds cancel" "builds rm" "cache ls" "cache prune"; do
  # shellcheck disable=SC2086
  check "help of $command" 0 "Example:" "$zlayer" $command --help
done
check "help" 0 "builds" "$zlayer" --help
check "no command" 2 "zlayer: " "$zlayer"
check "unknown command" 2 "--help" "$zlayer" frobnicate
check "unknown flag" 2 "zlayer build: " "$zlayer" build --frobnicate
check "near command" 2 "did you mean builds?" "$zlayer" bulids ls
check "near flag" 2 "did you mean --build-arg?" "$zlayer" build --buildarg x=y .
check "missing file" 1 "there is no build file ZImagefile" "$zlayer" build -z ZImagefile .
check "default in the help" 0 "(default: auto)" "$zlayer" build --help
check "no daemon, check" 3 "no daemon answers" "$zlayer" check -f /dev/null .
check "near call" 2 "did you mean outline?" "$zlayer" build --call=outlin .
check "bad format of a call" 2 "format=json" "$zlayer" build --call=check,format=yaml .
check "no daemon, plan" 3 "no daemon answers" "$zlayer" plan -f /dev/null .
check "no time" 2 "--since takes" "$zlayer" builds ls --since yesterday
check "which builds" 2 "--all-ended" "$zlayer" builds rm
check "reasons of a quiet build" 2 "zlayer explain" "$zlayer" build --explain -q .
check "file of a detached build" 2 "--detach" "$zlayer" build --detach --iidfile x .
check "shell" 2 "bash|zsh|fish" "$zlayer" completion tcsh
check "completion" 0 "builds" "$zlayer" __complete -- build
check "bad choice" 2 "odd" "$zlayer" build --progress odd .
check "bad address" 2 "unix:///PATH" "$zlayer" --address tcp://x images
check "layout to stdout" 2 "-o" "$zlayer" export --format oci-layout -o - x
check "no output" 2 "-o FILE" "$zlayer" export x
check "no daemon" 3 "no daemon answers at $ZLAYER_ADDRESS: start zlayerd" "$zlayer" images
check "no daemon, df" 3 "no daemon answers" "$zlayer" df -v
check "no daemon, cache" 3 "no daemon answers" "$zlayer" cache prune --keep-storage 1.5GB --max-used 10g
check "bad size" 2 "--max-used-space takes a size (10GB, 512MiB), not \"much\"" "$zlayer" cache prune --max-used-space much
check "bad duration" 2 "--keep-duration takes a duration" "$zlayer" cache prune --keep-duration 1
check "all and a limit" 2 "--all removes the whole cache" "$zlayer" cache prune --all --min-free 1GB
check "bad filter" 2 "--filter knows type, id, until and description" "$zlayer" cache ls --filter size=3
check "no filter" 2 "--filter takes KEY=VALUE" "$zlayer" cache ls --filter type
check "no daemon, rmi" 3 "no daemon answers" "$zlayer" rmi a b
check "no daemon, info" 3 "no daemon answers" "$zlayer" info
check "no daemon, flag" 3 "no daemon answers at unix:///nowhere" \
  "$zlayer" info --address unix:///nowhere
check "no daemon, watch" 3 "no daemon answers" "$zlayer" builds watch x
check "no Dockerfile" 1 "no Dockerfile at $directory/context/Dockerfile, and no ZImagefile; name a build file with -f or -z" \
  "$zlayer" build "$directory/context"
check "no context" 1 "does not exist" "$zlayer" build "$directory/gone"
echo "FROM scratch" >"$directory/context/Dockerfile"
check "no daemon, build" 3 "no daemon answers" "$zlayer" build "$directory/context"
check "bad label" 2 "--label takes KEY=VALUE" "$zlayer" build --label x "$directory/context"
echo "[" >"$directory/context/.dockerignore"
check "bad ignore file" 1 ".dockerignore:1" "$zlayer" build "$directory/context"
check "nothing to import" 1 "gone" "$zlayer" import "$directory/gone"
check "no daemon, export" 3 "no daemon answers" "$zlayer" export -o "$directory/x.tar" x
mkdir "$directory/docker"
export DOCKER_CONFIG=$directory/docker
printf 'secret\n' >"$directory/password"
check "login, no daemon to ask" 3 "no daemon answers" \
  sh -c "$zlayer login a.example -u me --password-stdin <$directory/password"
mkdir "$directory/docker"
printf '{"auths":{"a.example":{"auth":"bWU6c2VjcmV0"}}}' >"$directory/docker/config.json"
check "login, no user" 2 "--username USER" \
  sh -c "$zlayer login a.example --password-stdin <$directory/password"
check "login, no terminal" 2 "--password-stdin" sh -c "$zlayer login a.example -u me </dev/null"
check "login, empty" 1 "a password is not empty" \
  sh -c "$zlayer login a.example -u me --password-stdin </dev/null"
check "login, no host" 1 "a registry is a host" "$zlayer" login a.example/team
check "logout" 0 "Removed the credentials of a.example" "$zlayer" logout https://a.example/v1/
check "logout again" 0 "There were no credentials" "$zlayer" logout a.example
rm -r "$directory/docker" "$directory/password"
check "version" 0 "zlayer 0.1.0" "$zlayer" version
check "version, json" 0 '"zlayerd":null' "$zlayer" version --format json
if [ -n "$(ls "$directory" | grep -v -x -e out -e err -e context)" ]; then
  echo "FAILED: something was left behind:" "$(ls "$directory")"
  failed=1
fi
exit $failed
