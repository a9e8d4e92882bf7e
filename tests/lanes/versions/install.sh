#!/usr/bin/env bash
# Make an environment for each line of environments.txt in LANE_DIR (default: .lanes/versions), once. About 1 GB from pip.
#
#   install.sh [LANE_DIR]
#
# Each line is a Python and the libraries it gets; what is there already is left alone.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
lane=${1:-$root/.lanes/versions}
mkdir -p "$lane"

# An interpreter of that version, also where a version manager keeps it out of the way.
find_python() {
  local found
  for found in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    if "$found" -c 'import sys, venv' 2>/dev/null; then
      echo "$found"
      return
    fi
  done
  echo "versions lane: Python $1 not found." >&2
  echo "  → install it (apt-get install python$1-venv, or pyenv install $1)" >&2
  exit 3
}

while read -r name version packages; do
  case $name in ''|'#'*) continue ;; esac
  if [ -f "$lane/$name/installed" ] && [ "$(cat "$lane/$name/installed")" = "$version $packages" ]; then
    echo "versions lane: $name already installed in $lane"
    continue
  fi
  python=$(find_python "$version")
  rm -rf "${lane:?}/$name"
  "$python" -m venv "$lane/$name"
  # shellcheck disable=SC2086  # a list of packages
  "$lane/$name/bin/python" -m pip install --quiet --disable-pip-version-check blake3 $packages
  printf '%s' "$version $packages" > "$lane/$name/installed"
  echo "versions lane: $name installed in $lane"
done < "$here/environments.txt"
