#!/bin/sh
# No program links two types of one name: of their inline functions the linker would keep one. It reads
# the headers of the source tree that this script is of.
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
failed=0
check() {
  program=$1
  shift
  twice=$(find "$@" -name '*.h' ! -path '*/testing/*' ! -name '*fake*' -exec \
    grep -hoE '^(class|struct|enum class) ([A-Z_]+\([^)]*\) )?[A-Z][A-Za-z0-9]*( final)?( :[^:].*)? \{' {} + |
    sed -E 's/^(enum )?(class|struct) ([A-Z_]+\([^)]*\) )?//; s/[^A-Za-z0-9].*//' | sort | uniq -d)
  if [ -n "$twice" ]; then
    echo "FAILED: $program links more than one type of the name" $twice
    failed=1
  fi
}
check zlayerd base proto registry backends daemon
check zlayer base proto client daemon/frontend
exit $failed
