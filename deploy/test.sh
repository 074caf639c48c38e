#!/usr/bin/env bash
# Installs what is missing, builds everything, runs all fast tests, and ends with a line
# "N passed, N failed, N skipped", counted in test cases over all test results. Exit 1 where a test
# failed or none passed. May be run again at any time: what did not change is not run again.
set -uo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"

if [ "$(id -u)" -ne 0 ]; then
  echo "deploy/test.sh needs root: its tests mount filesystems and run containers." >&2
  exit 1
fi
# Debian's npm conflicts with other builds of Node: only where there is none.
npm=()
command -v npm >/dev/null || npm=(npm)
deploy/install.sh "${npm[@]}" || exit 1

# Data of other projects that conformance tests read where it is; without it they say so and skip.
if [ -z "${ZLAYER_SHARED:-}" ] && [ -d ../shared/conformance ]; then
  ZLAYER_SHARED=$(cd ../shared && pwd)
fi
export ZLAYER_SHARED=${ZLAYER_SHARED:-}

bazel build //... || { echo "The build failed."; echo "0 passed, 1 failed"; exit 1; }
bazel test //... --keep_going
tested=$?

# Every test target has one test.xml below bazel-testlogs, from GoogleTest or, where a test died,
# from Bazel.
results=$(mktemp)
trap 'rm -f "$results"' EXIT
bazel query 'tests(//...)' 2>/dev/null | sed -e 's,^//,,' -e 's,:,/,' -e 's,$,/test.xml,' |
  while read -r file; do cat "bazel-testlogs/$file" 2>/dev/null || echo '<testcase/><failure'; done |
  awk '
    function finish() { if (open) { if (failed) f++; else if (skipped) s++; else p++ } open = 0 }
    /<testcase[ \/>]/ { finish(); open = 1; failed = 0; skipped = /result="skipped"/ || /status="notrun"/ }
    /<failure|<error/ { failed = 1 }
    /<skipped/ { skipped = 1 }
    END { finish(); printf "%d %d %d\n", p, f, s }' >"$results"
read -r passed failed skipped <"$results"
if [ "$tested" -ne 0 ] && [ "$failed" -eq 0 ]; then
  failed=1  # a test that could not be built or started has no case of its own
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
