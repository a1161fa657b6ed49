"""Brokers, one package or module each; chosen by URL in `postroom.queues.connect`."""
