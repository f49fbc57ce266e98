-- Which recipe of a line was taken into use, when and by whom.
CREATE TABLE choices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    line TEXT NOT NULL,
    recipe TEXT NOT NULL,
    who TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX choices_of_line ON choices (line, id);
