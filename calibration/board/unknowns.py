"""The unknowns of the joint adjustment, and where they stand.

Each block is a tangent:

- pose of every camera but the first: a small rotation to the left of `T_cam_world`'s rotation
  (rad), and its translation (m). The world is the frame of the first camera;
- per camera the time offset (s) and the drift, as far as asked for;
- per camera the free numbers of its lens, along the columns of a basis;
- where the print on the back of the target lies, if asked for: a shift in the target's frame (m);
- every knot of the path: a small rotation of the world (rad), and the position (m).

A camera stamps an event of time t with t (1 + drift) + offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.board.path import Path
from calibration.board.views import ViewTable
from mocap.arrays import Float, Int


@dataclass(frozen=True)
class BoardState:
    """Values of all unknowns.

    Attributes:
        rotation: of each camera's `T_cam_world`.
        translation_m: of each camera's `T_cam_world`.
        lens: fx, fy, cx, cy and the packed distortion coefficients of each camera.
        offset_s: of each camera's clock.
        drift: of each camera's clock, as a fraction.
        path: of the target.
        back_m: shift of the points that are seen from behind, in the target's frame.
    """

    rotation: Float[np.ndarray, "cameras 3 3"]
    translation_m: Float[np.ndarray, "cameras 3"]
    lens: Float[np.ndarray, "cameras 12"]
    offset_s: Float[np.ndarray, " cameras"]
    drift: Float[np.ndarray, " cameras"]
    path: Path
    back_m: Float[np.ndarray, " 3"]

    def time_s(self, table: ViewTable) -> Float[np.ndarray, " views"]:
        """Time of each view on the session clock."""
        c = table.camera
        return (table.stamp_s - self.offset_s[c]) / (1 + self.drift[c])


@dataclass(frozen=True)
class LensFreedom:
    """Which ways a lens may change, and how far.

    Attributes:
        basis: of the changes, in the parameters of `lens_parameters`; no columns: it is fixed.
        covariance: what is known of the free numbers beforehand, about the given lens.
    """

    basis: Float[np.ndarray, "parameters free"]
    covariance: Float[np.ndarray, "free free"]

    @property
    def free(self) -> int:
        """Number of free numbers."""
        return self.basis.shape[1]


@dataclass(frozen=True)
class PathPrior:
    """How smooth the path is held where nothing measures it.

    Attributes:
        turn_rad: standard deviation of second differences of the knots' rotations.
        shift_m: standard deviation of second differences of the knots' positions.
    """

    turn_rad: float
    shift_m: float


@dataclass(frozen=True)
class Columns:
    """Where the unknowns stand; -1 for what is none.

    Attributes:
        pose: of each camera.
        clock: offset and drift of each camera.
        lens: free numbers of each camera's lens, padded.
        back: of the print on the back.
        knot: of each knot.
        cameras: number of unknowns that are not knots; they come last.
        total: number of all unknowns.
    """

    pose: Int[np.ndarray, "cameras 6"]
    clock: Int[np.ndarray, "cameras 2"]
    lens: Int[np.ndarray, "cameras free"]
    back: Int[np.ndarray, " 3"]
    knot: Int[np.ndarray, "knots 6"]
    cameras: int
    total: int


def columns_of(
    freedoms: Sequence[LensFreedom],
    knots: int,
    reference: int,
    clocks: tuple[bool, bool],
    both_sides: bool,
    still: bool,
) -> Columns:
    """Numbers the unknowns.

    Args:
        freedoms: of the lenses.
        knots: how many the path has.
        reference: the camera whose pose and clock are held.
        clocks: whether offsets, and drifts, of the others are unknowns.
        both_sides: whether the shift of the print on the back is one.
        still: whether every instant stands by itself, so that clocks cannot be.
    """
    cameras = len(freedoms)
    # The knots come first: the factorisation then keeps the cameras for the end by itself.
    knot = np.arange(6 * knots).reshape(knots, 6)
    number = 6 * knots
    pose = np.full((cameras, 6), -1)
    clock = np.full((cameras, 2), -1)
    lens = np.full((cameras, max((f.free for f in freedoms), default=0)), -1)
    for c in range(cameras):
        if c != reference:
            pose[c] = number + np.arange(6)
            number += 6
            for k, solved in enumerate(clocks):
                if solved and not still:
                    clock[c, k] = number
                    number += 1
        free = freedoms[c].free
        lens[c, :free] = number + np.arange(free)
        number += free
    back = np.full(3, -1)
    if both_sides:
        back = number + np.arange(3)
        number += 3
    return Columns(pose, clock, lens, back, knot, number - 6 * knots, number)
