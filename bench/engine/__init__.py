"""The measurements of `python -m bench.queue`, one module for each kind."""
