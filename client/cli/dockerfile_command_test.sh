#!/bin/bash
# zlayer dockerfile, the built program: cases of its own, then all of the conformance data.
set -u
zlayer=$1
failed=0
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
export ZLAYER_ADDRESS="unix://$directory/none.sock"

# expect NAME EXIT_CODE OUTPUT COMMAND...: what stdout holds, and an error is one line on stderr.
expect() {
  local name=$1 code=$2 want=$3 got
  shift 3
  "$@" >"$directory/out" 2>"$directory/err"
  got=$?
  printf '%b' "$want" >"$directory/want"
  if [ "$got" != "$code" ] || ! cmp -s "$directory/want" "$directory/out"; then
    echo "FAILED $name: exit code $got, and:"
    diff "$directory/want" "$directory/out"
    cat "$directory/err"
    failed=1
  elif [ "$code" != 0 ] && [ "$(wc -l <"$directory/err")" != 1 ]; then
    echo "FAILED $name: the error is not one line"
    failed=1
  fi
}

printf 'frobnicate x\nCOPY --from=a x \\\n  /y\n' >"$directory/file"
expect "ast" 0 '(frobnicate "")\n(copy ["--from=a"] "x" "/y")\n' "$zlayer" dockerfile ast "$directory/file"
expect "ast of stdin" 0 '(frobnicate "")\n(copy ["--from=a"] "x" "/y")\n' \
  "$zlayer" dockerfile ast - <"$directory/file"
expect "no file" 1 '' "$zlayer" dockerfile ast "$directory/gone"
printf 'FROM x\nENV a\n' >"$directory/bad"
expect "bad file" 1 '' "$zlayer" dockerfile ast "$directory/bad"
if ! grep -q "^$directory/bad:2: ENV a has a name" "$directory/err"; then
  echo "FAILED place of an error: $(cat "$directory/err")"
  failed=1
fi
HOME=/root expect "expand" 0 'a-x\n\n[a,b]\n{}\n\n' "$zlayer" dockerfile expand --env A=a --env=E= \
  '$A-${E:-x}' '$HOME' '[a,b]' '{}' ''
expect "words" 0 'a b\nc\n' "$zlayer" dockerfile expand --words --env A='a b' '"$A" c'
expect "escape" 0 '$A\\\\\n' "$zlayer" dockerfile expand --env A=a --escape '`' -- '`$A\\'
expect "dashes" 0 '-x\n--y\n' "$zlayer" dockerfile expand -- -x --y
expect "no stdout on an error" 1 '' "$zlayer" dockerfile expand good '${bad'
expect "bad variable" 2 '' "$zlayer" dockerfile expand --env x word
expect "bad escape" 2 '' "$zlayer" dockerfile expand --escape ab word
expect "no word" 2 '' "$zlayer" dockerfile expand
printf '# all\nlib\n*.o\n!keep.o\n' >"$directory/ignore"
expect "ignored" 0 'lib/\tignored\t2\n./lib/x\tignored\t2\na.o\tignored\t3\nkeep.o\tkept\t4\nsrc\tkept\t-\n' \
  "$zlayer" dockerfile ignored --ignorefile "$directory/ignore" -- lib/ ./lib/x a.o keep.o src
expect "no ignore file" 2 '' "$zlayer" dockerfile ignored x
expect "ignore file is gone" 1 '' "$zlayer" dockerfile ignored --ignorefile "$directory/gone" x
printf '[\n' >"$directory/ignore"
expect "bad ignore file" 1 '' "$zlayer" dockerfile ignored --ignorefile "$directory/ignore" x

data=${ZLAYER_SHARED:-/nowhere}/conformance
if [ ! -d "$data" ]; then
  echo "SKIPPED the conformance data: ZLAYER_SHARED does not name a folder with it"
  exit $failed
fi

trees=0
for tree in "$data"/dockerfile-ast/*/; do
  "$zlayer" dockerfile ast "$tree/Dockerfile" | cmp -s - "$tree/result" ||
    { echo "FAILED tree of $tree"; failed=1; }
  trees=$((trees + 1))
done

trim() { sed 's/^[[:space:]]*//; s/[[:space:]]*$//' <<<"$1"; }
words=0
while IFS='|' read -r platform word want rest || [ -n "$platform" ]; do
  platform=$(trim "$platform") word=$(trim "$word") want=$(trim "$want")
  [ "$platform" = W ] && continue
  got=$("$zlayer" dockerfile expand --env PWD=/home --env SHELL=bash --env KOREAN=한국어 \
    --env NULL= -- "$word" 2>/dev/null) || got=$([ -z "$got" ] && echo error)
  [ "$got" = "$want" ] || { echo "FAILED word $word: \"$got\", not \"$want\""; failed=1; }
  words=$((words + 1))
done <"$data/words/env_expand.txt"

variables=()
while IFS= read -r line || [ -n "$line" ]; do
  case $line in
  '#'*) continue ;;
  'ENV '*) variables+=(--env "${line#ENV }") ; continue ;;
  esac
  got=$("$zlayer" dockerfile expand --words "${variables[@]}" -- "${line%% | *}" | paste -sd,)
  [ "$got" = "${line#* | }" ] || { echo "FAILED words of $line: \"$got\""; failed=1; }
  words=$((words + 1))
done <"$data/words/word_split.txt"

echo "$trees trees, $words words"
[ $trees -ge 20 ] && [ $words -gt 100 ] || { echo "FAILED: that is too few"; failed=1; }
exit $failed
