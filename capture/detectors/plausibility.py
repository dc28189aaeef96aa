"""Which skeletons in an image are people: false ones are refused, and doubles become one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capture.detectors.body_network import Body
from mocap.arrays import Float

_SHOULDERS, _HIPS = (11, 12), (23, 24)
_LIMBS = ((11, 13), (13, 15), (12, 14), (14, 16), (23, 25), (25, 27), (24, 26), (26, 28))
_TRUNK = (*_SHOULDERS, *_HIPS)
_COMPARED = (0, *range(11, 17), *range(23, 29))
# Of the trunk's length, seen from the side or foreshortened by leaning towards the camera.
_LONGEST_LIMB = 2.5
_LONGEST_BODY = 6.0
_MIN_TRUNK_PX = 8.0
_MIN_VISIBILITY = 0.5
_MIN_VISIBLE = 5
_SAME_BODY = 0.35
_BONES = (*_LIMBS, (11, 12), (23, 24), (11, 23), (12, 24), (11, 24), (12, 23), (0, 11), (0, 12))
# Half the width of what surrounds a bone, of the trunk's length.
_FLESH = 0.2
_SMALLER = 0.7
_MOSTLY = 0.7
_CLEAR_SCORE = 0.6
_MIN_VISIBLE_UNCLEAR = 8
_TURNED_OVER_RAD = 2.0


def trunk_px(body: Body) -> float:
    """Length of the trunk in the image, or its width where that is more."""
    points = body.landmarks_px
    shoulders, hips = points[list(_SHOULDERS)], points[list(_HIPS)]
    length = np.linalg.norm(shoulders.mean(axis=0) - hips.mean(axis=0))
    width = np.linalg.norm(shoulders[0] - shoulders[1])
    return float(max(length, width))


def is_plausible(body: Body, size: tuple[int, int]) -> bool:
    """Whether a skeleton can be a person's.

    It has a size, enough of it is seen and lies in the image, and no limb is out of proportion to
    the trunk. Foreshortening makes limbs short, so only what is too long speaks against it.

    Args:
        body: the skeleton.
        size: width and height of the image.
    """
    points = body.landmarks_px
    trunk = trunk_px(body)
    if not np.isfinite(points).all() or trunk < _MIN_TRUNK_PX:
        return False
    main = list(_COMPARED)
    inside = ((points >= -0.5) & (points < np.array(size) - 0.5)).all(axis=1)
    visible = (body.visibility >= _MIN_VISIBILITY) & inside
    if visible[main].sum() < _MIN_VISIBLE or not visible[list(_TRUNK)].any():
        return False
    limbs = [np.linalg.norm(points[a] - points[b]) for a, b in _LIMBS if visible[a] and visible[b]]
    if limbs and max(limbs) > _LONGEST_LIMB * trunk:
        return False
    seen = points[main][visible[main]]
    return float(np.ptp(seen, axis=0).max()) <= _LONGEST_BODY * trunk


def body_distance(a: Body, b: Body) -> float:
    """Median distance of the main landmarks, in trunk lengths of the smaller body."""
    main = list(_COMPARED)
    gaps = np.linalg.norm(a.landmarks_px[main] - b.landmarks_px[main], axis=1)
    return float(np.median(gaps)) / max(min(trunk_px(a), trunk_px(b)), 1.0)


def is_well_seen(body: Body, score: float) -> bool:
    """Whether enough of somebody new is seen for how sure the detection was.

    Few people stand on their heads, and things that hang from ceilings look like it, so that takes
    a sure detection. Whoever is known already may turn over.

    Args:
        body: somebody new.
        score: of the detection.
    """
    seen = int((body.visibility[list(_COMPARED)] >= _MIN_VISIBILITY).sum())
    turned_over = abs(body.region.angle_rad) > _TURNED_OVER_RAD
    return score >= _CLEAR_SCORE or (seen >= _MIN_VISIBLE_UNCLEAR and not turned_over)


def lies_on(small: Body, large: Body) -> bool:
    """Whether a smaller skeleton is only part of a larger one: a thigh seen as somebody's trunk.

    Nobody is seen through the body of somebody else, so what lies on it belongs to it.
    """
    trunk = trunk_px(large)
    if trunk_px(small) > _SMALLER * trunk:
        return False
    main = [i for i in _COMPARED if small.visibility[i] >= _MIN_VISIBILITY]
    points = small.landmarks_px[main]
    starts = large.landmarks_px[[a for a, _ in _BONES]]
    along = large.landmarks_px[[b for _, b in _BONES]] - starts
    squared = np.maximum((along**2).sum(axis=1), 1e-9)
    offset = points[:, None] - starts
    share = np.clip((offset * along).sum(axis=2) / squared, 0.0, 1.0)
    gaps = np.linalg.norm(offset - share[..., None] * along, axis=2).min(axis=1)
    return bool((gaps <= _FLESH * trunk).mean() >= _MOSTLY)


def without_doubles(bodies: Sequence[Body], ranks: Sequence[float]) -> list[int]:
    """Positions of the bodies to keep, in their order.

    Of those on the same person the first in rank is kept, and none that is part of a larger one.

    Args:
        bodies: all of one image.
        ranks: of each; the higher is kept.
    """
    kept: list[int] = []
    for i in sorted(range(len(bodies)), key=lambda i: -ranks[i]):
        part = any(lies_on(bodies[i], other) for k, other in enumerate(bodies) if k != i)
        if not part and all(body_distance(bodies[i], bodies[k]) > _SAME_BODY for k in kept):
            kept.append(i)
    return sorted(kept)


def covers(body: Body, point_px: Float[np.ndarray, 2], side_px: float) -> bool:
    """Whether a candidate region means a body that is known already.

    Args:
        body: known.
        point_px: centre of the candidate, which is the middle of its hips.
        side_px: of the candidate.
    """
    own = body.region
    near = float(np.linalg.norm(own.centre_px - point_px)) <= 0.15 * max(own.side_px, side_px)
    return near and 0.5 < own.side_px / max(side_px, 1.0) < 2.0
