"""Counterparts for tests: vendors' HTTP interfaces on loopback, scripted to answer as they do on bad days."""
