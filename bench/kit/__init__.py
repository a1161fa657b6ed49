"""What the benchmarks share: the job, the clockwork of a comparison, processes, targets and tables."""
