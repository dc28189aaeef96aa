"""Tells, while a session runs, when a camera was bumped or its clock drifts away.

Each camera's 2D keypoints are compared with where the *other* cameras together place them. In bins
of half a second a small model is fitted to these residuals: a shift of the whole image, and a delay
(residuals along the keypoints' motion). A bumped camera is a lasting step of the shift against its
own past, a drifting clock a growing delay. A detector's errors change with pose and place as well,
but not for good, and the spread of the past bins says by how much: a change must exceed that
several times, in every bin of two seconds, before anything is said. Nothing looks further ahead.

Limits: at least three cameras must see the same people; a camera that moves along its line of sight
shifts nothing; and with three cameras the culprit is the one that disagrees most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mocap.geometry.projection import project_points, projection_jacobian
from mocap.model import Bystander, Detections, FrameSet, Person3D, Rig, Skeleton, ViewState
from mocap.pipeline.residual_bins import FLOOR_PX, ResidualBin, fit_bin, fit_line
from mocap.pipeline.rig_events import BIN_S, RigEvent
from mocap.reconstruction.swaps import source_of

SAMPLE_S = 0.1
CONFIRM_BINS = 4
SLOW_BINS = 10
MIN_REFERENCE_BINS = 8
REFERENCE_BINS = 120
MIN_POINTS = 30
BORDER_SHARE = 0.04
"""Keypoints this near to the edge of the image are cut off or guessed, and do not count."""
SPREADS = 5.0
"""So many spreads of the past each bin must be off; half as many when `SLOW_BINS` of them are."""
RIVAL_RATIO = 1.3
"""Without the culprit the other cameras disagree less than without any other, by this factor."""
RIVAL_RATIO_OF_THREE = 3.0
RIVAL_STEP = 0.4
"""And its own image went this far, by how far the culprit's went."""
MIN_SHIFT_RAD = 0.0025
MIN_SHIFT_PX = 2.5
MIN_DELAY_FRAMES = 0.5
MIN_CLOCK_BINS = 30
"""A clock is judged after so many bins: people turn, and a detector's errors turn with them."""
_MIN_CONFIDENCE = 0.3
_MIN_BESIDE = 6
_BESIDE_SHARE = 0.5
"""A person may stand this far beside where he was expected, by his size, after a bump."""
_SAME_SHAPE_SHARE = 0.05
"""His keypoints are then shifted alike, to this."""


@dataclass(frozen=True)
class _Drift:
    """By how much the delay of a camera changed so far, and whether it surely did."""

    time_s: float
    slope: float
    change_s: float
    is_sure: bool


@dataclass
class _Past:
    """One camera over time."""

    bins: list[ResidualBin] = field(default_factory=list)
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)
    distances_m: list[float] = field(default_factory=list)
    moved: bool = False
    late: bool = False


