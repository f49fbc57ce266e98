-- When a frame was captured by the clock of its source, where that says so; of a part when the first of its frames was.
ALTER TABLE frames ADD COLUMN captured INTEGER;
ALTER TABLE parts ADD COLUMN captured INTEGER;
