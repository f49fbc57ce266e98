-- What a hub has a line use beside its bank: objects by their SHA-256, `decoder` or `recipe`.
CREATE TABLE settings (
    line TEXT NOT NULL,
    kind TEXT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (line, kind)
) WITHOUT ROWID;
ALTER TABLE desired ADD COLUMN decoder TEXT;
ALTER TABLE desired ADD COLUMN recipe TEXT;
