-- Attempts that began and never said how they ended: a worker died in their middle.
SELECT number, started_us FROM attempts WHERE job_id = :job_id AND finished_us IS NULL AND number <= :number
