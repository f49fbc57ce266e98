-- Messages that an output refused again and again: they wait no longer, and are kept with the reason.
CREATE TABLE set_aside (
    id INTEGER PRIMARY KEY,
    output TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX set_aside_of_output ON set_aside (output, id);
-- How many messages of an output were removed that nobody took, as too many waited.
CREATE TABLE losses (
    output TEXT PRIMARY KEY,
    messages INTEGER NOT NULL
) WITHOUT ROWID;
-- Outputs that the configuration has no more, and whose messages are there: since when that is known.
CREATE TABLE gone (
    output TEXT PRIMARY KEY,
    since INTEGER NOT NULL
) WITHOUT ROWID;
