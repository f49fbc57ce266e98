-- What was said of the frames of a line in each ten minutes: counts, and sums that means follow from. `at` is when they begin.
CREATE TABLE trends (
    line TEXT NOT NULL,
    at INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    anomalous INTEGER NOT NULL,
    uncertain INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    score REAL NOT NULL,
    highest REAL NOT NULL,
    -- Frames whose light is known, and those whose sharpness is.
    lit INTEGER NOT NULL,
    light REAL NOT NULL,
    measured INTEGER NOT NULL,
    sharpness REAL NOT NULL,
    PRIMARY KEY (line, at)
) WITHOUT ROWID;
INSERT INTO trends
SELECT line, at - at % 600000, COUNT(*), SUM(verdict = 'anomalous'), SUM(verdict = 'uncertain'), SUM(verdict = 'unknown'),
    SUM(score), MAX(score), 0, 0, 0, 0
FROM frames GROUP BY 1, 2;
-- Frames that were unlike the rest when the version was learned: JSON.
ALTER TABLE banks ADD COLUMN odd TEXT NOT NULL DEFAULT '[]';
