#!/usr/bin/env bash
# Installs the servers that integration tests start, each in an environment of its own below
# .servers: `scripts/servers/install.sh`. What a test does not find there, it is skipped without;
# with OCTAVO_SERVERS=required it fails instead.
set -euo pipefail
cd "$(dirname "$0")/../.."
for list in scripts/servers/*.txt; do
  environment=".servers/$(basename "$list" .txt)"
  if ! cmp --silent "$list" "$environment/installed.txt"; then
    "${PYTHON:-python3}" -m venv --clear "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r "$list"
    cp "$list" "$environment/installed.txt"
  fi
done
