-- Frames are counted from 0 in each run of the pipeline of a line, and runs from 1; those of before runs were counted are of
-- run 0.
CREATE TABLE runs (
    line TEXT PRIMARY KEY,
    run INTEGER NOT NULL
) WITHOUT ROWID;
ALTER TABLE frames ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
ALTER TABLE finds ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
CREATE INDEX finds_of_run ON finds (line, run, frame);
-- The runs of the first, the last and the worst frame of a part. They are missing where those are, or are not known.
ALTER TABLE parts ADD COLUMN first_run INTEGER;
ALTER TABLE parts ADD COLUMN last_run INTEGER;
ALTER TABLE parts ADD COLUMN frame_run INTEGER;
