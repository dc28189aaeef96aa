"""The world frame of a rig: floor, origin, axes and scale.

An adjustment leaves a rig somewhere in space. `world_from_target`, `world_from_points`,
`world_from_people` and `world_from_cameras` each say how it must be moved (a `WorldFrame`);
`move_rig` and `move_solution` move it.
"""

from calibration.world_frame.cameras import world_from_cameras
from calibration.world_frame.frame import (
    WorldFrame,
    move_path,
    move_points,
    move_rig,
    move_solution,
)
from calibration.world_frame.people import PeopleFloor, people_floor, world_from_people
from calibration.world_frame.points import NamedPoint, world_from_points
from calibration.world_frame.scale import scale_from_distance, scale_from_stature, stature_m
from calibration.world_frame.still import StillStretch, path_of_tracks, still_stretches
from calibration.world_frame.target import world_from_target

__all__ = [
    "NamedPoint",
    "PeopleFloor",
    "StillStretch",
    "WorldFrame",
    "move_path",
    "move_points",
    "move_rig",
    "move_solution",
    "path_of_tracks",
    "people_floor",
    "scale_from_distance",
    "scale_from_stature",
    "stature_m",
    "still_stretches",
    "world_from_cameras",
    "world_from_people",
    "world_from_points",
    "world_from_target",
]
