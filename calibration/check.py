"""How good is an old calibration on today's footage, and if it is not, what has changed?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.checks.back_print import (
    BackShift,
    back_print_finding,
    back_shift,
    without_back_shift,
)
from calibration.checks.finding import Finding
from calibration.checks.linear import (
    LENS,
    ChangeModel,
    Estimate,
    change_model,
    columns,
    estimate,
)
from calibration.checks.moved import culprits_of, is_move, move_finding, moved_cameras
from calibration.checks.resync import resynchronised
from calibration.checks.scale import edge_lengths
from calibration.checks.tracks import (
    PointTracks,
    Triangulation,
    predicted,
    tracks_of_sightings,
    triangulate,
)
from calibration.sightings import Sightings
from calibration.verdict import Verdict, verdict_of
from mocap.errors import CalibrationError
from mocap.model import Rig

BOARD_PX, PEOPLE_PX = 1.0, 10.0
"""Root mean square residual that is good, at a focal length of 1000 px."""
FAIL_FACTOR = 3.0
MOVED_PX = {True: 0.4, False: 1.5}
"""By how much a moved camera must worsen its residuals: with a target, with people."""
MIN_INSTANTS = 5
SYNC_SIGMAS, SYNC_PX = 6.0, 0.3
EDGE_WARN, EDGE_FAIL = 0.01, 0.03


@dataclass(frozen=True)
class CameraCheck:
    """How one camera agrees with the others.

    Attributes:
        name: of the camera.
        rmse_px: of the triangulation's residuals in it.
        left_out_px: median distance of its pixels from where the other cameras say they are, each
            point being triangulated without it; NaN with fewer than two others.
        moved_m: how far its centre lies from where the rig has it, by the others.
        moved_sigma_m: standard deviation of that.
        turned_rad: how far it is turned.
        turned_sigma_rad: standard deviation of that.
    """

    name: str
    rmse_px: float
    left_out_px: float
    moved_m: float
    moved_sigma_m: float
    turned_rad: float
    turned_sigma_rad: float


@dataclass(frozen=True)
class RigCheck:
    """How good a rig is on footage that it was not made from.

    Attributes:
        verdict: with findings and remedies.
        rmse_px: over all points, none left out.
        points: number of points that two cameras or more saw.
        cameras: one entry per camera.
        notes: what the user should read, in words.
    """

    verdict: Verdict
    rmse_px: float
    points: int
    cameras: tuple[CameraCheck, ...]
    notes: tuple[str, ...] = ()


def check_rig(rig: Rig, seen: Sightings | PointTracks, *, two_sided: bool = False) -> RigCheck:
    """Checks a rig on a target, or on people whose keypoints are matched across cameras.

    A single camera that was moved or whose lens was changed is named, with how much. If several
    were, all are named that do not fit the largest group which agrees.

    Args:
        rig: the old calibration.
        seen: what its cameras see today; see `tracks_of_people` for people.
        two_sided: whether the target has a print on either side, which may be shifted against each
            other: that is solved for and undone.

    Raises:
        CalibrationError: fewer than two cameras see the same points at enough instants.
    """
    sightings = seen if isinstance(seen, Sightings) else None
    tracks = tracks_of_sightings(rig, seen) if isinstance(seen, Sightings) else seen
    points = triangulate(rig, tracks)
    board = sightings is not None
    notes: tuple[str, ...] = ()
    instants = int((points.views >= 2).any(axis=1).sum())
    if instants < MIN_INSTANTS:
        what = "the target" if board else "people"
        raise CalibrationError(
            f"two cameras see {what} together at {instants} instants, expected at least "
            f"{MIN_INSTANTS}, so the rig cannot be checked; film {what} where cameras see it "
            f"together, and check that videos and rig belong together"
        )
    focal = float(np.median([camera.intrinsics.focal_px for camera in rig]))
    unit = max(focal / 1000, 0.5)
    good = unit * (BOARD_PX if board else PEOPLE_PX)
    model = change_model(rig, tracks, points)
    found: list[Finding] = []
    least_px = unit * MOVED_PX[board]
    if sightings is not None and two_sided:
        sightings, shift = without_back_shift(
            rig, sightings, tuple(culprits_of(model, least_px, back=True))
        )
        notes = (_back_words(shift),)
        tracks = tracks_of_sightings(rig, sightings)
        points = triangulate(rig, tracks)
        model = change_model(rig, tracks, points)
    left = [left_out_px(rig, tracks, c) for c in range(len(rig))]
    resync = resynchronised(rig, tracks, points, model, sightings)
    shift = None if two_sided else back_shift(resync.model, tracks, unit)
    judged = tracks
    if sightings is not None and shift is not None and shift.certain:
        assert tracks.behind is not None
        names = tuple(n for c, n in enumerate(rig.names) if tracks.behind[c].any())
        remedy = "Check with --two-sided, which solves for it, or film a target with one print"
        found.append(back_print_finding(shift, names, remedy))
        # No camera is to be blamed for the print.
        culprits = tuple(culprits_of(model, least_px, back=True))
        judged = tracks_of_sightings(rig, without_back_shift(rig, sightings, culprits)[0])
        model = change_model(rig, judged, triangulate(rig, judged))
    explained = resync.rmse_px[1] < 0.7 * resync.rmse_px[0]
    sync = _sync(rig, resync.offset_s, resync.sigma_s, resync.speed_px_s, unit * SYNC_PX * (
        1.0 if board else 6.0))  # fmt: skip
    moves, moved = moved_cameras(rig, judged, model, least_px)
    gain_moved = sum(estimate_.gain for estimate_ in moved.values())
    if sync and (explained or not moved or not gain_moved):
        found += sync
        if explained:
            moved = {}
    if moved:
        lens = _lens(rig, model, moved, least_px)
        found += lens if lens else [move_finding(rig, moves, c) for c in moved if is_move(moves[c])]
    rmse = points.rmse_px() if board else points.typical_px()
    how = "RMSE" if board else "root mean square, from the median"
    if rmse > good:
        found.append(
            Finding(
                "fail" if rmse > FAIL_FACTOR * good else "warn",
                "residuals",
                (),
                f"over all points, none left out, the residual is {rmse:.2f} px ({how}); up "
                f"to {good:.1f} px is good",
                "Run mocap calibrate refine, or calibrate again",
                {"rmse_px": rmse},
            )
        )
    if sightings is not None:
        found += _scale(sightings, points)
    cameras = tuple(
        CameraCheck(name, points.rmse_px(c), left[c], *moves[c]) for c, name in enumerate(rig.names)
    )
    return RigCheck(verdict_of(found), rmse, int((points.views >= 2).sum()), cameras, notes)


def _back_words(shift: BackShift | None) -> str:
    if shift is None:
        return "nobody saw the back of the target, so nothing was solved for its print"
    apart = 1000 * float(np.linalg.norm(shift.shift_m))
    return (
        f"the print on the back of the target is taken to be shifted against that on the front by "
        f"{apart:.1f} mm ({shift.words()} mm; z is the thickness)"
    )


def left_out_px(rig: Rig, tracks: PointTracks, camera: int) -> float:
    """Median distance of a camera's pixels from where the others say they are; NaN where no point
    is seen by two others."""
    others = triangulate(rig, tracks.without(camera))
    miss = np.linalg.norm(tracks.pixels[camera] - predicted(rig, camera, others.points), axis=-1)
    miss = miss[np.isfinite(miss)]
    return float(np.median(miss)) if len(miss) else float("nan")


def _lens(
    rig: Rig, model: ChangeModel, moved: dict[int, Estimate], least_px: float
) -> list[Finding]:
    """A lens that was changed, where that explains better than a move."""
    changes = lens_changes_alone(model)
    top = max(range(len(rig)), key=lambda c: changes[c].gain)
    if list(moved) and changes[top].gain < max(e.gain for e in moved.values()):
        return []
    count = max(int(model.pixels[:, top].sum()), 1)
    if model.sigma_px * float(np.sqrt(max(changes[top].gain, 0.0) / count)) < least_px:
        return []
    focal, sigma = float(changes[top].value[0]), float(changes[top].sigma[0])
    name = rig.names[top]
    return [
        Finding(
            "fail",
            "lens_changed",
            (name,),
            f"the lens of {name} has changed: its focal length is {100 * focal:+.1f} +- "
            f"{100 * sigma:.1f} % of what the rig has",
            f"Set zoom and focus of {name} back, or calibrate its lens and the rig again",
            {"focal_change": focal, "focal_change_sigma": sigma},
        )
    ]


def lens_changes_alone(model: ChangeModel) -> list[Estimate]:
    """For each camera the change of focal length and radial distortion that explains most, all
    poses being held."""
    none = np.zeros(0, np.int64)
    return [estimate(model, columns(c, LENS), none) for c in range(model.cameras)]


def _sync(
    rig: Rig,
    offset_s: np.ndarray,
    sigma_s: np.ndarray,
    speed_px_s: np.ndarray,
    least_px: float,
) -> list[Finding]:
    known = np.isfinite(offset_s)
    if known.sum() < 2:
        return []
    middle = float(np.median(offset_s[known]))
    positive = sigma_s[known & (sigma_s > 0)]
    floor = float(np.median(positive)) if len(positive) else 0.0
    found: list[Finding] = []
    for c in np.flatnonzero(known).tolist():
        late, other = float(offset_s[c] - middle), "the others"
        if len(rig) == 2:
            c, late, other = 1, float(offset_s[1] - offset_s[0]), rig.names[0]
        sigma = max(float(sigma_s[c]), floor)
        effect = abs(late) * float(speed_px_s[c])
        if abs(late) < SYNC_SIGMAS * sigma or effect < least_px:
            continue
        found.append(
            Finding(
                "warn" if effect < 5 * least_px else "fail",
                "sync",
                (rig.names[c],),
                f"{rig.names[c]} runs {1000 * abs(late):.1f} +- {1000 * sigma:.1f} ms "
                f"{'behind' if late > 0 else 'ahead of'} {other}, beyond the rig's time offsets",
                "Synchronise the cameras (mocap sync), or calibrate again with time offsets",
                {"offset_ms": 1000 * late, "sigma_ms": 1000 * sigma},
            )
        )
        if len(rig) == 2:
            break
    return found


def _scale(sightings: Sightings, points: Triangulation) -> list[Finding]:
    edges = edge_lengths(sightings.target, points)
    if len(edges.length_m) < 10:
        return []
    error = float(np.median(edges.length_m)) / edges.true_m - 1
    if abs(error) <= EDGE_WARN:
        return []
    return [
        Finding(
            "fail" if abs(error) > EDGE_FAIL else "warn",
            "scale",
            (),
            f"lengths come out {100 * error:+.1f} % against the target "
            f"({1000 * edges.true_m * (1 + error):.2f} instead of {1000 * edges.true_m:.2f} mm)",
            "Check that the target is the one described and was so when the rig was calibrated; "
            "then calibrate again",
            {"scale_error": error},
        )
    ]
