"""Postroom on PostgreSQL beside other queues on it, and NATS as a yardstick."""
