#!/usr/bin/env bash
# Install what drives a browser into LANE_DIR (default: .lanes/web), once. Chromium is the system's; about 130 MB from pip.
#
#   install.sh [LANE_DIR]
#
# Playwright's own browsers are not downloaded: they come from a host that package mirrors do not have.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
lane=${1:-$root/.lanes/web}
playwright_version=1.65.2
mkdir -p "$lane"
lane=$(cd "$lane" && pwd)

if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core
  else
    echo "web lane: chromium not found." >&2
    echo "  → apt-get install chromium fonts-dejavu-core" >&2
    exit 3
  fi
fi

python=${PYTHON:-$root/.venv/bin/python}
# Another Python needs other wheels.
wanted="playwright $playwright_version $("$python" -c 'import sys; print(sys.version_info[:2])')"
if [ -f "$lane/installed" ] && [ "$(cat "$lane/installed")" = "$wanted" ]; then
  echo "web lane: already installed in $lane"
  exit 0
fi
rm -rf "$lane/site"
"$python" -m pip install --quiet --target "$lane/site" "playwright==$playwright_version"
printf '%s' "$wanted" > "$lane/installed"
echo "web lane: installed in $lane"
