-- Named statements of the catalog. Each block starts with its name: two dashes, the name, two dashes.

-- schema_version --
PRAGMA user_version

-- drop_derived --
DROP VIEW IF EXISTS steps;
DROP VIEW IF EXISTS versions;
DROP TABLE IF EXISTS heads;
DROP TABLE IF EXISTS materializations;
DROP TABLE IF EXISTS dropped;
DROP TABLE IF EXISTS lineage;
DROP TABLE IF EXISTS lost;
DROP TABLE IF EXISTS aside;
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

-- mirrored_token --
SELECT token FROM mirrored WHERE path = ?

-- put_mirrored --
INSERT INTO mirrored (path, token) VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET token = excluded.token

-- put_lost --
INSERT OR IGNORE INTO lost (env, asset, partition, seq) VALUES (?, ?, ?, ?)

-- remove_lost --
DELETE FROM lost WHERE env = ? AND asset = ? AND partition = ?

-- any_lost --
SELECT 1 FROM lost LIMIT 1

-- put_aside --
INSERT OR REPLACE INTO aside (env, path, problem) VALUES (?, ?, ?)

-- remove_aside --
DELETE FROM aside WHERE env = ? AND path = ?

-- any_aside --
SELECT 1 FROM aside LIMIT 1

-- aside --
SELECT path, problem FROM aside WHERE env = ?

-- behind --
SELECT path, env FROM aside WHERE problem = ? ORDER BY path

-- aside_through --
SELECT path, problem FROM aside WHERE env IN (SELECT value FROM json_each(?))

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

-- put_dropped --
INSERT OR REPLACE INTO dropped (path, env, asset, partition, first, last, listed) VALUES (?, ?, ?, ?, ?, ?, ?)

-- remove_dropped --
DELETE FROM dropped WHERE env = ? AND asset = ? AND partition = ?

-- drop_versions --
-- What is current stays, whatever any other record says.
DELETE FROM materializations AS m
WHERE env = ? AND asset = ? AND partition = ?
AND seq IS NOT (
    SELECT heads.seq FROM heads
    WHERE heads.env = m.env AND heads.asset = m.asset AND heads.partition = m.partition
)
AND EXISTS (
    SELECT 1 FROM dropped
    WHERE dropped.env = m.env AND dropped.asset = m.asset AND dropped.partition = m.partition
    AND m.seq BETWEEN dropped.first AND dropped.last
    AND m.seq NOT IN (SELECT value FROM json_each(dropped.listed))
)

-- drop_lineage --
DELETE FROM lineage
WHERE env = ? AND asset = ? AND partition = ?
AND seq NOT IN (
    SELECT m.seq FROM materializations AS m
    WHERE m.env = lineage.env AND m.asset = lineage.asset AND m.partition = lineage.partition
)

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
SELECT seq, fingerprint, data_version, run, at, is_lost
FROM versions
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

-- runs_beginning --
-- Whatever an id goes on with sorts before a tilde.
SELECT id, name, kind, state, env, started_at, ended_at, parent, counts, error
FROM runs
WHERE id >= :beginning AND id < :beginning || '~'
ORDER BY id

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
    || ' ' || (SELECT count(*) || '/' || coalesce(sum(seq), 0) || '/' || coalesce(sum(held <> ''), 0) FROM heads)

-- heads_mark --
SELECT count(*) || '/' || coalesce(sum(seq), 0) || '/' || coalesce(max(run), '') || '/' || coalesce(max(held_since), '')
FROM heads
WHERE env = ?

-- environments --
SELECT env, count(*), max(at) FROM heads GROUP BY env

-- heads_through --
-- What is current in the first environment of a chain, or else in the next that has it: one row a slot, since with min()
-- SQLite takes the other columns from the row of the minimum. What was read through is neither published nor held here.
SELECT
    heads.asset, heads.partition, seq, fingerprint, data_version, run, at,
    CASE chain.key WHEN 0 THEN published ELSE 0 END,
    CASE chain.key WHEN 0 THEN mark ELSE '' END,
    CASE chain.key WHEN 0 THEN held ELSE '' END,
    CASE chain.key WHEN 0 THEN held_since ELSE '' END,
    base_seq, is_lost,
    CASE min(chain.key) WHEN 0 THEN '' ELSE heads.env END
