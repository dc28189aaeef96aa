"""Calibrations which OpenCV's sample programs write: one camera, a stereo pair, or several cameras.

Single camera (`calibration`, `interactive-calibration`; also ROS): a lens only. Stereo
(`stereo_calib`): `intrinsics.yml` with M1 D1 M2 D2, `extrinsics.yml` with the R and T which map
the first camera's points to the second's. Several (`multiview_calibration`): lists of matrices,
poses relative to the first camera. None of them states the unit of length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mocap.arrays import Float
from mocap.errors import RigError
from mocap.model import Camera, Intrinsics, Rig
from mocap.storage.rig_filestorage import YAML_HEADER, matrix_text, quoted_text, texts_text
from mocap.storage.rig_lens import lens_of, size_from_centre
from mocap.storage.rig_units import (
    METRES_PER_UNIT,
    Units,
    by_name,
    no_pose,
    posed_camera,
    rig_in_metres,
    stated_units,
)
from mocap.storage.rig_values import (
    ROW,
    SQUARE,
    VECTOR,
    checked_array,
    flag_of,
    rotation_of,
    size_of,
)

MATRIX_KEYS = ("cameramatrix", "intrinsicmatrix", "mtx")
DISTORTION_KEYS = ("distortioncoefficients", "distcoeffs", "distortion", "distortions", "dist")
SIZE_KEYS = ("cameraresolution", "imagesize", "size", "resolution")
STEREO_NAMES = ("cam_1", "cam_2")
FISHEYE_MODELS = ("equidistant", "fisheye", "kannalabrandt4")
PINHOLE_MODELS = ("plumbbob", "rationalpolynomial", "pinhole", "radtan", "brownconrady")


def plain_keys(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its keys in small letters and without underscores."""
    return {_plain(key): value for key, value in document.items()}


@dataclass(frozen=True)
class SingleLens:
    """The lens of one camera.

    Attributes:
        document: the parsed file, with `plain_keys`.
        source: how the file is called in errors.
        name: of the camera, where the file has none.
    """

    document: Mapping[str, Any]
    source: str
    name: str

    def rig(self, units: Units | None = None) -> Rig:  # noqa: ARG002
        """Refuses, as there is no pose."""
        raise no_pose(list(self.lenses()), self.source)

    def lenses(self) -> dict[str, Intrinsics]:
        """The lens by the camera's name; see `CameraFile`."""
        named = self.document.get("cameraname")
        name = named if isinstance(named, str) and named.strip() else self.name
        where = f"{self.source}: camera {name!r}"
        matrix_key = _first(self.document, MATRIX_KEYS)
        matrix = checked_array(self.document[matrix_key], "camera_matrix", SQUARE, where)
        distortion_key = _first(self.document, DISTORTION_KEYS)
        distortions = None
        if distortion_key:
            given = self.document[distortion_key]
            distortions = checked_array(given, "distortion_coefficients", ROW, where)
        matrix = matrix.reshape(3, 3)
        size = self._size(matrix, where)
        fisheye = self._fisheye(where)
        return {name: lens_of(size, matrix, distortions, fisheye=fisheye, where=where)}

    def _size(self, matrix: Float[np.ndarray, "3 3"], where: str) -> tuple[int, int]:
        sides = [self.document.get(key) for key in ("imagewidth", "imageheight")]
        if None not in sides:
            return size_of(sides, "image_width, image_height", where)
        key = _first(self.document, SIZE_KEYS)
        if key:
            value = self.document[key]
            return size_of(value.tolist() if isinstance(value, np.ndarray) else value, key, where)
        return size_from_centre(matrix, where, "add image_width and image_height")

    def _fisheye(self, where: str) -> bool:
        for key in ("fisheyemodel", "fisheye", "isfisheye"):
            if key in self.document:
                return flag_of(self.document[key], "fisheye_model", where)
        model = self.document.get("distortionmodel")
        if model is None or _plain(str(model)) in PINHOLE_MODELS:
            return False
        if _plain(str(model)) in FISHEYE_MODELS:
            return True
        raise RigError(
            f"{where}: 'distortion_model' is {model!r}, expected plumb_bob, rational_polynomial "
            f"or equidistant; calibrate with one of these"
        )


