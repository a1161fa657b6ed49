-- Exports tell what they hold, how far they are, and can be called off.

ALTER TABLE exports ADD COLUMN dataset TEXT;

ALTER TABLE exports ADD COLUMN filters TEXT;            -- JSON; recipients as references

ALTER TABLE exports ADD COLUMN columns TEXT;            -- JSON array

ALTER TABLE exports ADD COLUMN compression TEXT;

ALTER TABLE exports ADD COLUMN progress REAL;           -- from 0 to 1

ALTER TABLE exports ADD COLUMN started_us INTEGER;

ALTER TABLE exports ADD COLUMN changed_us INTEGER;      -- when progress was last told

ALTER TABLE exports ADD COLUMN cancel_us INTEGER;       -- when somebody called it off

ALTER TABLE exports ADD COLUMN reason TEXT;             -- why it failed

CREATE INDEX exports_created ON exports (created_us);
