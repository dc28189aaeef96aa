"""Motion in the formats of other tools."""

from mocap.export.formats import EXPORT_FORMATS, ExportOptions, ExportReport, export
from mocap.export.source import ExportSource, ViewRows, Written

__all__ = [
    "EXPORT_FORMATS",
    "ExportOptions",
    "ExportReport",
    "ExportSource",
    "ViewRows",
    "Written",
    "export",
]