@dataclass(frozen=True)
class StereoPair:
    """Two cameras, called `STEREO_NAMES`; the world is the frame of the first.

    Attributes:
        document: both files in one.
        source: how they are called in errors and in the provenance.
    """

    document: Mapping[str, Any]
    source: str

    def rig(self, units: Units | None = None) -> Rig:
        """The cameras with their poses; see `CameraFile`."""
        lenses = self.lenses()
        if not {"R", "T"} <= set(self.document):
            raise no_pose(STEREO_NAMES, self.source)
        pose = np.eye(4)
        pose[:3, :3] = rotation_of(self.document["R"], "R", self.source)
        pose[:3, 3] = checked_array(self.document["T"], "T", VECTOR, self.source).ravel()
        poses = (np.eye(4), pose)
        return rig_in_metres(
            [Camera(name, lenses[name], p) for name, p in zip(STEREO_NAMES, poses, strict=True)],
            self.source,
            "OpenCV stereo pair",
            unit=stated_units(self.document, self.source, units),
            world_frame="the frame of the first camera",
        )

    def lenses(self) -> dict[str, Intrinsics]:
        """The lenses by camera name; see `CameraFile`."""
        return {name: self._lens(i, name) for i, name in enumerate(STEREO_NAMES, 1)}

    def _lens(self, number: int, name: str) -> Intrinsics:
        where = f"{self.source}: camera {name!r}"
        for key in (f"M{number}", f"D{number}"):
            if key not in self.document:
                raise RigError(f"{where}: key {key!r} is missing; add it or calibrate again")
        matrix = checked_array(self.document[f"M{number}"], f"M{number}", SQUARE, where)
        matrix = matrix.reshape(3, 3)
        distortions = checked_array(self.document[f"D{number}"], f"D{number}", ROW, where)
        sides = [self.document.get(key) for key in ("image_width", "image_height")]
        if None in sides:
            size = size_from_centre(matrix, where, "add image_width and image_height")
        else:
            size = size_of(sides, "image_width, image_height", where)
        return lens_of(size, matrix, distortions, fisheye=False, where=where)


@dataclass(frozen=True)
class MultiviewFile:
    """Several cameras; the world is the frame of the first, or of whoever wrote the file.

    Attributes:
        document: the parsed file.
        source: how it is called in errors and in the provenance.
    """

    document: Mapping[str, Any]
    source: str

    def rig(self, units: Units | None = None) -> Rig:
        """The cameras with their poses; see `CameraFile`."""
        lenses = self.lenses()
        rotations, translations = self._list("rvecs", "Rs"), self._list("Ts", "tvecs")
        if rotations is None or translations is None:
            raise no_pose(list(lenses), self.source)
        cameras: list[Camera] = []
        for i, (name, lens) in enumerate(lenses.items()):
            where = f"{self.source}: camera {name!r}"
            pose = np.eye(4)
            pose[:3, :3] = rotation_of(self._item(rotations, i, "rvecs"), "rvecs", where)
            translation = self._item(translations, i, "Ts")
            pose[:3, 3] = checked_array(translation, "Ts", VECTOR, where).ravel()
            cameras.append(posed_camera(name, lens, pose, where))
        unit = stated_units(self.document, self.source, units)
        return rig_in_metres(cameras, self.source, "OpenCV multi-view calibration", unit=unit)

    def lenses(self) -> dict[str, Intrinsics]:
        """The lenses by camera name; see `CameraFile`."""
        matrices = self._list("Ks")
        if not isinstance(matrices, list | np.ndarray):
            raise RigError(f"{self.source}: 'Ks' is not a list of camera matrices; calibrate again")
        names = self._names(len(matrices))
        return by_name([(name, self._lens(i, name)) for i, name in enumerate(names)], self.source)

    def _names(self, count: int) -> list[str]:
        """The exact names of our own files, else those of the sample program's image lists."""
        names = self.document.get("camera_names")
        if names is None:
            ids = self.document.get("cam_ids", ",".join(map(str, range(count))))
            ids = ids if isinstance(ids, list) else str(ids).split(",")
            names = [f"cam_{i}" if str(i).isdigit() else str(i) for i in ids]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise RigError(f"{self.source}: 'camera_names' is not a list of texts; quote the names")
        if len(names) != count:
            raise RigError(
                f"{self.source}: {len(names)} names for {count} cameras; make 'cam_ids' and 'Ks' "
                f"agree"
            )
        return names

    def _lens(self, index: int, name: str) -> Intrinsics:
        where = f"{self.source}: camera {name!r}"
        matrices = self._list("Ks")
        matrix = checked_array(self._item(matrices, index, "Ks"), "Ks", SQUARE, where)
        matrix = matrix.reshape(3, 3)
        fisheye = flag_of(self._item(self._list("is_fisheye"), index, "is_fisheye", 0), "", where)
        given = self._item(self._list("distortions"), index, "distortions")
        distortions = checked_array(given, "distortions", ROW, where).ravel()
        if fisheye and not distortions[4:].any():
            # All cameras are in one array, so a fisheye lens is as long as a pinhole lens.
            distortions = distortions[:4]
        sizes = self._list("image_sizes")
        if sizes is None:
            size = size_from_centre(matrix, where, "add 'image_sizes'")
        else:
            value = self._item(sizes, index, "image_sizes")
            size = size_of(np.asarray(value).tolist(), "image_sizes", where)
        return lens_of(size, matrix, distortions, fisheye=fisheye, where=where)

    def _list(self, *keys: str) -> Any:
        return next((self.document[key] for key in keys if key in self.document), None)

    def _item(self, values: Any, index: int, key: str, default: object = None) -> Any:
        """One camera's value of a list with one for each."""
        if values is None:
            if default is None:
                raise RigError(f"{self.source}: key {key!r} is missing; calibrate again")
            return default
        if not isinstance(values, list | np.ndarray) or index >= len(values):
            raise RigError(
                f"{self.source}: {key!r} does not have one entry for each camera; calibrate again"
            )
        value = values[index]
        return value.item() if isinstance(value, np.generic) else value


