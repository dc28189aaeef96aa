"""Pixels of labelled people at chosen instants, with how they move in time.

A camera films at its own instants, which are those of the session clock shifted by an unknown
offset. A measurement is the keypoint of the camera's nearest frame, carried over the rest of the
way by the local velocity and acceleration of the 2D track; that makes it a smooth function of the
offset, with a known derivative. The nearest frame itself is kept, rather than a value interpolated
between two, because an interpolated value has less noise half-way than at a frame, which draws
offsets towards half frames (see `_ACCELERATION_SHARE` for the rest of that trap).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calibration.people.tracks import LabelledPeople
from mocap.arrays import Bool, Float, Int

MIN_CONFIDENCE = 0.3
SIGMA_OF_SIZE = 0.01
"""Noise of a keypoint as a share of the person's size in the image: 18 mm on a grown-up."""
FLOOR_PX = 1.0
_SLOPE_FRAMES = 2
_SLOPE_SPAN_S = 0.1
_ACCELERATION_SHARE = 0.35
"""Share of the fitted acceleration that is used. The noise of a carried pixel is that of the frame,
plus that of the velocity (0.1 d^2 for a parabola through five frames, d in frames), less what the
acceleration takes away because it is fitted to the same pixel (2/7 d^2). Unless the two cancel,
the offset is drawn to where the sum is least: with all of the acceleration to half frames, with
none of it to whole ones. At 0.35 the noise does not depend on the offset."""
_REACH = 0.75
"""A frame may be this many frame intervals from the instant; half is the usual most."""


@dataclass(frozen=True)
class Measurements:
    """All pixels that enter an adjustment. Camera, person and keypoint are positions.

    Attributes:
        camera: which camera.
        frame: position of the frame among the camera's frames.
        point: position in the points.
        pixels: as detected in that frame.
        velocity: of the pixel in the image, px/s; 0 where it cannot be told.
        acceleration: px/s^2.
        ahead_s: by how much the instant is after the frame, without the camera's offset: the
            pixel belongs to the instant when carried by `ahead_s + offset`.
        sigma_px: standard deviation.
        point_person: of each point.
        point_instant: of each point.
        point_keypoint: of each point.
        instants_s: on the session clock.
    """

    camera: Int[np.ndarray, " n"]
    frame: Int[np.ndarray, " n"]
    point: Int[np.ndarray, " n"]
    pixels: Float[np.ndarray, "n 2"]
    velocity: Float[np.ndarray, "n 2"]
    acceleration: Float[np.ndarray, "n 2"]
    ahead_s: Float[np.ndarray, " n"]
    sigma_px: Float[np.ndarray, " n"]
    point_person: Int[np.ndarray, " points"]
    point_instant: Int[np.ndarray, " points"]
    point_keypoint: Int[np.ndarray, " points"]
    instants_s: Float[np.ndarray, " instants"]

    def __len__(self) -> int:
        return len(self.camera)

    @property
    def points(self) -> int:
        """Number of points."""
        return len(self.point_person)

    @property
    def time_s(self) -> Float[np.ndarray, " n"]:
        """Instant of each pixel's point."""
        return self.instants_s[self.point_instant[self.point]]

    def carried_px(
        self,
        offset_s: Float[np.ndarray, " cameras"],
        drift: Float[np.ndarray, " cameras"] | None = None,
    ) -> Float[np.ndarray, "n 2"]:
        """The pixels at their instants, the cameras being late by `offset_s`, and by `drift` times
        the instant."""
        step = self._step_s(offset_s, drift)
        return self.pixels + step * self.velocity + 0.5 * step**2 * self.acceleration

    def speed_px_s(
        self,
        offset_s: Float[np.ndarray, " cameras"],
        drift: Float[np.ndarray, " cameras"] | None = None,
    ) -> Float[np.ndarray, "n 2"]:
        """Derivative of `carried_px` by the camera's offset."""
        return self.velocity + self._step_s(offset_s, drift) * self.acceleration

    def _step_s(self, offset_s: np.ndarray, drift: np.ndarray | None) -> np.ndarray:
        step = self.ahead_s + offset_s[self.camera]
        if drift is not None and np.any(drift):
            step = step + drift[self.camera] * self.time_s
        return step[:, None]

    def kept(self, keep: Bool[np.ndarray, " n"]) -> Measurements:
        """Only some pixels, and only the points that two cameras still see."""
        views = np.zeros((self.points,), np.int64)
        np.add.at(views, self.point[keep], 1)
        alive = views >= 2
        keep = keep & alive[self.point]
        new = np.cumsum(alive) - 1
        return replace(
            self,
            camera=self.camera[keep],
            frame=self.frame[keep],
            point=new[self.point[keep]],
            pixels=self.pixels[keep],
            velocity=self.velocity[keep],
            acceleration=self.acceleration[keep],
            ahead_s=self.ahead_s[keep],
            sigma_px=self.sigma_px[keep],
            point_person=self.point_person[alive],
            point_instant=self.point_instant[alive],
            point_keypoint=self.point_keypoint[alive],
        )


