#!/usr/bin/env bash
# Installs the servers that integration tests start, each in an environment of its own below
# .servers, and PostgreSQL as Debian has it: `scripts/servers/install.sh`. Without its server a test
# is skipped; with OCTAVO_SERVERS=required it fails instead.
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

if ! ls /usr/lib/postgresql/*/bin/postgres > /dev/null 2>&1; then
  if [ "$(id -u)" != 0 ]; then
    echo "PostgreSQL is missing: install Debian's package postgresql." >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet
  apt-get install --quiet --yes --no-install-recommends postgresql-common
  # Tests make their own cluster; the one of the machine is not needed.
  sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' \
    /etc/postgresql-common/createcluster.conf
  apt-get install --quiet --yes --no-install-recommends postgresql
fi
