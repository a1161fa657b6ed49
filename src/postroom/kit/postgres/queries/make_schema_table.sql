CREATE TABLE IF NOT EXISTS postroom_schema (
    component text    PRIMARY KEY,
    version   integer NOT NULL,           -- number of the last step
    needs     integer NOT NULL DEFAULT 0  -- number of the last `post` step: what does not know it must not run
)