def measure(
    people: LabelledPeople,
    instants_s: Float[np.ndarray, " instants"],
    offset_s: Float[np.ndarray, " cameras"],
    min_confidence: float = MIN_CONFIDENCE,
    drift: Float[np.ndarray, " cameras"] | None = None,
) -> Measurements:
    """Collects the pixels of all points that at least two cameras see at some instants.

    Args:
        people: who is who.
        instants_s: on the session clock.
        offset_s: how late each camera is thought to be; decides which frame is the nearest.
        min_confidence: keypoints of lower confidence are left out.
        drift: by how much each camera's clock is thought to run fast, as a fraction; none by
            default.
    """
    instants = len(instants_s)
    k = len(people.tracks.skeleton)
    shape = (people.people, instants, k)
    parts: list[dict[str, np.ndarray]] = []
    for c, camera in enumerate(people.tracks.cameras):
        late = offset_s[c] + (0.0 if drift is None else drift[c] * instants_s)
        nearest = _nearest(camera.time_s, instants_s + late)
        if not len(camera.time_s):
            continue
        ahead = instants_s - camera.time_s[nearest]
        near = np.abs(ahead + late) <= _REACH * camera.interval_s + 1e-9
        pixels = people.pixels[c][:, nearest]
        confidence = people.confidence[c][:, nearest]
        good = (confidence >= min_confidence) & np.isfinite(pixels).all(axis=-1)
        good &= near[None, :, None]
        velocity, acceleration = motion_px(people.pixels[c], camera.time_s)
        size = _sizes(pixels, good)
        sigma = (FLOOR_PX + SIGMA_OF_SIZE * size)[..., None] / np.clip(confidence, 0.3, 1.0)
        p, i, j = np.nonzero(good)
        parts.append(
            {
                "camera": np.full(len(p), c),
                "frame": nearest[i],
                "point": np.ravel_multi_index((p, i, j), shape),
                "pixels": pixels[p, i, j],
                "velocity": velocity[p, nearest[i], j],
                "acceleration": acceleration[p, nearest[i], j],
                "ahead_s": ahead[i],
                "sigma_px": sigma[p, i, j],
            }
        )
    names = ("camera", "frame", "point", "pixels", "velocity", "acceleration", "ahead_s")
    flat = {n: np.concatenate([part[n] for part in parts]) for n in (*names, "sigma_px")}
    person, instant, keypoint = np.unravel_index(np.arange(np.prod(shape)), shape)
    everything = Measurements(
        **flat,
        point_person=person,
        point_instant=instant,
        point_keypoint=keypoint,
        instants_s=np.asarray(instants_s, np.float64),
    )
    return everything.kept(np.ones(len(everything), bool))


def motion_px(
    pixels: Float[np.ndarray, "people frames keypoints 2"], time_s: Float[np.ndarray, " frames"]
) -> tuple[
    Float[np.ndarray, "people frames keypoints 2"], Float[np.ndarray, "people frames keypoints 2"]
]:
    """Velocity and acceleration of 2D tracks at every frame.

    A parabola through the neighbours up to two frames and 0.1 s away (at least one on each side);
    a line where there are two neighbours or fewer, and rest where there is none.
    """
    frames = len(time_s)
    moments = [np.zeros(pixels.shape[:-1]) for _ in range(5)]
    products = [np.zeros(pixels.shape) for _ in range(3)]
    for shift in range(-_SLOPE_FRAMES, _SLOPE_FRAMES + 1):
        lo, hi = max(0, -shift), min(frames, frames - shift)
        if hi <= lo:
            continue
        step = time_s[lo + shift : hi + shift] - time_s[lo:hi]
        near = (np.abs(step) <= _SLOPE_SPAN_S) | (abs(shift) <= 1)
        other = pixels[:, lo + shift : hi + shift]
        seen = np.isfinite(other).all(axis=-1) & near[None, :, None]
        for power in range(5):
            moments[power][:, lo:hi] += seen * (step**power)[None, :, None]
        value = np.where(seen[..., None], other, 0.0)
        for power in range(3):
            products[power][:, lo:hi] += value * (step**power)[None, :, None, None]
    count, m1, m2, m3, m4 = moments
    normal = np.stack([count, m1, m2, m1, m2, m3, m2, m3, m4], axis=-1)
    normal = normal.reshape(*count.shape, 3, 3)
    right = np.stack(products, axis=-2)
    # Seconds are scaled away, so that the determinant tells how well a parabola is determined.
    unit = np.sqrt(np.maximum(m2 / np.maximum(count, 1), 1e-12))
    scale = np.stack([np.ones_like(unit), 1 / unit, 1 / unit**2], axis=-1)
    normal = normal * scale[..., :, None] * scale[..., None, :]
    right = right * scale[..., None]
    curved = (count >= 4) & (np.linalg.det(normal) > 1e-3)
    straight = ~curved & (count >= 2) & (m2 > 0)
    safe = np.where(curved[..., None, None], normal, np.eye(3))
    parabola = np.linalg.solve(safe, right) * scale[..., None]
    line = normal[..., :2, :2] + np.where(straight, 0.0, 1.0)[..., None, None] * np.eye(2)
    slope = np.linalg.solve(line, right[..., :2, :]) * scale[..., :2, None]
    velocity = np.where(curved[..., None], parabola[..., 1, :], slope[..., 1, :])
    velocity = np.where((curved | straight)[..., None], velocity, 0.0)
    acceleration = np.where(curved[..., None], 2 * _ACCELERATION_SHARE * parabola[..., 2, :], 0.0)
    return velocity, acceleration


