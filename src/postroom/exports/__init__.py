"""Exports: rows of the audit trail or of the messages as a file, made by a job."""

from postroom.exports.generate import ExportGenerator

__all__ = ["ExportGenerator"]
