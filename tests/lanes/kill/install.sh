#!/usr/bin/env bash
# Install strace, which ends and fails builds at their system calls, where it is not there and may be installed.
set -euo pipefail

if command -v strace >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends strace
else
  echo "kill lane: strace not found; what needs it is skipped." >&2
  echo "  → apt-get install strace" >&2
fi
