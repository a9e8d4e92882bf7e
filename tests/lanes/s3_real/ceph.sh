#!/usr/bin/env bash
# Start or stop a real Ceph object gateway on this machine: a monitor, a store in memory, and radosgw.
#
#   ceph.sh start RUN_DIR     answers on 127.0.0.1:RGW_PORT for the keys test, testsecret
#   ceph.sh stop RUN_DIR
#
# RUN_DIR is a new, empty path; everything is gone on stop. Ports: RGW_PORT, MON_PORT and the one after it.
set -euo pipefail

verb=${1:?start or stop}
mkdir -p "${2:?the run directory}"
run=$(cd "$2" && pwd)
rgw_port=${RGW_PORT:-7480} mon_port=${MON_PORT:-6789}
export CEPH_CONF=$run/ceph.conf

stop() {
  local name
  for name in rgw osd mon; do
    if [ -f "$run/$name.started" ]; then kill "$(cat "$run/$name.started")" 2>/dev/null || true; fi
  done
}

check() {
  local name missing=()
  for name in radosgw ceph-mon ceph-osd; do
    command -v "$name" >/dev/null || missing+=("$name")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    echo "ceph: ${missing[*]} not found." >&2
    echo "  → apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 3
  fi
}

configure() {
  # One copy of everything, in memory; one placement group a pool, since there is one disk.
  cat >"$CEPH_CONF" <<CONF
[global]
fsid = $1
mon_host = [v2:127.0.0.1:$((mon_port + 1)),v1:127.0.0.1:$mon_port]
public_addr = 127.0.0.1
auth_allow_insecure_global_id_reclaim = false
run_dir = $run
admin_socket = $run/\$name.asok
pid_file = $run/\$name.pid
log_file = $run/\$name.log
crash_dir = $run
keyring = $run/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_data = $run/osd
mon_data = $run/mon
rgw_data = $run/rgw
rgw_frontends = beast endpoint=127.0.0.1:$rgw_port
rgw_enable_gc_threads = false
[osd]
keyring = $run/osd/keyring
[mon.a]
mon_addr = 127.0.0.1:$mon_port
CONF
}

launch() {
  "${@:2}" >"$run/$1.out" 2>&1 &
  echo $! >"$run/$1.started"
}

start() {
  check
  trap 'stop' ERR
  local id
  id=$(cat /proc/sys/kernel/random/uuid)
  mkdir -p "$run/mon" "$run/osd" "$run/rgw"
  configure "$id"
  ceph-authtool --create-keyring "$run/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
  ceph-authtool "$run/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' >/dev/null
  monmaptool --create --addv a "[v2:127.0.0.1:$((mon_port + 1)),v1:127.0.0.1:$mon_port]" --fsid "$id" \
    "$run/monmap" >/dev/null
  ceph-mon --mkfs -i a --monmap "$run/monmap" --keyring "$run/keyring"
  launch mon ceph-mon -f -i a
  id=$(cat /proc/sys/kernel/random/uuid)
  ceph --connect-timeout 30 osd new "$id" >/dev/null
  ceph auth get-or-create osd.0 mon 'allow profile osd' osd 'allow *' -o "$run/osd/keyring"
  ceph-osd -i 0 --mkfs --osd-uuid "$id" >"$run/mkfs.out" 2>&1
  launch osd ceph-osd -f -i 0
  for _ in $(seq 300); do
    if ceph osd stat 2>/dev/null | grep -q '1 up'; then break; fi
    sleep 0.2
  done
  radosgw-admin user create --uid test --display-name test --access-key test --secret testsecret \
    >"$run/user.out" 2>&1
  launch rgw radosgw -f -n client.admin
  for _ in $(seq 600); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$rgw_port") 2>/dev/null; then return 0; fi
    sleep 0.1
  done
  echo "ceph: radosgw does not answer; the end of $run/rgw.out:" >&2
  tail -n 20 "$run/rgw.out" >&2
  stop
  exit 1
}

case $verb in
  start) start ;;
  stop) stop ;;
  *) echo "ceph.sh: start or stop, not '$verb'" >&2; exit 2 ;;
esac
