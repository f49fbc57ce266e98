-- The version of a bank that judges beside the one in use, and how both agree. Frames are those that both judged.
CREATE TABLE shadows (
    line TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    both_pass INTEGER NOT NULL DEFAULT 0,
    both_alarm INTEGER NOT NULL DEFAULT 0,
    only_running INTEGER NOT NULL DEFAULT 0,
    only_shadow INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
-- The last frames on which they differ, and a shadow has no more to say when it is gone.
CREATE TABLE differing (
    id INTEGER PRIMARY KEY,
    line TEXT NOT NULL,
    at INTEGER NOT NULL,
    frame INTEGER NOT NULL,
    score REAL NOT NULL,
    threshold REAL NOT NULL,
    verdict TEXT NOT NULL,
    shadow_score REAL NOT NULL,
    shadow_threshold REAL NOT NULL,
    shadow_verdict TEXT NOT NULL
);
CREATE INDEX differing_of_line ON differing (line, id);
CREATE TRIGGER differing_ends AFTER DELETE ON shadows BEGIN DELETE FROM differing WHERE line = OLD.line; END;
CREATE TRIGGER shadow_ends_with_its_version AFTER DELETE ON banks
BEGIN DELETE FROM shadows WHERE line = OLD.line AND version = OLD.version; END;
CREATE INDEX finds_by_frame ON finds (line, frame);
