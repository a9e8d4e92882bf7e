-- Named statements of the catalog. Each block starts with its name: two dashes, the name, two dashes.

-- schema_version --
PRAGMA user_version

-- drop_derived --
DROP VIEW IF EXISTS steps;
DROP TABLE IF EXISTS heads;
DROP TABLE IF EXISTS materializations;
DROP TABLE IF EXISTS lineage;
DROP TABLE IF EXISTS runs;
DROP TABLE IF EXISTS artifacts;
DROP TABLE IF EXISTS schedules;
DROP TABLE IF EXISTS ticks;
DROP TABLE IF EXISTS mirrored;

-- make_mirrored --
-- Which records of a store that is far away are indexed here, by the token they had. A deleted one has an empty token.
CREATE TABLE IF NOT EXISTS mirrored (path TEXT PRIMARY KEY, token TEXT NOT NULL) WITHOUT ROWID

-- mirrored --
SELECT path, token FROM mirrored WHERE path >= ? AND path < ? AND token <> ''

-- put_mirrored --
INSERT INTO mirrored (path, token) VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET token = excluded.token

-- known_seq --
SELECT seq FROM heads WHERE env = ? AND asset = ? AND partition = ?

-- put_head --
-- An older state of a head never overwrites a newer one.
INSERT INTO heads (
    env, asset, partition, seq, fingerprint, data_version, run, at, published, mark, held, held_since, base_seq, is_lost
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (env, asset, partition) DO UPDATE SET
    seq = excluded.seq,
    fingerprint = excluded.fingerprint,
    data_version = excluded.data_version,
    run = excluded.run,
    at = excluded.at,
    published = excluded.published,
    mark = excluded.mark,
    held = excluded.held,
    held_since = excluded.held_since,
    base_seq = excluded.base_seq,
    is_lost = excluded.is_lost
WHERE excluded.seq >= heads.seq

-- put_materialization --
INSERT INTO materializations (env, asset, partition, seq, fingerprint, data_version, run, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING

-- put_lineage --
INSERT INTO lineage (env, asset, partition, seq, parameter, upstream, upstream_seq)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING

-- put_run --
-- The record of a run's start never overwrites the one of its end.
INSERT INTO runs (id, name, kind, state, env, started_at, ended_at, parent, counts, error, steps_json)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name,
    kind = excluded.kind,
    state = excluded.state,
    env = excluded.env,
    started_at = excluded.started_at,
    ended_at = excluded.ended_at,
    parent = excluded.parent,
    counts = excluded.counts,
    error = excluded.error,
    steps_json = excluded.steps_json
WHERE excluded.ended_at IS NOT NULL OR runs.ended_at IS NULL

-- put_artifact --
INSERT INTO artifacts (id, key, kind, description, run, step, asset, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    key = excluded.key,
    kind = excluded.kind,
    description = excluded.description,
    run = excluded.run,
    step = excluded.step,
    asset = excluded.asset,
    created_at = excluded.created_at,
    updated_at = excluded.updated_at

-- put_schedule --
-- An older state of a schedule never overwrites a newer one.
INSERT INTO schedules
    (path, name, command, created_at, changed_at, cron, interval_s, anchor, timezone, paused, lease)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (path) DO UPDATE SET
    command = excluded.command,
    created_at = excluded.created_at,
    changed_at = excluded.changed_at,
    cron = excluded.cron,
    interval_s = excluded.interval_s,
    anchor = excluded.anchor,
    timezone = excluded.timezone,
    paused = excluded.paused,
    lease = excluded.lease
WHERE excluded.changed_at >= schedules.changed_at

-- put_tick --
-- A tick is claimed, then started, then ended. One that was given up as lost may still report its end.
INSERT INTO ticks (path, schedule, nominal, due_at, state, run, reason, started_at, ended_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (path) DO UPDATE SET
    state = excluded.state,
    run = excluded.run,
    reason = excluded.reason,
    started_at = excluded.started_at,
    ended_at = excluded.ended_at
WHERE (excluded.ended_at IS NOT NULL AND (ticks.ended_at IS NULL OR excluded.state != 'lost'))
   OR (ticks.ended_at IS NULL AND (excluded.started_at IS NOT NULL OR ticks.started_at IS NULL))

-- slots_of --
SELECT asset, partition FROM heads WHERE env = ?

-- remove_head --
DELETE FROM heads WHERE env = ? AND asset = ? AND partition = ?

-- remove_history --
DELETE FROM materializations WHERE env = ? AND asset = ? AND partition = ?

-- drop_versions --
DELETE FROM materializations
WHERE env = ? AND asset = ? AND partition = ? AND seq BETWEEN ? AND ?
AND seq NOT IN (SELECT value FROM json_each(?))

-- drop_lineage --
DELETE FROM lineage
WHERE env = ? AND asset = ? AND partition = ? AND seq BETWEEN ? AND ?
AND seq NOT IN (SELECT value FROM json_each(?))

-- remove_lineage --
DELETE FROM lineage WHERE env = ? AND asset = ? AND partition = ?

-- remove_schedule --
DELETE FROM schedules WHERE path = ?

-- remove_tick --
DELETE FROM ticks WHERE path = ?

-- remove_run --
DELETE FROM runs WHERE id = ?

-- remove_events --
DELETE FROM events WHERE run = ?

-- remove_artifact --
DELETE FROM artifacts WHERE id = ?

-- put_event --
INSERT INTO events (run, n, at, kind, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- heads --
SELECT asset, partition, seq, fingerprint, data_version, run, at, published, mark, held, held_since, base_seq, is_lost
FROM heads
WHERE env = ?
ORDER BY asset, partition

-- heads_of --
SELECT asset, partition, seq, fingerprint, data_version, run, at, published, mark, held, held_since, base_seq, is_lost
FROM heads
WHERE env = ? AND asset = ?
ORDER BY partition

-- history --
SELECT seq, fingerprint, data_version, run, at
FROM materializations
WHERE env = ? AND asset = ? AND partition = ?
ORDER BY seq DESC

-- recent --
-- At most as many as a head lists.
SELECT seq, fingerprint, data_version, run, at
FROM materializations
WHERE env = ? AND asset = ? AND partition = ?
ORDER BY seq DESC
LIMIT ?

-- runs --
-- Ids sort by time; the text of two times need not.
SELECT id, name, kind, state, env, started_at, ended_at, parent, counts, error
FROM runs
ORDER BY id DESC
LIMIT ?

-- run --
SELECT id, name, kind, state, env, started_at, ended_at, parent, counts, error
FROM runs
WHERE id = ?

-- steps --
SELECT steps_json FROM runs WHERE id = ?

-- artifacts --
SELECT id, key, kind, description, run, step, asset, created_at, updated_at
FROM artifacts
WHERE (:key IS NULL OR key = :key) AND (:asset IS NULL OR asset = :asset) AND (:run IS NULL OR run = :run)
ORDER BY id DESC

-- artifact_key --
SELECT key FROM artifacts WHERE id = ?

-- events --
SELECT id, run, n, at, kind, body
FROM events
WHERE id > ?
ORDER BY id

-- events_of_run --
SELECT id, run, n, at, kind, body
FROM events
WHERE run = ? AND id > ?
ORDER BY n

-- inputs --
SELECT parameter, upstream, upstream_seq
FROM lineage
WHERE env = ? AND asset = ? AND partition = ? AND seq = ?
ORDER BY parameter

-- upstream --
-- CROSS JOIN keeps SQLite from beginning with the other table.
SELECT DISTINCT lineage.upstream
FROM heads
CROSS JOIN lineage USING (env, asset, partition, seq)
WHERE heads.env = ? AND heads.asset = ?

-- downstream --
SELECT DISTINCT lineage.asset
FROM lineage
CROSS JOIN heads USING (env, asset, partition, seq)
WHERE lineage.env = ? AND lineage.upstream = ?

-- schedules --
SELECT path, name, command, created_at, changed_at, cron, interval_s, anchor, timezone, paused, lease
FROM schedules
ORDER BY name

-- ticks --
SELECT path, schedule, nominal, due_at, state, run, reason, started_at, ended_at
FROM ticks
WHERE schedule = ? AND due_at <= ?
ORDER BY due_at DESC, nominal DESC
LIMIT ?

-- open_ticks --
SELECT path, schedule, nominal, due_at, state, run, reason, started_at, ended_at
FROM ticks
WHERE schedule = ? AND ended_at IS NULL
ORDER BY due_at

-- edges --
-- What the current versions were made from, of the whole environment.
SELECT DISTINCT lineage.upstream, lineage.asset
FROM heads
CROSS JOIN lineage USING (env, asset, partition, seq)
WHERE heads.env = ?
ORDER BY lineage.upstream, lineage.asset

-- pulse --
-- Changes when another connection committed, or this one did; costs nothing.
SELECT data_version, total_changes() FROM pragma_data_version

-- mark --
-- Differs whenever one of these was added or moved on.
SELECT
    (SELECT coalesce(max(id), 0) FROM events)
    || ' ' || (SELECT coalesce(group_concat(id || state), '') FROM (SELECT id, state FROM runs ORDER BY id DESC LIMIT 20))
    || ' ' || (SELECT coalesce(max(id), '') || coalesce(max(updated_at), '') FROM artifacts)
    || ' ' || (SELECT count(*) || '/' || coalesce(sum(seq), 0) FROM heads)

-- heads_mark --
SELECT count(*) || '/' || coalesce(sum(seq), 0) || '/' || coalesce(max(run), '') FROM heads WHERE env = ?

-- dump_heads --
SELECT * FROM heads

-- dump_materializations --
SELECT * FROM materializations

-- dump_lineage --
SELECT * FROM lineage

-- dump_runs --
SELECT * FROM runs

-- dump_artifacts --
SELECT * FROM artifacts

-- dump_schedules --
SELECT * FROM schedules

-- dump_ticks --
SELECT * FROM ticks
