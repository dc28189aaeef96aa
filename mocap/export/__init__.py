"""Motion in the formats of other tools."""

from mocap.export.exporting import ExportReport, export
from mocap.export.formats import EXPORT_FORMATS
from mocap.export.options import ExportOptions
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