def multiview_text(rig: Rig, units: Units) -> str:
    """A rig with the keys of OpenCV's multi-view sample, and the exact names and unit."""
    lenses = [camera.intrinsics for camera in rig]
    # All cameras are in one array; zeros at the end leave either lens model as it is.
    length = max(4, *(len(lens.distortions) for lens in lenses))
    scale = 1.0 / METRES_PER_UNIT[units]
    sizes = np.array([lens.size for lens in lenses], dtype=np.float64)
    fisheye = np.array([[lens.lens == "fisheye" for lens in lenses]], dtype=np.float64)
    return "".join(
        [
            YAML_HEADER,
            texts_text("camera_names", rig.names),
            f"cam_ids: {quoted_text(','.join(rig.names))}\n",
            f"units: {units}\n",
            _channels_text("Ks", np.stack([lens.matrix for lens in lenses])),
            matrix_text("distortions", np.stack([_padded(lens, length) for lens in lenses])),
            _integers_text("is_fisheye", fisheye[0]),
            _integers_text("image_sizes", sizes),
            matrix_text("rvecs", np.stack([camera.rotation_vector for camera in rig])),
            matrix_text("Ts", np.stack([camera.translation_m * scale for camera in rig])),
        ]
    )


def _padded(lens: Intrinsics, length: int) -> Float[np.ndarray, " length"]:
    padded = np.zeros(length)
    padded[: len(lens.distortions)] = lens.distortions
    return padded


def _channels_text(key: str, values: Float[np.ndarray, "n 3 3"]) -> str:
    """An array of matrices as OpenCV writes it: the last axis is the channels of its elements."""
    flat = matrix_text(key, values.reshape(len(values), 9))
    return flat.replace("cols: 9\n   dt: d", 'cols: 3\n   dt: "3d"')


def _integers_text(key: str, values: np.ndarray) -> str:
    listed = ", ".join(str(int(value)) for value in values.ravel())
    if values.ndim == 1:
        shape = f"!!opencv-nd-matrix\n   sizes: [ {len(values)} ]"
    else:
        shape = f"!!opencv-matrix\n   rows: {values.shape[0]}\n   cols: {values.shape[1]}"
    return f"{key}: {shape}\n   dt: i\n   data: [ {listed} ]\n"


def _plain(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "").replace(" ", "")


def _first(document: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next((key for key in keys if key in document), "")


def is_single(document: Mapping[str, Any]) -> bool:
    """True if a FileStorage holds the lens of one camera."""
    return bool(_first(plain_keys(document), MATRIX_KEYS))


def is_stereo(document: Mapping[str, Any]) -> bool:
    """True if a FileStorage is one of the two files of a stereo pair."""
    return "M1" in document or ({"R", "T"} <= set(document) and not is_single(document))
