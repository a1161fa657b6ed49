"""Benchmarks of Postroom against bare libraries and against its peers; see README.md.

Run them as modules from the root of the repository (`python -m bench.queue`). As plain scripts they would put
this folder first on the import path, where `queue`, `http` and `email` hide the standard library's.
"""
