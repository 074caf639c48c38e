#!/bin/sh
# Builds the fuzz targets with clang and runs them one after the other, SECONDS each (60 where it is
# not given). What one finds is kept in tests/fuzz/findings, and the exit status is 1.
#
#   tests/fuzz/run.sh [SECONDS] [TARGET...]
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
targets=${*:-challenge decompress detect dockerfile heredocs http_head ignore lexer manifest pipeline words zimagefile}
findings=tests/fuzz/findings
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
mkdir -p "$findings"

set --
for target in $targets; do
  set -- "$@" "//tests/fuzz:${target}_fuzz"
done
bazel build --config=fuzz --jobs=3 "$@"
binaries=$(readlink -f bazel-bin)/tests/fuzz  # another build points bazel-bin elsewhere

failed=0
for target in $targets; do
  echo "== $target, $seconds s"
  mkdir "$corpus/$target"
  # New inputs go to the first folder; the other is only read.
  if "$binaries/${target}_fuzz" -max_total_time="$seconds" -timeout=10 \
    -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$findings/$target-" \
    "$corpus/$target" "tests/fuzz/corpus/$target" > "$corpus/log" 2>&1; then
    grep '^stat::' "$corpus/log"
  else
    cat "$corpus/log"
    failed=1
  fi
done
rmdir "$findings" 2>/dev/null || true
exit $failed
