"""The parts of `python -m bench.http`: the peer's application and the load generators."""
