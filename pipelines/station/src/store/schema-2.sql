-- Parts of a line: what was said of the frames of each. `ended` is missing while more frames may come.
CREATE TABLE parts (
    line TEXT NOT NULL,
    number INTEGER NOT NULL,
    part TEXT,
    lot TEXT,
    begun INTEGER NOT NULL,
    ended INTEGER,
    frames INTEGER NOT NULL,
    first INTEGER,
    last INTEGER,
    frame INTEGER,
    score REAL NOT NULL,
    verdict TEXT NOT NULL,
    PRIMARY KEY (line, number)
) WITHOUT ROWID;