class RigHealth:
    """Watches the rig frame by frame.

    Args:
        rig: the cameras.
        skeleton: the keypoints.
    """

    def __init__(self, rig: Rig, skeleton: Skeleton) -> None:
        self._rig = rig
        self._arrays = rig.arrays
        self._focal = np.array([camera.intrinsics.focal_px for camera in rig])
        self._size = np.array([camera.intrinsics.size for camera in rig], float)
        self._body = np.array(skeleton.indices("body", "feet"), np.int64)
        self._skeleton = skeleton
        self._past = [_Past() for _ in rig]
        self._before: dict[int, tuple[float, np.ndarray]] = {}
        self._sampled_s = -np.inf
        self._bin_start_s: float | None = None
        self._steps: list[float] = []
        self._last_s: float | None = None
        self._events: list[RigEvent] = []

    @property
    def events(self) -> tuple[RigEvent, ...]:
        """What happened so far, in order of time."""
        return tuple(sorted(self._events, key=lambda event: event.time_s))

    def watch(
        self, frame_set: FrameSet, people: Sequence[Person3D], _bystanders: Sequence[Bystander] = ()
    ) -> None:
        """Takes one frame with its people; frames come in order of time.

        Bystanders do not count: they are seen worse.
        """
        if len(self._rig) < 3:
            return
        time_s = frame_set.time_ns * 1e-9
        if self._last_s is not None and len(self._steps) < 200:
            self._steps.append(time_s - self._last_s)
        self._last_s = time_s
        if time_s - self._sampled_s < SAMPLE_S - 1e-6:
            return
        self._sampled_s = time_s
        if self._bin_start_s is None:
            self._bin_start_s = time_s
        if time_s - self._bin_start_s >= BIN_S:
            self._close_bin(self._bin_start_s)
            self._bin_start_s = time_s
        now: dict[int, tuple[float, np.ndarray]] = {}
        claimed = [{p.detection_index[c] for p in people} for c in range(len(self._rig))]
        for person in people:
            points = person.keypoints.points_m[self._body]
            before = self._before.get(person.person_id)
            if before is not None and time_s - before[0] < 3 * SAMPLE_S:
                velocity = (points - before[1]) / (time_s - before[0])
                self._add(frame_set, person, points, velocity, claimed)
            now[person.person_id] = (time_s, points)
        self._before = now

    def _add(
        self,
        frame_set: FrameSet,
        person: Person3D,
        points: np.ndarray,
        velocity: np.ndarray,
        claimed: Sequence[set[int]],
    ) -> None:
        """Notes the residual of every view against all the others."""
        cameras, k = len(self._rig), len(self._body)
        residual, seen = np.full((cameras, k, 2), np.nan), np.zeros((cameras, k), bool)
        jacobian = np.zeros((cameras, k, 2, 3))
        arrays = self._arrays
        for c, name in enumerate(self._rig.names):
            observation, index = frame_set.observations.get(name), person.detection_index[c]
            if observation is None:
                continue
            lens = (arrays.matrix[c], arrays.distortions[c], bool(arrays.fisheye[c]))
            projected, depth = project_points(points, *lens, arrays.T_cam_world[c])
            if index < 0:
                index = self._beside(observation.detections, projected, claimed[c])
            if not 0 <= index < len(observation.detections):
                continue
            source = source_of(self._skeleton, person.exchanged[c])[self._body]
            pixels = observation.detections.keypoints_px[index][source].astype(float)
            trust = observation.detections.confidence[index][source]
            jacobian[c] = projection_jacobian(points, *lens, arrays.T_cam_world[c])
            residual[c] = pixels - projected
            margin = BORDER_SHARE * self._size[c]
            inside = ((pixels > margin) & (pixels < self._size[c] - margin)).all(axis=1)
            seen[c] = inside & (trust >= _MIN_CONFIDENCE) & np.isfinite(residual[c]).all(axis=1)
            self._past[c].distances_m.append(float(np.nanmedian(depth)) if seen[c].any() else 0.0)
        used = seen & (person.keypoints.view_state[:, self._body] == ViewState.USED)
        # A camera known to be off says nothing of the others.
        used &= ~np.array([past.moved or past.late for past in self._past])[:, None]
        scale = self._focal[:, None] ** -2.0 * used
        safe_j = np.where(used[..., None, None], jacobian, 0.0)
        safe_r = np.where(used[..., None], residual, 0.0)
        information = np.einsum("ckpi,ckpj,ck->ckij", safe_j, safe_j, scale)
        gradient = np.einsum("ckpi,ckp,ck->cki", safe_j, safe_r, scale)
        total_i, total_g, count = information.sum(0), gradient.sum(0), used.sum(0)
        for c in range(cameras):
            chosen = seen[c] & (count - used[c] >= 2) & np.isfinite(velocity[:, 0])
            if not chosen.any():
                continue
            others = (total_i - information[c])[chosen]
            # Two cameras in line do not place a point: a weak prior of a metre at this distance.
            others += 1e-4 * np.trace(others, axis1=1, axis2=2)[:, None, None] * np.eye(3)
            step = np.linalg.solve(others, (total_g - gradient[c])[chosen][..., None])[..., 0]
            j = jacobian[c][chosen]
            left_out = residual[c][chosen] - np.einsum("kpi,ki->kp", j, step)
            speed = np.einsum("kpi,ki->kp", j, velocity[chosen])
            among = safe_r[:, chosen] - np.einsum("ckpi,ki->ckp", safe_j[:, chosen], step)
            among = np.where(used[:, chosen, None], among, 0.0)
            among[c] = 0.0
            rest = (among**2).sum(axis=(0, 2)) / (2 * (count - used[c])[chosen] - 3)
            self._past[c].rows.append((left_out, speed, rest))

    def _beside(self, found: Detections, projected: np.ndarray, claimed: set[int]) -> int:
        """Who in an image looks like a person no one was matched with, but stands beside him.

        A camera that was turned far shows everybody where nobody is expected.

        Returns:
            Which 2D person; -1 for nobody.
        """
        known = np.isfinite(projected[:, 0])
        if not known.any():
            return -1
        size = float(np.ptp(projected[known], axis=0).max())
        best, who = _BESIDE_SHARE * size, -1
        for j in set(range(len(found))) - claimed:
            offset = found.keypoints_px[j][self._body].astype(float) - projected
            good = (found.confidence[j][self._body] >= _MIN_CONFIDENCE) & np.isfinite(offset[:, 0])
            if good.sum() < _MIN_BESIDE:
                continue
            middle = np.median(offset[good], axis=0)
            spread = float(np.median(np.linalg.norm(offset[good] - middle, axis=1)))
            distance = float(np.linalg.norm(middle))
            if spread <= _SAME_SHAPE_SHARE * size and distance < best:
                best, who = distance, j
        return who

    def _close_bin(self, start_s: float) -> None:
        for past in self._past:
            if past.rows:
                residual, speed, rest = (
                    np.concatenate([row[i] for row in past.rows]) for i in range(3)
                )
                if len(residual) >= MIN_POINTS:
                    past.bins.append(fit_bin(start_s, residual, speed, float(np.median(rest))))
            past.rows = []
            past.distances_m = past.distances_m[-100:]
        self._look_for_moves()
        self._look_for_clocks()

    def _look_for_moves(self) -> None:
        found = [(c, confirm) for c in range(len(self._past)) if (confirm := self._step_of(c))]
        if not found:
            return
        confirm = max(n for _, n in found)
        rest = {c: self._rest_px2(c, confirm) for c in range(len(self._past))}
        culprit = min((c for c, _ in found), key=lambda c: rest[c])
        # Two cameras that are left agree by themselves along their common plane.
        ratio = RIVAL_RATIO if len(rest) > 3 else RIVAL_RATIO_OF_THREE
        size = {c: self._step_rad(c, confirm) for c in rest}
        rivals = [
            c
            for c in rest
            if c != culprit
            and rest[c] < ratio * rest[culprit]
            and size[c] >= RIVAL_STEP * size[culprit]
        ]
        past = self._past[culprit]
        confirm = dict(found)[culprit]
        shift = np.array([b.shift_px for b in past.bins[-REFERENCE_BINS:]])
        step = np.median(shift[-confirm:], axis=0) - np.median(shift[:-confirm], axis=0)
        turned = float(np.linalg.norm(step)) / self._focal[culprit]
        distances = [d for d in past.distances_m if d > 0]
        depth = float(np.median(distances)) if distances else 0.0
        past.moved = True
        self._events.append(
            RigEvent(
                self._rig.names[culprit],
                "moved",
                past.bins[-confirm].time_s,
                (float(step[0]), float(step[1])),
                float(np.degrees(np.arctan(turned))),
                turned * depth,
                rivals=tuple(self._rig.names[c] for c in rivals),
            )
        )
        # What the others showed meanwhile was this camera's doing.
        self._forget_latest(culprit, confirm)

    def _step_of(self, c: int) -> int:
        """In how many of the latest bins a camera is off against its past; 0 if it is not."""
        past = self._past[c]
        for confirm, spreads in ((CONFIRM_BINS, SPREADS), (SLOW_BINS, 0.5 * SPREADS)):
            # What is judged by less must have a longer past to be judged by.
            reference_bins = max(MIN_REFERENCE_BINS, 2 * confirm)
            if past.moved or len(past.bins) < reference_bins + confirm:
                continue
            shift = np.array([b.shift_px for b in past.bins[-REFERENCE_BINS:]])
            reference, latest = shift[:-confirm], shift[-confirm:]
            middle = np.median(reference, axis=0)
            spread = 1.4826 * np.median(np.abs(reference - middle), axis=0)
            # Few bins have not seen all that people do.
            spread = np.maximum(spread, FLOOR_PX) * (1 + 4 / len(reference))
            step = np.median(latest, axis=0) - middle
            size = float(np.linalg.norm(step))
            way = step / max(size, 1e-9)
            # The spread along the step, not across it, decides.
            along, spread_along = (latest - middle) @ way, float(np.linalg.norm(spread * way))
            least = max(MIN_SHIFT_PX, MIN_SHIFT_RAD * self._focal[c])
            if size >= least and along.min() >= spreads * spread_along:
                return confirm
        return 0

    def _step_rad(self, c: int, confirm: int) -> float:
        """How far the image of a camera went lately, as an angle; 0 where nothing is known."""
        shift = np.array([b.shift_px for b in self._past[c].bins[-REFERENCE_BINS:]])
        if len(shift) <= confirm:
            return 0.0
        step = np.median(shift[-confirm:], axis=0) - np.median(shift[:-confirm], axis=0)
        return float(np.linalg.norm(step)) / self._focal[c]

    def _rest_px2(self, c: int, confirm: int) -> float:
        """How much the others disagree without a camera, lately."""
        latest = [b.rest_px2 for b in self._past[c].bins[-confirm:]]
        return float(np.median(latest)) if latest else float("inf")

    def _forget_latest(self, culprit: int, confirm: int) -> None:
        for c, other in enumerate(self._past):
            if c != culprit:
                del other.bins[max(len(other.bins) - confirm - 1, 0) :]

    def _look_for_clocks(self) -> None:
        frame_s = float(np.median(self._steps)) if self._steps else 1 / 30
        drifts = {c: drift for c in range(len(self._past)) if (drift := self._drift(c, frame_s))}
        if not drifts:
            return
        # The delay of a good camera is measured against the drifting one as well, and changes the
        # other way, by less: so the largest change is the culprit's, whoever is surest of his.
        culprit = max(drifts, key=lambda c: abs(drifts[c].change_s))
        drift = drifts[culprit]
        if not drift.is_sure:
            return
        self._past[culprit].late = True
        self._events.append(
            RigEvent(
                self._rig.names[culprit],
                "clock",
                drift.time_s,
                delay_s=drift.change_s,
                drift_ppm=1e6 * drift.slope,
            )
        )
        for c, other in enumerate(self._past):
            if c != culprit:
                # Their delays were measured against it.
                other.bins = [replace(b, delay_sigma_s=np.inf) for b in other.bins]

    def _drift(self, c: int, frame_s: float) -> _Drift | None:
        """How the delay of a camera changed; None while too little is known."""
        past = self._past[c]
        known = [b for b in past.bins if b.delay_sigma_s < 0.5 * frame_s]
        if past.moved or past.late or len(known) < MIN_CLOCK_BINS:
            return None
        time_s = np.array([b.time_s for b in known])
        delay = np.array([b.delay_s for b in known])
        first, last = delay[:MIN_REFERENCE_BINS], delay[-2 * CONFIRM_BINS :]
        slope, level = fit_line(time_s, delay)
        spread = 1.4826 * float(np.median(np.abs(delay - (slope * time_s + level))))
        change = slope * float(time_s[-1] - time_s[0])
        # Standard error of the change; neighbouring bins err alike, two of them as one.
        error = max(spread, 0.02 * frame_s) * np.sqrt(12 * 2 / len(delay))
        shown = float(np.median(last) - np.median(first)) * np.sign(change)
        sure = abs(change) >= max(MIN_DELAY_FRAMES * frame_s, SPREADS * error)
        return _Drift(float(time_s[-1]), slope, change, sure and shown >= 0.5 * abs(change))
