"""Exports: rows of the application's records as a file, made by a job and fetched by who asked for it."""

from postroom.exports.datasets import DATASETS
from postroom.exports.desk import ExportDesk, ExportNotReady, File
from postroom.exports.generate import ExportGenerator
from postroom.exports.links import DownloadLinks
from postroom.exports.request import Plan, RequestInvalid, read_request

__all__ = [
    "DATASETS",
    "DownloadLinks",
    "ExportDesk",
    "ExportGenerator",
    "ExportNotReady",
    "File",
    "Plan",
    "RequestInvalid",
    "read_request",
]
