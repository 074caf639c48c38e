#!/bin/sh
# The manual page in the repository is the one that the program makes, and roff takes it without a
# warning (where groff is installed).
set -u
zlayer=$1 page=$2
failed=0
made=$(mktemp)
trap 'rm -f "$made"' EXIT
"$zlayer" __manual >"$made" || failed=1
if ! diff -u "$page" "$made"; then
  echo "FAILED: deploy/zlayer.1 is not what the program says; make it again:"
  echo "  zlayer __manual >deploy/zlayer.1"
  failed=1
fi
if command -v groff >/dev/null; then
  warnings=$(groff -man -Tutf8 -ww "$page" 2>&1 >/dev/null)
  if [ -n "$warnings" ]; then
    echo "FAILED: groff says: $warnings"
    failed=1
  fi
  if ! groff -man -Tascii "$page" 2>/dev/null | sed 's/.\x08//g; s/\x1b\[[0-9;]*m//g' |
    grep -q -e '--build-arg'; then
    echo "FAILED: the page does not name --build-arg"
    failed=1
  fi
fi
exit $failed
