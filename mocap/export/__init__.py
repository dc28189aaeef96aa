"""Motion in the formats of other tools."""

from mocap.export.bvh import BvhOptions, BvhReport, write_bvh
from mocap.export.formats import EXPORT_FORMATS, ExportOptions, exporter_by_name
from mocap.export.humanoid import Humanoid, solve_humanoid
from mocap.export.keypoints_csv import write_keypoints_csv
from mocap.export.keypoints_npz import write_keypoints_npz

__all__ = [
    "EXPORT_FORMATS",
    "BvhOptions",
    "BvhReport",
    "ExportOptions",
    "Humanoid",
    "exporter_by_name",
    "solve_humanoid",
    "write_bvh",
    "write_keypoints_csv",
    "write_keypoints_npz",
]
