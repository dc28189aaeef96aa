"""Where keypoints lie on the bodies of the SMPL family.

A keypoint is either a vertex of the surface (nose, eyes, ears, toes, heels, finger tips: the ones
that the `smplx` library names), or lies at a joint plus an offset. It moves rigidly with one joint:
of a vertex, the one that moves it most. Its place at rest is linear in the betas.

A detector's hip is not the hip of SMPL, which lies further down and inwards than the centre of the
real joint; so the hips have usual offsets of their own here. For the other joints those of
`mocap.body.skeleton_keypoints` hold. All are only where a fit starts: it learns the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float
from mocap.body.detector_offsets import difference_from_coco_m, usual_offset_m
from mocap.body.smpl_data import SmplData
from mocap.model.skeletons import FACE_POINTS, hand_keypoints

_FACE_FROM = 17
"""The first of the 68 points of a face that a SMPL-X file places on the surface."""
_HIP_OFFSET_M = (0.017, 0.0, 0.035)
"""From the hip of SMPL to COCO's left hip: left, back and up."""
_RIGID_FACE = (*range(27, 36), 36, 39, 42, 45, 48, 54)
"""Points of the face which an expression moves little: nose, corners of the eyes and the mouth."""

_AT_JOINT = {
    "shoulder": ("collar", "shoulder"),
    "elbow": ("shoulder", "elbow"),
    "wrist": ("elbow", "wrist"),
    "knee": ("knee", "knee"),
    "ankle": ("knee", "ankle"),
}
"""Keypoint: the joint it moves with, and the one it lies at."""
_KNUCKLES = ("thumb", "index", "pinky")
"""Keypoints of the hand which some definitions count to the body."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where a keypoint lies at rest, in the frame of the model: mean + by_betas @ betas.

    Attributes:
        joint: the joint it moves with.
        mean_m: on the average body.
        by_betas: its change by each beta.
    """

    joint: int
    mean_m: Float[np.ndarray, " 3"]
    by_betas: Float[np.ndarray, "3 betas"]


def to_model_axes(offset: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
    """From left, back and up to the axes of the model: left, up and forward."""
    left, back, up = offset
    return np.array([left, up, -back])


class SmplPlaces:
    """The places of keypoints on one model.

    Args:
        data: the model.
        num_betas: how many shape numbers are used.
    """

    def __init__(self, data: SmplData, num_betas: int) -> None:
        self._data = data
        self._betas = num_betas
        self._tree = data.kind.tree
        self._fingers = data.kind.name != "smpl"

    def own(self) -> dict[str, Place]:
        """The model's own joints, and its named vertices, as keypoints."""
        places = {
            name: self._at(name, name if name == "pelvis" else self._parent(name))
            for name in self._tree.names
        }
        return places | {name: self._vertex(v) for name, v in self._vertices().items()}

    def of_detector(self, detector: str, keypoints: Iterable[str]) -> dict[str, Place]:
        """The places of a detector's keypoints; those that the model does not have are left out."""
        found = {name: self._find(detector, name) for name in keypoints}
        return {name: place for name, place in found.items() if place is not None}

    def _find(self, detector: str, name: str) -> Place | None:
        if name in FACE_POINTS:
            return self._face(name)
        if "_hand_" in name:
            return self._hand(name)
        vertices = self._vertices()
        if name in vertices:
            return self._shifted(
                self._vertex(vertices[name]), difference_from_coco_m(detector, name)
            )
        return self._body(detector, name)

    def _body(self, detector: str, name: str) -> Place | None:
        offset = usual_offset_m(detector, name)
        if name == "neck":
            return self._shifted(self._at("neck", "spine3"), offset)
        if name == "head":
            # The top of the head; the usual offset is from there.
            return self._shifted(self._at("head", "head"), offset + np.array([0.0, 0.0, 0.16]))
        side, _, part = name.partition("_")
        difference = difference_from_coco_m(detector, name)
        if name == "mid_hip":
            hips = [self._at(f"{s}_hip", "pelvis") for s in ("left", "right")]
            middle = Place(
                hips[0].joint,
                (hips[0].mean_m + hips[1].mean_m) / 2,
                (hips[0].by_betas + hips[1].by_betas) / 2,
            )
            return self._shifted(middle, np.array((0.0, *_HIP_OFFSET_M[1:])))
        if side not in ("left", "right"):
            return None
        if part == "hip":
            mirror = np.array([-1.0 if side == "right" else 1.0, 1.0, 1.0])
            place = self._at(f"{side}_hip", f"{side}_hip")
            return self._shifted(place, difference + mirror * _HIP_OFFSET_M)
        if part in _AT_JOINT:
            moves, lies = _AT_JOINT[part]
            return self._shifted(self._at(f"{side}_{lies}", f"{side}_{moves}"), offset)
        if part in _KNUCKLES:
            return self._knuckle(detector, side, part)
        if part == "mouth":
            return self._face("face_54" if side == "left" else "face_48")
        return None

    def _knuckle(self, detector: str, side: str, finger: str) -> Place:
        if self._fingers:
            joint = f"{side}_{finger}{2 if finger == 'thumb' else 1}"
            return self._at(joint, self._parent(joint))
        wrist = self._at(f"{side}_wrist", f"{side}_wrist")
        return self._shifted(wrist, usual_offset_m(detector, f"{side}_{finger}"))

    def _hand(self, name: str) -> Place | None:
        side, _, point = name.partition("_hand_")
        if point == "wrist":
            return self._at(f"{side}_wrist", f"{side}_elbow")
        finger, _, part = point.partition("_")
        if not self._fingers:
            return self._knuckle("", side, finger) if point in ("index_mcp", "pinky_mcp") else None
        if part == "tip":
            return self._vertex(self._vertices()[name])
        points = [p.partition("_hand_")[2] for p in hand_keypoints(side)]
        own = [p for p in points if p.startswith(finger)]
        joint = f"{side}_{finger}{own.index(point) + 1}"
        return self._at(joint, self._parent(joint))

    def _face(self, name: str) -> Place | None:
        number = FACE_POINTS.index(name)
        faces = self._data.face_point_faces
        if number not in _RIGID_FACE or not len(faces):
            return None
        corners = self._data.faces[faces[number - _FACE_FROM]]
        share = self._data.face_point_coordinates[number - _FACE_FROM]
        mean = share @ self._data.template_m[corners]
        directions = self._data.shape_directions[corners, :, : self._betas]
        return Place(self._tree.index("head"), mean, np.tensordot(share, directions, axes=1))

    def _vertices(self) -> dict[str, int]:
        return dict(self._data.kind.keypoint_vertices)

    def _vertex(self, vertex: int) -> Place:
        weights = self._data.weights[[vertex]].toarray()[0]
        return Place(
            int(weights.argmax()),
            self._data.template_m[vertex],
            self._data.shape_directions[vertex, :, : self._betas],
        )

    def _at(self, lies: str, moves: str) -> Place:
        joint = self._tree.index(lies)
        return Place(
            self._tree.index(moves),
            self._data.joint_template_m[joint],
            self._data.joint_directions[joint, :, : self._betas],
        )

    def _parent(self, joint: str) -> str:
        return self._tree.names[self._tree.parents[self._tree.index(joint)]]

    @staticmethod
    def _shifted(place: Place, offset: Float[np.ndarray, " 3"]) -> Place:
        return Place(place.joint, place.mean_m + to_model_axes(offset), place.by_betas)
