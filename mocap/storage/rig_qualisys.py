"""Qualisys calibrations (`.qca.txt`, XML).

Focal lengths and centres are in 1/64 pixel of the whole sensor, of which `fov_video` is the
part that the video shows; sensorMax = 64 (pixels - 1), so pixel (0, 0) is the centre of the
top-left pixel, as everywhere here. Distortion coefficients are OpenCV's and not scaled. The
rows of the rotation are the camera's axes in the world (x right, y up, z backwards).
Positions are in mm, the world is Z-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from xml.etree import ElementTree

import numpy as np

from mocap.arrays import Float
from mocap.errors import RigError
from mocap.model import Camera, Intrinsics, Rig, RigMetadata
from mocap.storage.rig_lens import lens_of
from mocap.storage.rig_units import METRES_PER_UNIT, Units, by_name, named_rig, posed_camera
from mocap.storage.rig_values import check_rotation

QUALISYS_SUBPIXELS = 64.0
"""Qualisys gives focal lengths and centres in 1/64 pixel."""
QUALISYS_VIDEO_RESOLUTION = "1080p"
"""The resolution for which Qualisys stores the intrinsics of its video cameras."""


@dataclass(frozen=True)
class QualisysFile:
    """A Qualisys calibration; cameras in file order, named by serial.

    Where some cameras are video cameras by their model, the marker cameras beside them are left
    out, and the provenance lists them.

    Attributes:
        content: the file.
        source: how the file is called in errors and in the provenance.
    """

    content: bytes
    source: str

    def rig(self, units: Units | None = None) -> Rig:
        """The cameras with their poses; see `CameraFile`. Of units, only "mm" is right."""
        if units not in (None, "mm"):
            raise RigError(
                f"{self.source}: Qualisys files are in mm, but units {units} was asked for"
            )
        taken, left_out = self._elements()
        cameras = tuple(_qualisys_camera(element, self.source) for element in taken)
        note = f"; left out the marker cameras {', '.join(left_out)}" if left_out else ""
        name = PurePath(self.source).name
        world_frame = f"right-handed, Z up, metres, as in {name}"
        provenance = f"read {name}: Qualisys calibration{note}"
        return named_rig(cameras, RigMetadata(world_frame, (provenance,)), self.source)

    def lenses(self) -> dict[str, Intrinsics]:
        """The lenses by camera name; see `CameraFile`."""
        taken, _ = self._elements()
        cameras = [_qualisys_camera(element, self.source) for element in taken]
        return by_name([(camera.name, camera.intrinsics) for camera in cameras], self.source)

    def _elements(self) -> tuple[list[ElementTree.Element], list[str]]:
        """The cameras that count, and the serials of the others."""
        try:
            root = ElementTree.fromstring(self.content)
        except ElementTree.ParseError as error:
            raise RigError(f"{self.source} is not valid XML: {error}; export it again") from error
        elements = root.findall("cameras/camera")
        if root.tag != "calibration" or not elements:
            raise RigError(
                f"{self.source} is XML without calibration/cameras/camera, expected a Qualisys "
                f"calibration; name a rig file"
            )
        models = {id(element): element.get("model", "none").lower() for element in elements}
        is_video = {key: "video" in model for key, model in models.items()}
        taken = [e for e in elements if is_video[id(e)] or models[id(e)] == "none"]
        if not any(is_video.values()):
            taken = elements
        return taken, [element.get("serial", "?") for element in elements if element not in taken]


def _qualisys_camera(element: ElementTree.Element, source: str) -> Camera:
    name = element.get("serial", "")
    if not name.strip():
        raise RigError(f"{source}: a camera has no serial, by which it is named; add it")
    where = f"{source}: camera {name!r}"
    _check_qualisys_video(element, where)
    fov = _numbers(element, "fov_video", ("left", "top", "right", "bottom"), where)
    left, top, right, bottom = fov
    f_u, f_v, c_u, c_v = (
        _numbers(
            element,
            "intrinsic",
            ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV"),
            where,
        )
        / QUALISYS_SUBPIXELS
    )
    matrix = np.array([[f_u, 0.0, c_u - left], [0.0, f_v, c_v - top], [0.0, 0.0, 1.0]])
    distortions = _numbers(
        element,
        "intrinsic",
        (
            "radialDistortion1",
            "radialDistortion2",
            # The spelling is theirs.
            "tangentalDistortion1",
            "tangentalDistortion2",
            "radialDistortion3",
        ),
        where,
    )
    rows = tuple(f"r{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3))
    axes = _numbers(element, "transform", rows, where).reshape(3, 3)
    check_rotation(axes, "'transform'", where)
    center = _numbers(element, "transform", ("x", "y", "z"), where) * METRES_PER_UNIT["mm"]
    pose = np.eye(4)
    # From (right, up, backwards) to (right, down, forward).
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0]) @ axes
    pose[:3, 3] = -pose[:3, :3] @ center
    size = (right - left + 1, bottom - top + 1)
    if any(side != round(side) for side in size):
        raise RigError(f"{where}: 'fov_video' is {fov.tolist()}, expected whole pixels")
    lens = lens_of((int(size[0]), int(size[1])), matrix, distortions, fisheye=False, where=where)
    return posed_camera(name, lens, pose, where)


def _check_qualisys_video(element: ElementTree.Element, where: str) -> None:
    """Refuses what would silently give a wrong camera."""
    resolution = element.get("video_resolution", QUALISYS_VIDEO_RESOLUTION)
    if resolution != QUALISYS_VIDEO_RESOLUTION:
        raise RigError(
            f"{where}: video_resolution is {resolution}, but the intrinsics are those of "
            f"{QUALISYS_VIDEO_RESOLUTION}; record and calibrate at {QUALISYS_VIDEO_RESOLUTION}"
        )
    rotation = element.get("viewrotation", "0")
    if rotation != "0":
        raise RigError(
            f"{where}: viewrotation is {rotation}, expected 0: the calibration is of the image "
            f"before it is turned; set it to 0 and use videos that are not turned"
        )


def _numbers(
    element: ElementTree.Element, tag: str, keys: tuple[str, ...], where: str
) -> Float[np.ndarray, " keys"]:
    child = element.find(tag)
    if child is None:
        raise RigError(f"{where}: element {tag!r} is missing; export the calibration again")
    values: list[float] = []
    for key in keys:
        text = child.get(key)
        if text is None:
            raise RigError(f"{where}: {key!r} of {tag!r} is missing; export the calibration again")
        try:
            value = float(text)
        except ValueError as error:
            raise RigError(f"{where}: {key!r} of {tag!r} is {text!r}, not a number") from error
        if not np.isfinite(value):
            raise RigError(f"{where}: {key!r} of {tag!r} is NaN or infinity; calibrate again")
        values.append(value)
    return np.array(values)
