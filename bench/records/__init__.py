"""Generated records, and what `bench.exports` and `bench.retention` share."""
