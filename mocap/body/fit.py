"""The fit of a body model to one person's keypoints, over a whole session.

Shape first, from a spread of good frames; then every frame from the one before; then all frames
of a stretch together, smooth in time; then once more with the feet that stand held still. The
shape is one for all frames, so bones are of constant length by construction.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from mocap.arrays import Bool
from mocap.body.fit_config import FitConfig, batch_device
from mocap.body.fit_contacts import (
    FLOOR_TOLERANCE_M,
    contacts_of,
    find_floor,
    find_standing,
)
from mocap.body.fit_cuts import Cut, cut_stretches, tie_frames
from mocap.body.fit_data import Measurements, measurements_of, point_data
from mocap.body.fit_frame import frame_work
from mocap.body.fit_noise import firm_noise, is_trunk, least_noise
from mocap.body.fit_poses import MOTION_DENSITY_ROOT, fill_poses, placed_points
from mocap.body.fit_report import FitReport, make_report
from mocap.body.fit_result import fitted_motion
from mocap.body.fit_shape import Poses, fit_shape
from mocap.body.fit_shape_spread import shape_factor
from mocap.body.fit_smooth import Stretch, smooth_stretch
from mocap.body.fit_spread import Spread, spread_of_stretch
from mocap.body.fit_start import FEWEST_POINTS, follow_track, loose_prediction, rough_roots
from mocap.body.fit_tables import BodyTables, PointData, body_tables
from mocap.body.fit_views import FIRST_PX, PersonViews, camera_noise, pixel_data
from mocap.body.model import BodyModel
from mocap.errors import InputError
from mocap.model import Motion
from mocap.model.body_motion import BodyMotion

__all__ = ["MOTION_DENSITY_ROOT", "BodyFit", "FitConfig", "fit_body"]

_SHAPE_ERROR_M = 0.12
"""How far keypoints may be from a body of usual build, posed as well as it can be."""
_ANNEAL = 4.0
"""Ratio of one robust scale to the next."""
_WIDE = 1e4
"""Robust scale of first steps, in sigmas."""


@dataclass(frozen=True, eq=False)
class BodyFit:
    """A fit and what it says about itself."""

    motion: BodyMotion
    report: FitReport


def fit_body(
    model: BodyModel,
    person: Motion,
    config: FitConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    views: PersonViews | None = None,
) -> BodyFit:
    """Fits a body model to one person.

    Args:
        model: the body model.
        person: the rows of one person; see `Motion.person`.
        config: settings.
        views: the person's 2D keypoints: then these are fitted, by their reprojection errors, and
            the 3D keypoints only start the fit.
        progress: called with the number of stretches done and their total.

    Raises:
        InputError: the rows cannot be fitted; the message says why.
    """
    config = config or FitConfig()
    measured = measurements_of(model, person)
    # The matrices are small, and the stretches run side by side.
    with threadpool_limits(1):
        return _Fitter(model, measured, config, views).run(progress)


def _annealing(data: PointData, robust: float) -> list[float]:
    """Robust scales, in sigmas, from one that keeps an unknown shape down to the configured one.

    Limbs of another length than expected are off by centimetres; where measurements are exact,
    that is hundreds of sigmas, and they would be taken for outliers for good.
    """
    information = data.information[data.information[:, :, 0, 0] > 0]
    sigma_m = float(np.median(1.0 / np.sqrt(np.einsum("kii->ki", information)).mean(axis=1)))
    widest = max(_ANNEAL * robust, _SHAPE_ERROR_M / sigma_m)
    count = int(np.ceil(np.log(widest / robust) / np.log(_ANNEAL) - 1e-9))
    return [robust * _ANNEAL**k for k in range(count, 0, -1)]


class _Fitter:
    """The steps of one fit, and what they hand on."""

    def __init__(
        self,
        model: BodyModel,
        measured: Measurements,
        config: FitConfig,
        views: PersonViews | None,
    ) -> None:
        self.model = model
        self.measured = measured
        self.config = config
        self.keypoints = measured.keypoints
        self.noise_m = config.model_noise_m * firm_noise(measured.names)
        self.shape = np.array(model.shape_mean, np.float64)
        self.shape_covariance = np.diag(np.square(model.shape_sigma))
        self.counts = measured.measured.sum(axis=1).astype(np.int64)
        self.views = views
        self.remarks: list[str] = []
        self.device = batch_device(config.device)
        if self.device is not None and views is not None:
            raise InputError(
                f"keypoints in the pictures cannot be fitted on device {self.device!r}, only "
                f"keypoints in 3D; use the device cpu"
            )
        self.body = self._tables()

    def run(self, progress: Callable[[int, int], None] | None) -> BodyFit:
        self._find_shape()
        data = point_data(self.measured, self.noise_m, self.config.robust_sigmas)
        poses = self._follow(data)
        if self.views is not None:
            data = self._to_pictures(self.views, poses)
        stretches = cut_stretches(self.counts >= FEWEST_POINTS)
        soles = len(self.body.sole)
        standing = np.zeros((max(len(self.counts) - 1, 0), soles), bool)
        total = 3 * len(stretches)
        steps = _Counter(total, progress)
        poses, _, _ = self._smooth(data, poses, stretches, standing, steps, iterations=2)
        points = placed_points(self.body, poses)
        soles_m = points[:, self.body.sole]
        floor_m = find_floor(soles_m[self.counts >= FEWEST_POINTS], self.body.sole_height)
        flat = self._check_floor(floor_m)
        if self.config.contacts and soles:
            known = self.measured.measured[:, self.body.sole]
            standing = find_standing(
                soles_m,
                self.body.sole_height,
                self.measured.time_s,
                0.0 if flat else floor_m,
                known,
            )
        if standing.any():
            # Once more with feet held, so that the places where they are held agree.
            poses, _, _ = self._smooth(
                data, poses, stretches, standing, steps, iterations=2, floor=flat
            )
        poses, held, spread = self._smooth(
            data, poses, stretches, standing, steps, iterations=2, floor=flat, spread=True
        )
        assert spread is not None
        motion = fitted_motion(
            self.model, self.measured, self.body, self.shape, self.shape_covariance, poses, spread
        )
        contacts = contacts_of(standing, motion.keypoints_m[:, self.body.sole])
        report = make_report(
            self.model, motion, self.measured, held, contacts, floor_m, tuple(self.remarks)
        )
        return BodyFit(motion, report)

    def _to_pictures(self, views: PersonViews, poses: Poses) -> PointData:
        """The shape once more from the pixels, and the pixels as what is to be fitted."""
        robust = 3.0 * self.config.robust_sigmas**2
        first = pixel_data(views, self.measured, np.full(len(views.rig), FIRST_PX), robust)
        sigma_px = camera_noise(views, first, placed_points(self.body, poses))
        data = pixel_data(views, self.measured, sigma_px, robust)
        rows = _spread_frames(self.counts, self.config.shape_frames)
        self.shape, self.shape_covariance = fit_shape(
            self.model, self.keypoints, data.chosen(rows), poses.chosen(rows), self.shape, rounds=5
        )
        self.body = self._tables()
        return data

    def _tables(self) -> BodyTables:
        return body_tables(self.model, self.shape, self.keypoints)

    def _check_floor(self, floor_m: float) -> bool:
        """Whether the feet stand on z = 0."""
        if not np.isfinite(floor_m):
            return False
        flat = self.config.floor and abs(floor_m) < FLOOR_TOLERANCE_M
        if self.config.floor and not flat:
            self.remarks.append(
                f"the feet say that the floor is at {1000 * floor_m:+.0f} mm, not at 0: it was "
                f"not used; 'mocap calibrate floor' sets it"
            )
        return flat

    def _find_shape(self) -> None:
        rows = _spread_frames(self.counts, self.config.shape_frames)
        robust = self.config.robust_sigmas
        data = point_data(self.measured, self.noise_m, robust).chosen(rows)
        widths = _annealing(data, robust)
        poses = self._start(data._replace(robust=3.0 * widths[0] ** 2), rows)
        for width in (_WIDE, *widths):
            annealed = data._replace(robust=3.0 * width**2)
            self.shape, _ = fit_shape(
                self.model, self.keypoints, annealed, poses, self.shape, rounds=3
            )
        self.body = self._tables()
        self._find_noise(rows, poses)
        data = point_data(self.measured, self.noise_m, robust).chosen(rows)
        self.shape, self.shape_covariance = fit_shape(
            self.model, self.keypoints, data, poses, self.shape, rounds=5
        )
        self.body = self._tables()

    def _find_noise(self, rows: np.ndarray, poses: Poses) -> None:
        """How far each keypoint of this person departs from a rigid body, robustly."""
        off = placed_points(self.body, poses) - self.measured.points_m[rows]
        least = self.config.model_noise_m * least_noise(self.measured.names)
        most = 5.0 * self.config.model_noise_m
        known = np.einsum("fkii->fk", self.measured.covariance_m2[rows]) / 3.0
        for k in range(len(self.noise_m)):
            there = self.measured.measured[rows, k]
            if there.sum() < 5:
                continue
            scale = 1.4826 * float(np.median(np.abs(off[there, k])))
            own = float(np.median(np.nan_to_num(known[there, k])))
            self.noise_m[k] = np.clip(np.sqrt(max(scale**2 - own, 0.0)), least[k], most)

    def _start(self, data: PointData, rows: np.ndarray) -> Poses:
        """Poses of chosen frames, from rough roots and the rest pose."""
        frames = len(rows)
        poses = Poses(
            np.zeros((frames, 3)), np.zeros((frames, 3, 3)), np.zeros((frames, len(self.body.axis)))
        )
        done = np.zeros(frames, bool)
        weight = np.array([10.0 if is_trunk(n) else 0.1 for n in self.measured.names])
        rest = self.body.point_local + self._rest_from_root()[self.body.point_joint]
        rough_P, rough_R = rough_roots(
            self.measured.points_m[rows], self.measured.measured[rows], rest, weight
        )
        work = frame_work(len(self.body.parents), len(self.keypoints), len(self.body.above))
        wide = data._replace(robust=3.0 * _WIDE**2)
        expect = loose_prediction(self.body)
        follow_track(
            self.body, data, wide, expect, self.counts[rows], rough_P, rough_R, *poses, done, work
        )
        return fill_poses(poses, done)

    def _rest_from_root(self) -> np.ndarray:
        rest = np.zeros((len(self.body.parents), 3))
        for j in range(1, len(rest)):
            rest[j] = rest[self.body.parents[j]] + self.body.bone[j]
        return rest

    def _follow(self, data: PointData) -> Poses:
        """Every frame from the one before, in pieces that run side by side."""
        frames = len(self.counts)
        pieces = [(a, min(a + 1000, frames)) for a in range(0, frames, 1000)]

        def one(piece: tuple[int, int]) -> Poses:
            return self._start(data.frames(*piece), np.arange(*piece))

        with ThreadPoolExecutor(self.config.threads) as pool:
            parts = list(pool.map(one, pieces))
        joined = Poses(*(np.concatenate(p) for p in zip(*parts, strict=True)))
        return fill_poses(joined, self.counts >= FEWEST_POINTS)

    def _smooth(
        self,
        data: PointData,
        poses: Poses,
        stretches: list[Cut],
        standing: Bool[np.ndarray, "intervals soles"],
        steps: _Counter,
        *,
        iterations: int,
        floor: bool = False,
        spread: bool = False,
    ) -> tuple[Poses, Bool[np.ndarray, "frames dofs"], Spread | None]:
        """All stretches, each with its neighbours' frames on either side."""
        joints, unknowns = len(self.body.parents), len(self.body.above)
        tied = tie_frames(
            self.body, poses, self.measured.time_s, standing, smooth=self.config.smooth, floor=floor
        )
        parts = [poses.frames(low, high) for _, _, low, high in stretches]
        if self.device is not None:
            parts = self._smooth_batched(data, parts, stretches, tied, iterations)
            iterations = 0

        shaped = self.model.shaped(self.shape)
        factor = shape_factor(shaped, self.keypoints, self.shape_covariance)

        def one(item: tuple[Cut, Poses]) -> tuple[Poses, np.ndarray, Spread | None]:
            (start, stop, low, high), part = item
            frames = high - low
            stretch = tied.frames(low, high)
            expect = loose_prediction(self.body, tied.floor_weight)
            work = frame_work(joints, len(self.keypoints), unknowns)
            blocks = tuple(np.zeros((frames, unknowns, unknowns)) for _ in range(3))
            piece = data.frames(low, high)
            _, _, held = smooth_stretch(
                self.body, piece, stretch, expect, *part, iterations, work, blocks
            )
            keep = slice(start - low, stop - low)
            found = None
            if spread:
                found = Spread(
                    np.zeros((frames, joints, 3, 3)),
                    np.zeros((frames, joints, 3, 3)),
                    np.zeros((frames, unknowns)),
                    np.zeros((frames, unknowns)),
                )
                held = spread_of_stretch(
                    self.body, piece, stretch, expect, *part, work, blocks, factor, found
                )
                found = Spread(*(array[keep] for array in found))
            steps.done()
            return part.frames(keep.start, keep.stop), held[keep, 3:], found

        with ThreadPoolExecutor(self.config.threads) as pool:
            done = list(pool.map(one, zip(stretches, parts, strict=True)))
        joined = Poses(*(np.concatenate(p) for p in zip(*(p for p, _, _ in done), strict=True)))
        held = np.concatenate([h for _, h, _ in done])
        spreads = [s for _, _, s in done if s is not None]
        if not spread:
            return joined, held, None
        return joined, held, Spread(*(np.concatenate(s) for s in zip(*spreads, strict=True)))

    def _smooth_batched(
        self,
        data: PointData,
        parts: list[Poses],
        stretches: list[Cut],
        tied: Stretch,
        iterations: int,
    ) -> list[Poses]:
        """The poses of all stretches, fitted at the same time with torch."""
        from mocap.body.fit_torch import fit_stretches

        assert self.device is not None
        spans = [(low, high) for _, _, low, high in stretches]
        fitted = fit_stretches(
            [self.body] * len(spans),
            [data.frames(*span) for span in spans],
            [tied.frames(*span) for span in spans],
            parts,
            iterations=iterations,
            device=self.device,
        )
        return [found.poses for found in fitted]


class _Counter:
    """Counts steps done in several threads."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._total, self._progress, self._count = total, progress, 0

    def done(self) -> None:
        self._count += 1
        if self._progress is not None:
            self._progress(self._count, self._total)


def _spread_frames(counts: np.ndarray, wanted: int) -> np.ndarray:
    """Frames with many keypoints, spread over the session."""
    good = np.flatnonzero(counts >= 0.8 * np.percentile(counts[counts > 0], 90))
    if len(good) <= wanted:
        return good
    return good[np.linspace(0, len(good) - 1, wanted).round().astype(np.int64)]
