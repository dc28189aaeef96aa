"""Runs the adjustment of cameras and people to its end, noise and precision included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from calibration.least_squares import Adjustment, adjust
from calibration.people.bundle import PeopleBundle
from calibration.people.correlated import CorrelatedErrors, correlated_errors
from calibration.people.measurements import Measurements, measure
from calibration.people.noise import noise_factors
from calibration.people.points import triangulate_points
from calibration.people.proportions import Bones
from calibration.people.tracks import LabelledPeople
from calibration.people.unknowns import PeopleState, Unknowns, scaled_lenses
from mocap.arrays import Float
from mocap.errors import CalibrationError
from mocap.model import Intrinsics

ROUNDS = 3
SCALE = 2.0
"""In standard deviations, where the weight of a pixel has fallen to one half."""
_COARSE = 1e-4
_FINE = 1e-6
_MIN_POINTS = 30


@dataclass(frozen=True)
class PeopleAdjustment:
    """The adjusted state with everything needed to judge it.

    Attributes:
        bundle: the problem in its last form: pixels with their final standard deviations, wide
            by the root of `design_effect`.
        result: of the solver.
        rig_covariance: of the rig's unknowns (`bundle.columns.rig` of them), for errors that go
            together as those of the pixels do; see `calibration.people.correlated`.
        design_effect: by how much that is larger in the mean than for independent errors: the
            number of independent frames is the number of frames divided by it.
        sigma_px: median standard deviation of a pixel.
    """

    bundle: PeopleBundle
    result: Adjustment[PeopleState]
    rig_covariance: Float[np.ndarray, "rig rig"]
    design_effect: float
    sigma_px: float

    @property
    def state(self) -> PeopleState:
        """Where it came to rest."""
        return self.result.state

    def pose_covariance(self) -> Float[np.ndarray, "six_cameras six_cameras"]:
        """Joint covariance of all poses; zero for a pose that was held."""
        columns = self.bundle.columns.pose.ravel()
        full = np.zeros((len(columns), len(columns)))
        free = np.flatnonzero(columns >= 0)
        full[np.ix_(free, free)] = self.rig_covariance[np.ix_(columns[free], columns[free])]
        return full

    def sigma_of(self, columns: np.ndarray) -> Float[np.ndarray, " chosen"]:
        """Standard deviation of some unknowns of the rig; NaN for those that were held."""
        deviation = np.append(np.sqrt(np.diag(self.rig_covariance)), np.nan)
        return deviation[columns]


def adjust_people(
    people: LabelledPeople,
    lenses: tuple[Intrinsics, ...],
    instants_s: Float[np.ndarray, " instants"],
    start: PeopleState,
    bones: Bones,
    unknowns: Unknowns,
    *,
    min_confidence: float,
    final: bool = True,
    on_step: Callable[[int, float], None] | None = None,
) -> PeopleAdjustment:
    """Adjusts from a start that is roughly right.

    Args:
        people: who is who in 2D.
        lenses: of the cameras, at log focal factor 0.
        instants_s: instants to use, on the session clock.
        start: poses and offsets; its points and bones are not read.
        bones: of the skeleton.
        unknowns: what is free.
        min_confidence: keypoints of lower confidence are left out.
        final: False for one round without covariance.
        on_step: called with the iteration and the cost.

    Raises:
        CalibrationError: there are too few points that two cameras see, or they do not determine
            the cameras.
    """
    state = start
    result: Adjustment[PeopleState] | None = None
    bundle: PeopleBundle | None = None
    factors = np.ones((len(lenses), len(people.tracks.skeleton)))
    effect = 1.0
    rounds = ROUNDS if final else 1
    for number in range(rounds):
        last = final and number == rounds - 1
        m = measure(people, instants_s, state.offset_s, min_confidence, state.drift)
        m, state = _with_points(m, lenses, state, bones, people.people)
        stated = m
        keypoint = m.point_keypoint[m.point]
        m = replace(stated, sigma_px=stated.sigma_px * factors[m.camera, keypoint])
        tempered = replace(m, sigma_px=m.sigma_px * np.sqrt(effect))
        tolerance = _FINE if last else _COARSE
        state = _freely_adjusted(
            tempered, lenses, bones, unknowns, people.people, state, tolerance, on_step
        )
        bundle = PeopleBundle(tempered, lenses, bones, unknowns, people.people)
        result = adjust(
            bundle,
            state,
            loss="cauchy",
            scale=SCALE,
            max_iterations=100 if last else 6,
            tolerance=tolerance,
            on_step=on_step,
            linear_solver=bundle.solver.solve,
        )
        state = result.state
        if not last:
            residual = bundle.pixel_residual(state)
            factors = noise_factors(stated, residual, *factors.shape)
            if final:
                m = replace(stated, sigma_px=stated.sigma_px * factors[m.camera, keypoint])
                effect = _design_effect(m, bundle, lenses, bones, unknowns, people, state)
    assert bundle is not None and result is not None
    covariance = np.full((bundle.columns.rig,) * 2, np.nan)
    if final:
        covariance = _errors(result, bundle).covariance
    sigma = float(np.median(bundle.measurements.sigma_px)) / np.sqrt(effect)
    return PeopleAdjustment(bundle, result, covariance, effect, sigma)


def _freely_adjusted(
    m: Measurements,
    lenses: tuple[Intrinsics, ...],
    bones: Bones,
    unknowns: Unknowns,
    people: int,
    state: PeopleState,
    tolerance: float,
    on_step: Callable[[int, float], None] | None,
) -> PeopleState:
    """Adjusts with nothing held, then brings the held camera back to its pose and offset.

    Where one camera is held and it is the one that is off, all others and all people would have
    to move as one, which damped steps do very slowly. With none held that camera moves alone.
    """
    held = unknowns.fixed_camera
    if held is None:
        return state
    offset_sigma = unknowns.offset_sigma_s.copy()
    if (offset_sigma > 0).any():
        offset_sigma = np.where(offset_sigma > 0, offset_sigma, offset_sigma.max())
    free = replace(unknowns, fixed_camera=None, offset_sigma_s=offset_sigma)
    bundle = PeopleBundle(m, lenses, bones, free, people)
    result = adjust(
        bundle,
        state,
        loss="cauchy",
        scale=SCALE,
        max_iterations=40,
        tolerance=tolerance,
        on_step=on_step,
        linear_solver=bundle.solver.solve,
    )
    found = result.state
    # x_old_world = turn @ x_new_world + shift makes both poses of the held camera one.
    turn = state.rotation[held].T @ found.rotation[held]
    shift = state.rotation[held].T @ (found.translation[held] - state.translation[held])
    rotation = found.rotation @ turn.T
    # Clocks are those of the held camera's again: t_old = t_new + late, at its own drift of none.
    late = (found.offset_s[held] - state.offset_s[held]) * (1 + found.drift)
    moved = (found.offset_s != state.offset_s) | (offset_sigma > 0)
    return replace(
        found,
        rotation=rotation,
        translation=found.translation - rotation @ shift,
        offset_s=np.where(moved, found.offset_s - late, found.offset_s),
        points=found.points @ turn.T + shift,
    )


def _design_effect(
    m: Measurements,
    bundle: PeopleBundle,
    lenses: tuple[Intrinsics, ...],
    bones: Bones,
    unknowns: Unknowns,
    people: LabelledPeople,
    state: PeopleState,
) -> float:
    # One more fit with the noise as it is now known: scores vanish only at a fit's own minimum.
    bundle = PeopleBundle(m, lenses, bones, unknowns, people.people)
    fitted = adjust(
        bundle,
        state,
        loss="cauchy",
        scale=SCALE,
        max_iterations=15,
        tolerance=1e-5,
        linear_solver=bundle.solver.solve,
    )
    return _errors(fitted, bundle).effect


def _errors(result: Adjustment[PeopleState], bundle: PeopleBundle) -> CorrelatedErrors:
    linear = bundle.linearize(result.state)
    try:
        return correlated_errors(linear, result.weight, bundle.columns.rig, bundle.measurements)
    except np.linalg.LinAlgError as error:
        raise CalibrationError(
            "the people do not determine the cameras (they stand still or are seen in too small "
            "a region); film people who walk through the whole volume, and more frames"
        ) from error


def _with_points(
    m: Measurements,
    lenses: tuple[Intrinsics, ...],
    state: PeopleState,
    bones: Bones,
    people: int,
) -> tuple[Measurements, PeopleState]:
    """Triangulates, and leaves out pixels whose points are behind their camera."""
    scaled = scaled_lenses(lenses, state.log_focal)
    points = triangulate_points(
        m, scaled, state.rotation, state.translation, state.offset_s, drift=state.drift
    )
    depth = np.einsum("nj,nj->n", state.rotation[m.camera, 2], points[m.point])
    depth += state.translation[m.camera, 2]
    ahead = np.array([lens.lens == "fisheye" for lens in lenses])[m.camera] | (depth > 0.05)
    keep = np.isfinite(points[m.point]).all(axis=1) & ahead
    number = np.arange(m.points)
    views = np.bincount(m.point[keep], minlength=m.points)
    kept = m.kept(keep)
    alive = number[views >= 2]
    if len(alive) < _MIN_POINTS:
        raise CalibrationError(
            f"only {len(alive)} keypoints are seen by two cameras at once, at least {_MIN_POINTS} "
            f"are needed; film people where the views of the cameras overlap, and more frames"
        )
    points = points[alive]
    k = int(max(kept.point_keypoint.max(), bones.ends.max())) + 1
    table = np.full((people, len(m.instants_s), k, 3), np.nan)
    table[kept.point_person, kept.point_instant, kept.point_keypoint] = points
    along = table[:, :, bones.ends[:, 0]] - table[:, :, bones.ends[:, 1]]
    lengths = np.linalg.norm(along, axis=-1)
    bone_log = np.zeros((people, len(bones.ends)))
    for p, b in np.argwhere(np.isfinite(lengths).any(axis=1)):
        bone_log[p, b] = np.log(max(float(np.nanmedian(lengths[p, :, b])), 1e-6))
    return kept, replace(state, points=points, bone_log=bone_log)
