-- The catalog: derived from the records by catalog/index.py, its only writer, and rebuilt from them at any time.
-- All times are ISO 8601 text in UTC, as in the records. A change here needs a new SCHEMA_VERSION in index.py.

CREATE TABLE IF NOT EXISTS heads (
    env TEXT NOT NULL,
    asset TEXT NOT NULL,
    partition TEXT NOT NULL,
    seq INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    data_version TEXT NOT NULL,
    run TEXT NOT NULL,
    at TEXT NOT NULL,
    published INTEGER NOT NULL,
    mark TEXT NOT NULL,
    held TEXT NOT NULL,
    held_since TEXT NOT NULL,
    base_seq INTEGER NOT NULL,
    is_lost INTEGER NOT NULL,
    PRIMARY KEY (env, asset, partition)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS materializations (
    env TEXT NOT NULL,
    asset TEXT NOT NULL,
    partition TEXT NOT NULL,
    seq INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    data_version TEXT NOT NULL,
    run TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (env, asset, partition, seq)
) WITHOUT ROWID;

-- What records say that they tell of, by their path: what a range does not list was dropped, and stays so whatever other
-- records list. Needed only while records are indexed.
CREATE TABLE IF NOT EXISTS dropped (
    path TEXT PRIMARY KEY,
    env TEXT NOT NULL,
    asset TEXT NOT NULL,
    partition TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    listed TEXT NOT NULL
) WITHOUT ROWID;

-- Versions whose bytes are found to be gone or damaged, as heads note them.
CREATE TABLE IF NOT EXISTS lost (
    env TEXT NOT NULL,
    asset TEXT NOT NULL,
    partition TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (env, asset, partition, seq)
) WITHOUT ROWID;

-- Paths of heads and of parts of histories that are there and cannot be read: whoever asks for what they are of is told.
-- So are those that went back to an older version than the one that is known here; ``problem`` says which it is.
CREATE TABLE IF NOT EXISTS aside (
    env TEXT NOT NULL,
    path TEXT NOT NULL,
    problem TEXT NOT NULL,
    PRIMARY KEY (env, path)
) WITHOUT ROWID;

CREATE VIEW IF NOT EXISTS versions AS
SELECT
    env, asset, partition, seq, fingerprint, data_version, run, at,
    EXISTS (
        SELECT 1
        FROM lost
        WHERE lost.env = made.env AND lost.asset = made.asset AND lost.partition = made.partition AND lost.seq = made.seq
    ) AS is_lost
FROM materializations AS made;

CREATE TABLE IF NOT EXISTS lineage (
    env TEXT NOT NULL,
    asset TEXT NOT NULL,
    partition TEXT NOT NULL,
    seq INTEGER NOT NULL,
    parameter TEXT NOT NULL,
    upstream TEXT NOT NULL,
    upstream_seq INTEGER NOT NULL,
    PRIMARY KEY (env, asset, partition, seq, parameter)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS lineage_by_upstream ON lineage (env, upstream);

-- Steps stay as the JSON they came in: a run of 10,000 reused assets must not cost 10,000 rows. See the view below.
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    env TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    parent TEXT NOT NULL,
    counts TEXT NOT NULL,
    error TEXT NOT NULL,
    steps_json TEXT NOT NULL
);

CREATE VIEW IF NOT EXISTS steps AS
SELECT
    runs.id AS run,
    each.key AS position,
    json_extract(each.value, '$.step') AS step,
    coalesce(json_extract(each.value, '$.assets'), '[]') AS assets,
    coalesce(json_extract(each.value, '$.partition'), '') AS partition,
    json_extract(each.value, '$.action') AS action,
    json_extract(each.value, '$.reason') AS reason,
    json_extract(each.value, '$.started_at') AS started_at,
    coalesce(json_extract(each.value, '$.duration_s'), 0.0) AS duration_s,
    coalesce(json_extract(each.value, '$.attempts'), 0) AS attempts,
    coalesce(json_extract(each.value, '$.checked'), 0) AS checked,
    coalesce(json_extract(each.value, '$.seq'), 0) AS seq,
    coalesce(json_extract(each.value, '$.error'), '') AS error
FROM runs, json_each(runs.steps_json) AS each;

CREATE TABLE IF NOT EXISTS artifacts (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    kind TEXT NOT NULL,
    description TEXT NOT NULL,
    run TEXT NOT NULL,
    step TEXT NOT NULL,
    asset TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS schedules (
    path TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    command TEXT NOT NULL,
    created_at TEXT NOT NULL,
    changed_at TEXT NOT NULL,
    cron TEXT NOT NULL,
    interval_s INTEGER NOT NULL,
    anchor TEXT,
    timezone TEXT NOT NULL,
    paused INTEGER NOT NULL,
    lease TEXT NOT NULL
) WITHOUT ROWID;

-- Times that are due are whole seconds in UTC, so their text sorts as they do; nominal times need not.
CREATE TABLE IF NOT EXISTS ticks (
    path TEXT PRIMARY KEY,
    schedule TEXT NOT NULL,
    nominal TEXT NOT NULL,
    due_at TEXT NOT NULL,
    state TEXT NOT NULL,
    run TEXT NOT NULL,
    reason TEXT NOT NULL,
    started_at TEXT,
    ended_at TEXT
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS ticks_by_time ON ticks (schedule, due_at);

-- Live progress. It comes from no record, so it is the one thing a rebuild does not restore, and does not remove.
-- AUTOINCREMENT: a reader's cursor stays right after old events were removed.
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    n INTEGER NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (run, n)
);