def choose_instants(
    people: LabelledPeople,
    offset_s: Float[np.ndarray, " cameras"],
    most: int,
    min_keypoints: int = 6,
    drift: Float[np.ndarray, " cameras"] | None = None,
) -> Float[np.ndarray, " instants"]:
    """Instants that spread over time and over the places where people were seen.

    Candidates are the frames of the camera with the most frames in which at least two cameras see
    someone. Each choice is the one furthest, in place and time, from those chosen before.

    Returns:
        At most `most` instants on the session clock, ascending; none where no two cameras ever
        see the same person at the same time.
    """
    cameras = people.tracks.cameras
    shown = [
        ((confidence >= MIN_CONFIDENCE).sum(axis=2) >= min_keypoints)
        for confidence in people.confidence
    ]
    densest = int(np.argmax([seen.any(axis=0).sum() for seen in shown]))
    rate = np.ones(len(cameras)) if drift is None else 1 + drift
    candidates = (cameras[densest].time_s - offset_s[densest]) / rate[densest]
    if not len(candidates):
        return np.zeros(0)
    views = np.zeros((people.people, len(candidates)), np.int64)
    features: list[np.ndarray] = []
    for c, camera in enumerate(cameras):
        if not len(camera.time_s):
            continue
        stamps = candidates * rate[c] + offset_s[c]
        nearest = _nearest(camera.time_s, stamps)
        gap = np.abs(stamps - camera.time_s[nearest])
        seen = shown[c][:, nearest] & (gap <= _REACH * camera.interval_s + 1e-9)
        views += seen
        masked = np.where(
            (people.confidence[c] >= MIN_CONFIDENCE)[..., None], people.pixels[c], np.nan
        )
        count = np.maximum(np.isfinite(masked).sum(axis=2), 1)
        middle = np.nansum(masked, axis=2) / count / max(camera.image_size)
        for p in range(people.people):
            features.append(np.where(seen[p][:, None], middle[p][nearest], -0.5))
    span = max(float(np.ptp(candidates)), 1e-9)
    features.append(((candidates - candidates[0]) / span)[:, None])
    feature = np.concatenate(features, axis=1)
    possible = np.flatnonzero(views.max(axis=0) >= 2)
    if len(possible) <= most:
        return candidates[possible]
    worth = (np.maximum(views - 1, 0)).sum(axis=0)[possible].astype(float)
    distance = np.full(len(possible), np.inf)
    chosen = [int(np.argmax(worth))]
    while len(chosen) < most:
        last = feature[possible[chosen[-1]]]
        distance = np.minimum(distance, np.linalg.norm(feature[possible] - last, axis=1))
        distance[chosen] = -1.0
        chosen.append(int(np.argmax(distance * np.sqrt(worth / worth.max()))))
    return np.sort(candidates[possible[chosen]])


def _nearest(time_s: np.ndarray, wanted_s: np.ndarray) -> np.ndarray:
    if not len(time_s):
        return np.zeros(len(wanted_s), np.int64)
    after = np.clip(np.searchsorted(time_s, wanted_s), 0, len(time_s) - 1)
    before = np.maximum(after - 1, 0)
    # A tie goes to the earlier frame, so that rounding does not decide.
    nearer = wanted_s - time_s[before] <= time_s[after] - wanted_s + 1e-9
    return np.where(nearer, before, after)


def _sizes(pixels: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Size of each person in the image, from the spread of the keypoints (people, instants)."""
    masked = np.where(good[..., None], pixels, np.nan)
    low = np.where(good[..., None], masked, np.inf).min(axis=2)
    high = np.where(good[..., None], masked, -np.inf).max(axis=2)
    size = np.linalg.norm(np.maximum(high - low, 0), axis=-1)
    size = np.where(np.isfinite(size), size, 0.0)
    # A person who is cut off or half hidden is as large as a moment ago.
    usual = np.array([np.median(row[row > 0]) if (row > 0).any() else 0.0 for row in size])
    return np.maximum(size, 0.7 * usual[:, None])
