"""Is the target what its description says, and does every camera deliver its image unmirrored?

A flat target that is mirrored, or whose points are numbered the other way round, fits each single
camera perfectly: it is taken for its own back. Only between cameras does it contradict. So for
pairs of cameras the relative pose is taken from one instant and tried at the others, once as
things are and once under each thing that may have gone wrong; what makes the pair agree is what
has happened.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.checks.board_pose import board_pose, reprojection_px
from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding, listed
from calibration.checks.tracks import tracks_of_sightings
from calibration.sightings import Sightings
from mocap.arrays import Float
from mocap.model import Camera, Intrinsics, Rig, Target

FRAMES = 12
MIN_FRAMES = 4
BAD_PX = 6.0
"""A pair agrees worse than this only if something is wrong, at 1000 px of focal length."""
GAIN = 4.0


@dataclass(frozen=True)
class Mistake:
    """Something that may have gone wrong in a camera.

    Attributes:
        key: stable name.
        words: what it is; with the camera's name before it.
        remedy: what to do.
    """

    key: str
    words: str
    remedy: str


MISTAKES = (
    Mistake(
        "mirrored_image",
        "delivers mirrored pictures, or sees a mirrored print",
        "Switch mirroring off in the camera's software and film again",
    ),
    Mistake(
        "mirrored_layout",
        "numbers the target's points from the other side: the layout is mirrored",
        "Check the target's description against the print (rows and columns, legacy pattern), and "
        "that the print was not mirrored by the printer",
    ),
    Mistake(
        "turned_layout",
        "numbers the target's points from the opposite corner",
        "Use a target that looks different when turned by half a turn: a ChArUco board, or a "
        "chessboard with an odd number of squares on one side and an even number on the other",
    ),
)


def changed(
    mistake: str, target: Target, lens: Intrinsics, pixels: Float[np.ndarray, "*batch points 2"]
) -> Float[np.ndarray, "*batch points 2"]:
    """The pixels as they would be without the mistake."""
    if mistake == "mirrored_image":
        result = pixels.copy()
        result[..., 0] = lens.size[0] - 1 - result[..., 0]
        return result
    nx, ny = target.shape
    grid = pixels.reshape(*pixels.shape[:-2], ny, nx, 2)
    grid = grid[..., ::-1, :] if mistake == "mirrored_layout" else grid[..., ::-1, ::-1, :]
    return grid.reshape(pixels.shape)


def pair_error_px(
    target: Target,
    lenses: tuple[Intrinsics, Intrinsics],
    pixels: tuple[Float[np.ndarray, "instants points 2"], Float[np.ndarray, "instants points 2"]],
) -> float:
    """How badly the best single relative pose of two cameras transfers the target from the first
    to the second at other instants: median RMSE in pixels; infinite with too few poses."""
    poses = [
        [board_pose(lens, target.points_m, one) for one in seen]
        for lens, seen in zip(lenses, pixels, strict=True)
    ]
    both = [i for i, (p, q) in enumerate(zip(*poses, strict=True)) if p and q]
    if len(both) < MIN_FRAMES:
        return float("inf")
    first = {i: p[0] for i in both if (p := poses[0][i])}
    second = {i: q[0] for i in both if (q := poses[1][i])}
    best = float("inf")
    for i in both:
        relative = second[i] @ np.linalg.inv(first[i])
        misses = [
            reprojection_px(lenses[1], target.points_m, pixels[1][j], relative @ first[j])
            for j in both
            if j != i
        ]
        best = min(best, float(np.median(misses)))
    return best


def check_layout(evidence: Evidence) -> list[Finding]:
    """Mirrored pictures and layouts, and points numbered from the wrong corner."""
    if evidence.sightings is None:
        return []
    found = _all_mirrored(evidence)
    bad = BAD_PX * evidence.scale_px
    # Whoever agrees to a pixel with everybody has no such problem; the search is not free.
    if evidence.seen.rmse_px() < 0.3 * bad:
        return found
    lenses = [camera.intrinsics for camera in evidence.rig]
    target, tracks = evidence.sightings.target, evidence.tracks
    return found + layout_mistakes(target, evidence.rig.names, lenses, tracks.pixels, bad)


def layout_mistakes(
    target: Target,
    names: Sequence[str],
    lenses: Sequence[Intrinsics],
    pixels: Float[np.ndarray, "cameras instants points 2"],
    bad_px: float,
) -> list[Finding]:
    """What makes pairs of cameras agree that do not; needs no poses of cameras.

    Args:
        target: the board.
        names: of the cameras.
        lenses: of the cameras.
        pixels: of the board's points at common instants; NaN where not seen.
        bad_px: pairs that agree worse have something wrong.
    """
    usable = [m for m in MISTAKES if m.key == "mirrored_image" or not target.is_marker_grid]
    seen = np.asarray(np.isfinite(pixels).all(axis=-1))
    agree: dict[tuple[int, int], float] = {}
    explained: dict[tuple[int, int], dict[str, float]] = {}
    for a, b in itertools.combinations(range(len(names)), 2):
        common = (seen[a] & seen[b]).sum(axis=1)
        rows = np.flatnonzero(common >= 6)
        if len(rows) < MIN_FRAMES:
            continue
        rows = rows[np.linspace(0, len(rows) - 1, min(FRAMES, len(rows))).round().astype(int)]
        both = (lenses[a], lenses[b])
        shown = (pixels[a, rows], pixels[b, rows])
        agree[a, b] = pair_error_px(target, both, shown)
        if agree[a, b] > bad_px:
            explained[a, b] = {
                m.key: pair_error_px(
                    target, both, (shown[0], changed(m.key, target, lenses[b], shown[1]))
                )
                for m in usable
            }
    found: list[Finding] = []
    for mistake in usable:
        turned = {
            pair
            for pair, errors in explained.items()
            if errors[mistake.key] == min(errors.values())
            and errors[mistake.key] < min(agree[pair] / GAIN, bad_px)
        }
        straight = {pair for pair, error in agree.items() if error <= bad_px}
        if not turned:
            continue
        wrong, certain = _minority(len(names), turned, straight)
        blamed = tuple(names[c] for c in wrong)
        worst = max(agree[pair] for pair in turned)
        left = max(explained[pair][mistake.key] for pair in turned)
        who = listed(blamed) if certain else " or ".join(blamed)
        found.append(
            Finding(
                "fail",
                mistake.key,
                blamed,
                f"{who} {mistake.words}: the cameras contradict each other by {worst:.0f} px, with "
                f"this undone by {left:.1f} px",
                mistake.remedy,
                {"error_px": worst, "undone_px": left},
            )
        )
    return found


def layout_explanation(
    sightings: Sightings, lenses: Mapping[str, Intrinsics], offsets_s: Mapping[str, float]
) -> str | None:
    """Why cameras agree on no pose at all, where a mirrored or turned board is the cause: one
    camera alone against the others is then left without any pose, and without a verdict.

    Args:
        sightings: of the board.
        lenses: by name.
        offsets_s: time offsets as far as they are known, by name.
    """
    cameras = tuple(
        Camera(name, lenses[name], np.eye(4), offsets_s.get(name, 0.0))
        for name in sightings.names
        if name in lenses
    )
    if len(cameras) < 2:
        return None
    tracks = tracks_of_sightings(Rig(cameras), sightings)
    known = [camera.intrinsics for camera in cameras]
    bad_px = BAD_PX * max(float(np.median([lens.focal_px for lens in known])) / 1000, 0.5)
    found = layout_mistakes(sightings.target, tracks.names, known, tracks.pixels, bad_px)
    return "; ".join(f"{each.seen}. {each.remedy}" for each in found) or None


def _all_mirrored(evidence: Evidence) -> list[Finding]:
    assert evidence.sightings is not None
    flags = [camera.mirrored for camera in evidence.sightings.cameras if len(camera)]
    every = np.concatenate(flags) if flags else np.zeros(0, bool)
    if len(every) < 8 or every.mean() < 0.95:
        return []
    return [
        Finding(
            "warn",
            "mirrored_image",
            (),
            f"all cameras saw the target mirrored ({100 * every.mean():.0f} % of the pictures): "
            f"the print is mirrored, or its back was shown",
            "Poses are right all the same; print the target unmirrored, or check which side of the "
            "floor is up",
            {"mirrored_share": float(every.mean())},
        )
    ]


def _minority(
    cameras: int, turned: set[tuple[int, int]], straight: set[tuple[int, int]]
) -> tuple[list[int], bool]:
    """The cameras on the smaller side of a two-colouring, and whether it is smaller."""
    colour: dict[int, int] = {}
    for start in range(cameras):
        if start in colour or not any(start in pair for pair in turned):
            continue
        colour[start] = 0
        front = deque([start])
        while front:
            here = front.popleft()
            for links, flip in ((turned, 1), (straight, 0)):
                for a, b in links:
                    if here in (a, b):
                        other = b if here == a else a
                        if other not in colour:
                            colour[other] = colour[here] ^ flip
                            front.append(other)
    sides = [[c for c in sorted(colour) if colour[c] == k] for k in (0, 1)]
    sides.sort(key=len)
    if len(sides[0]) == len(sides[1]):
        return sorted(sides[0] + sides[1]), False
    return sides[0], True
