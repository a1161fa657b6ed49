"""The parts of `python -m bench.email`: the sink, the bare client, and the whole service."""
