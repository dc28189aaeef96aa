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
from dataclasses import dataclass

import numpy as np

from calibration.checks.board_pose import board_pose, reprojection_px
from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding, listed
from mocap.arrays import Float
from mocap.model import Intrinsics, Target

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
    target, rig, tracks = evidence.sightings.target, evidence.rig, evidence.tracks
    bad = BAD_PX * evidence.scale_px
    # Whoever agrees to a pixel with everybody has no such problem; the search is not free.
    if evidence.seen.rmse_px() < 0.3 * bad:
        return found
    usable = [m for m in MISTAKES if m.key == "mirrored_image" or target.kind != "marker_grid"]
    agree: dict[tuple[int, int], float] = {}
    explained: dict[tuple[int, int], dict[str, float]] = {}
    for a, b in itertools.combinations(range(len(rig)), 2):
        common = (tracks.seen[a] & tracks.seen[b]).sum(axis=1)
        rows = np.flatnonzero(common >= 6)
        if len(rows) < MIN_FRAMES:
            continue
        rows = rows[np.linspace(0, len(rows) - 1, min(FRAMES, len(rows))).round().astype(int)]
        lenses = (rig.cameras[a].intrinsics, rig.cameras[b].intrinsics)
        pixels = (tracks.pixels[a, rows], tracks.pixels[b, rows])
        agree[a, b] = pair_error_px(target, lenses, pixels)
        if agree[a, b] > bad:
            explained[a, b] = {
                m.key: pair_error_px(
                    target, lenses, (pixels[0], changed(m.key, target, lenses[1], pixels[1]))
                )
                for m in usable
            }
    for mistake in usable:
        turned = {
            pair
            for pair, errors in explained.items()
            if errors[mistake.key] == min(errors.values())
            and errors[mistake.key] < min(agree[pair] / GAIN, bad)
        }
        straight = {pair for pair, error in agree.items() if error <= bad}
        if not turned:
            continue
        wrong, certain = _minority(len(rig), turned, straight)
        names = tuple(rig.names[c] for c in wrong)
        worst = max(agree[pair] for pair in turned)
        left = max(explained[pair][mistake.key] for pair in turned)
        who = listed(names) if certain else " or ".join(names)
        found.append(
            Finding(
                "fail",
                mistake.key,
                names,
                f"{who} {mistake.words}: the cameras contradict each other by {worst:.0f} px, with "
                f"this undone by {left:.1f} px",
                mistake.remedy,
                {"error_px": worst, "undone_px": left},
            )
        )
    return found


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