FROM json_each(:chain) AS chain
CROSS JOIN heads ON heads.env = chain.value
GROUP BY heads.asset, heads.partition
ORDER BY heads.asset, heads.partition

-- heads_of_through --
SELECT
    heads.asset, heads.partition, seq, fingerprint, data_version, run, at,
    CASE chain.key WHEN 0 THEN published ELSE 0 END,
    CASE chain.key WHEN 0 THEN mark ELSE '' END,
    CASE chain.key WHEN 0 THEN held ELSE '' END,
    CASE chain.key WHEN 0 THEN held_since ELSE '' END,
    base_seq, is_lost,
    CASE min(chain.key) WHEN 0 THEN '' ELSE heads.env END
FROM json_each(:chain) AS chain
CROSS JOIN heads ON heads.env = chain.value AND heads.asset = :asset
GROUP BY heads.asset, heads.partition
ORDER BY heads.asset, heads.partition

-- history_through --
-- The history in the nearest environment that has the slot; what it began with is in it.
SELECT seq, fingerprint, data_version, run, at
FROM materializations
WHERE asset = :asset AND partition = :partition AND env = (
    SELECT chain.value
    FROM json_each(:chain) AS chain
    CROSS JOIN heads ON heads.env = chain.value AND heads.asset = :asset AND heads.partition = :partition
    ORDER BY chain.key
    LIMIT 1
)
ORDER BY seq DESC

-- recent_through --
SELECT seq, fingerprint, data_version, run, at, is_lost
FROM versions
WHERE asset = :asset AND partition = :partition AND env = (
    SELECT chain.value
    FROM json_each(:chain) AS chain
    CROSS JOIN heads ON heads.env = chain.value AND heads.asset = :asset AND heads.partition = :partition
    ORDER BY chain.key
    LIMIT 1
)
ORDER BY seq DESC
LIMIT :limit

-- inputs_through --
-- A version that a history began with keeps the numbers of the environment that it was made in: the last of the chain
-- whose history has the very same entry.
WITH entry AS (
    SELECT seq, fingerprint, at
    FROM materializations
    WHERE asset = :asset AND partition = :partition AND seq = :seq AND env = (
        SELECT chain.value
        FROM json_each(:chain) AS chain
        CROSS JOIN heads ON heads.env = chain.value AND heads.asset = :asset AND heads.partition = :partition
        ORDER BY chain.key
        LIMIT 1
    )
),
made AS (
    SELECT chain.value AS env
    FROM json_each(:chain) AS chain
    CROSS JOIN entry
    CROSS JOIN materializations AS there
        ON there.env = chain.value AND there.asset = :asset AND there.partition = :partition
        AND there.seq = entry.seq AND there.fingerprint = entry.fingerprint AND there.at = entry.at
    ORDER BY chain.key DESC
    LIMIT 1
)
SELECT parameter, upstream, upstream_seq, CASE made.env WHEN :env THEN '' ELSE made.env END
FROM made
CROSS JOIN lineage
    ON lineage.env = made.env AND lineage.asset = :asset AND lineage.partition = :partition AND lineage.seq = :seq
ORDER BY parameter

-- edges_through --
WITH current AS (
    SELECT heads.env, heads.asset, heads.partition, heads.seq, min(chain.key)
    FROM json_each(?) AS chain
    CROSS JOIN heads ON heads.env = chain.value
    GROUP BY heads.asset, heads.partition
)
SELECT DISTINCT lineage.upstream, lineage.asset
FROM current
CROSS JOIN lineage USING (env, asset, partition, seq)
ORDER BY lineage.upstream, lineage.asset

-- heads_mark_through --
SELECT count(*) || '/' || coalesce(sum(seq), 0) || '/' || coalesce(max(run), '') || '/'
    || coalesce(max(held_since), '')
FROM json_each(?) AS chain
CROSS JOIN heads ON heads.env = chain.value

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
