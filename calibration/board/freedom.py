"""How far the joint adjustment may change the lenses.

A board that hangs in the middle of all pictures says little about the corners of a lens; freed
without a prior, the lens takes up whatever else is wrong (time offsets above all). So every freed
number comes with what is known of it beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from calibration.board.unknowns import LensFreedom
from calibration.lens_jacobian import lens_parameters
from mocap.arrays import Float
from mocap.errors import CalibrationError, valid_choices
from mocap.model import Intrinsics

Freedom = Literal["fixed", "focal", "all"]

FOCAL_SHARE, ASPECT_SHARE, CENTER_SHARE = 0.02, 0.002, 0.01
"""What is known of a lens that was calibrated from little: of the focal length, of fy / fx, and
of the centre as a share of the width."""
COEFFICIENT_SIGMA = {"k1": 0.03, "k2": 0.06, "p1": 0.002, "p2": 0.002, "k3": 0.06}
OTHER_COEFFICIENT_SIGMA = 0.05


def fixed_lens(lens: Intrinsics) -> LensFreedom:
    """The lens stays as it is."""
    return LensFreedom(
        np.zeros((len(lens_parameters(lens.lens == "fisheye")), 0)), np.zeros((0, 0))
    )


def focal_freedom(lens: Intrinsics, sigma_share: float = FOCAL_SHARE) -> LensFreedom:
    """Only the focal length changes, fx and fy in proportion; in pixels of fx."""
    basis = np.zeros((len(lens_parameters(lens.lens == "fisheye")), 1))
    basis[:2, 0] = 1.0, lens.matrix[1, 1] / lens.matrix[0, 0]
    return LensFreedom(basis, np.array([[(sigma_share * lens.matrix[0, 0]) ** 2]]))


def full_freedom(lens: Intrinsics) -> LensFreedom:
    """Focal length, aspect, centre and the coefficients that the lens has, with wide priors."""
    names = lens_parameters(lens.lens == "fisheye")
    count = 4 + len(lens.distortions)
    basis = np.zeros((len(names), count))
    basis[:count, :count] = np.eye(count)
    basis[1, 0] = lens.matrix[1, 1] / lens.matrix[0, 0]
    focal = float(lens.matrix[0, 0])
    center = CENTER_SHARE * lens.size[0]
    sigma = [FOCAL_SHARE * focal, ASPECT_SHARE * focal, center, center]
    sigma += [
        COEFFICIENT_SIGMA.get(name, OTHER_COEFFICIENT_SIGMA)
        if lens.lens == "pinhole"
        else OTHER_COEFFICIENT_SIGMA
        for name in names[4:count]
    ]
    return LensFreedom(basis, np.diag(np.square(sigma)))


def known_freedom(
    lens: Intrinsics,
    covariance: Float[np.ndarray, "parameters parameters"],
) -> LensFreedom:
    """The lens changes in all ways in which an earlier adjustment left it uncertain.

    Args:
        lens: its result.
        covariance: its covariance, in the order of `lens_parameters`, zero rows for parameters
            that were held.
    """
    sigma = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    scale = np.where(sigma > 0, sigma, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    keep = values > 1e-9 * max(float(values.max(initial=0.0)), 1e-30)
    if len(sigma) != len(lens_parameters(lens.lens == "fisheye")):
        raise ValueError(f"covariance of {len(sigma)} parameters for a {lens.lens} lens")
    return LensFreedom((scale[:, None] * vectors)[:, keep], np.diag(values[keep]))


def lens_freedoms(
    names: Sequence[str],
    lenses: Mapping[str, Intrinsics],
    freedom: Freedom | Mapping[str, LensFreedom],
) -> tuple[LensFreedom, ...]:
    """One freedom for each camera; cameras that a mapping does not name are fixed.

    Raises:
        CalibrationError: an unknown word.
    """
    if isinstance(freedom, str):
        makers = {"fixed": fixed_lens, "focal": focal_freedom, "all": full_freedom}
        if freedom not in makers:
            raise CalibrationError(
                f"lens_freedom is {freedom!r}, expected one of {valid_choices(makers)}"
            )
        return tuple(makers[freedom](lenses[name]) for name in names)
    return tuple(freedom.get(name, fixed_lens(lenses[name])) for name in names)
