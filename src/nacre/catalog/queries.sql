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

-- known_seq --
SELECT seq FROM heads WHERE env = ? AND asset = ? AND partition = ?

-- put_head --
-- An older state of a head never overwrites a newer one.
INSERT INTO heads (env, asset, partition, seq, fingerprint, data_version, run, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (env, asset, partition) DO UPDATE SET
    seq = excluded.seq,
    fingerprint = excluded.fingerprint,
    data_version = excluded.data_version,
    run = excluded.run,
    at = excluded.at
WHERE excluded.seq > heads.seq

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

-- remove_run --
DELETE FROM runs WHERE id = ?

-- remove_events --
DELETE FROM events WHERE run = ?

-- remove_artifact --
DELETE FROM artifacts WHERE id = ?

-- put_event --
INSERT INTO events (run, n, at, kind, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- heads --
SELECT asset, partition, seq, fingerprint, data_version, run, at
FROM heads
WHERE env = ?
ORDER BY asset, partition

-- history --
SELECT seq, fingerprint, data_version, run, at
FROM materializations
WHERE env = ? AND asset = ? AND partition = ?
ORDER BY seq DESC

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
