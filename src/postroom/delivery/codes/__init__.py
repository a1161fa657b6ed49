"""Vendors' codes and what they mean, as data: tables that first match wins."""
