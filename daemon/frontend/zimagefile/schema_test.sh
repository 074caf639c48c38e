#!/usr/bin/env bash
# Debian's python, for another one may stand before it in PATH.
set -euo pipefail
PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 daemon/frontend/zimagefile/schema_test.py \
  deploy/zimagefile.schema.json daemon/frontend/zimagefile/testdata
