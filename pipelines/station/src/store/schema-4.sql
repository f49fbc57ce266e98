-- The name of this store, by which a hub tells its messages from those of another store of the same station.
CREATE TABLE names (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    store TEXT NOT NULL
);
-- Outputs that are told of what is added to the audit list.
CREATE TABLE audit_readers (output TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TRIGGER audit_is_told AFTER INSERT ON audit
BEGIN
    INSERT INTO outbox (output, topic, payload)
    SELECT output, 'audit', json_object('number', NEW.id, 'time', NEW.at, 'who', NEW.who, 'what', NEW.what, 'detail', NEW.detail)
    FROM audit_readers;
END;
-- Commands that came from a hub: author and task, JSON. The answer is missing while one is carried out.
CREATE TABLE commands (
    id TEXT PRIMARY KEY,
    what TEXT NOT NULL,
    deadline INTEGER NOT NULL,
    answer TEXT
) WITHOUT ROWID;
-- What a hub wanted a line to be, as it was taken last: `version` has that bank, or `refusal` says why none has.
CREATE TABLE desired (
    line TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL,
    object TEXT NOT NULL,
    version INTEGER,
    refusal TEXT
) WITHOUT ROWID;
