-- Times are milliseconds since 1970.

CREATE TABLE frames (
    id INTEGER PRIMARY KEY,
    line TEXT NOT NULL,
    at INTEGER NOT NULL,
    frame INTEGER NOT NULL,
    score REAL NOT NULL,
    threshold REAL NOT NULL,
    low REAL NOT NULL,
    verdict TEXT NOT NULL,
    bank TEXT NOT NULL
);
CREATE INDEX frames_of_line ON frames (line, id);

CREATE TABLE finds (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    line TEXT NOT NULL,
    at INTEGER NOT NULL,
    frame INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    score REAL NOT NULL,
    verdict TEXT NOT NULL,
    record TEXT NOT NULL,
    judgement TEXT CHECK (judgement IN ('good', 'bad', 'unsure')),
    judged_by TEXT,
    judged_at INTEGER
);
CREATE INDEX finds_of_line ON finds (line, id);
CREATE INDEX finds_to_judge ON finds (line, score) WHERE judgement IS NULL;

CREATE TABLE judgements (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    find INTEGER NOT NULL,
    line TEXT NOT NULL,
    judgement TEXT NOT NULL,
    who TEXT NOT NULL,
    at INTEGER NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE banks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    line TEXT NOT NULL,
    version INTEGER NOT NULL,
    parent INTEGER,
    digest TEXT NOT NULL,
    frames INTEGER NOT NULL,
    added INTEGER NOT NULL,
    vectors INTEGER NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- Numbers of the finds that were added to the parent, and how it scores what was judged: JSON.
    finds TEXT NOT NULL,
    report TEXT NOT NULL,
    UNIQUE (line, version)
);

CREATE TABLE releases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    line TEXT NOT NULL,
    version INTEGER NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
);

CREATE TABLE limits (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    line TEXT NOT NULL,
    threshold REAL,
    low REAL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
);

CREATE TABLE shifts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    line TEXT NOT NULL,
    who TEXT NOT NULL,
    at INTEGER NOT NULL
);

CREATE TABLE people (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'engineer', 'admin')),
    hash TEXT NOT NULL,
    at INTEGER NOT NULL
);

CREATE TABLE sign_ins (
    fingerprint TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    expires INTEGER NOT NULL
);

CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    fingerprint TEXT NOT NULL UNIQUE,
    author TEXT NOT NULL,
    at INTEGER NOT NULL
);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit list is only added to'); END;
CREATE TRIGGER audit_is_as_written BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit list is only added to'); END;

CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    output TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload TEXT NOT NULL
);
CREATE INDEX outbox_of_output ON outbox (output, id);
