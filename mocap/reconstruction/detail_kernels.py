"""Hands and faces tied to the body that carries them.

Whole-body detectors look for hands and faces in regions of their own, and find those of somebody
else there, or the other hand.
"""

# pyright: basic

from __future__ import annotations

import math

from mocap.compiled import kernel
from mocap.geometry.ray_space import miss
from mocap.reconstruction.swap_kernels import HANDS, exchange


@kernel
def _place(frames, c, anchor, conf, prior, centers, depth):
    """Where view c shows the anchor, at that depth, or else where it is expected; NaN unknown."""
    if conf[c, anchor] > 0:
        return (
            centers[c, 0] + depth * frames[c, anchor, 0, 0],
            centers[c, 1] + depth * frames[c, anchor, 0, 1],
            centers[c, 2] + depth * frames[c, anchor, 0, 2],
        )
    return prior[anchor, 0], prior[anchor, 1], prior[anchor, 2]


@kernel
def _off(frames, c, k, place, centers):
    """Metres between keypoint k of view c and a place, across the line of sight; -1 unknown."""
    if not math.isfinite(place[0]):
        return -1.0
    r1, r2, z = miss(frames, c, k, centers, c, place[0], place[1], place[2])
    return z * math.sqrt(r1 * r1 + r2 * r2)


@kernel
def tie_in_view(
    frames,
    conf,
    c,
    prior,
    middle,
    centers,
    hands,
    wrists,
    face,
    head,
    mirror,
    part_bits,
    hand_reach,
    face_reach,
):
    """Exchanges hands that hang on the wrong wrists, and drops what belongs to nobody; in place.

    Takes:
        frames, conf: (C, K, 3, 3), (C, K) the person's views; c: one of them.
        prior: (K, 3) expected positions, NaN for none; middle: (3) of the person.
        hands: (2, H) keypoints of left and right hand, the root first; wrists: (2) of the body.
        face, head: keypoints of the face, and of the body's head.
        hand_reach, face_reach: farther from wrist and head nothing is believed, metres.

    Returns:
        `HANDS` if left and right hand were exchanged, else 0.
    """
    depth = 0.0
    for i in range(3):
        depth += (middle[i] - centers[c, i]) ** 2
    depth = math.sqrt(depth)
    bits = 0
    if hands.shape[1]:
        wrong, crossed = 0, 0
        at_wrist = (
            _place(frames, c, wrists[0], conf, prior, centers, depth),
            _place(frames, c, wrists[1], conf, prior, centers, depth),
        )
        for h in range(2):
            root = hands[h, 0]
            if not conf[c, root] > 0:
                continue
            own = _off(frames, c, root, at_wrist[h], centers)
            other = _off(frames, c, root, at_wrist[1 - h], centers)
            if own > hand_reach:
                wrong += 1
                crossed += other >= 0 and other < hand_reach and other < 0.5 * own
        present = (conf[c, hands[0, 0]] > 0) + (conf[c, hands[1, 0]] > 0)
        if wrong == present and crossed == present and present > 0:
            exchange(frames, conf, c, mirror, part_bits, HANDS)
            bits = HANDS
        for h in range(2):
            root = hands[h, 0]
            seen = False
            for k in hands[h]:
                seen = seen or conf[c, k] > 0
            if not seen:
                continue
            own = hand_reach
            if conf[c, root] > 0:
                own = _off(frames, c, root, at_wrist[h], centers)
            else:
                # Without a root, the nearest of the fingers must be in reach of a hand's length.
                own = math.inf
                for k in hands[h]:
                    if conf[c, k] > 0:
                        off = _off(frames, c, k, at_wrist[h], centers)
                        own = min(own, off - 0.1)
            if own > hand_reach:
                for k in hands[h]:
                    conf[c, k] = 0.0
    if len(face):
        total, n = 0.0, 0
        for anchor in head:
            if conf[c, anchor] > 0 or math.isfinite(prior[anchor, 0]):
                place = _place(frames, c, anchor, conf, prior, centers, depth)
                for k in face:
                    if conf[c, k] > 0:
                        total += _off(frames, c, k, place, centers)
                        n += 1
                break
        if n and total / n > face_reach:
            for k in face:
                conf[c, k] = 0.0
    return bits


@kernel
def tie_in_space(points, used, hands, wrists, face, head, hand_reach, face_reach):
    """Drops hands and a face that are away from wrist and head in space; in place.

    Takes:
        points: (K, 3), set to NaN; used: (C, K), set to false.
        the rest: see `tie_in_view`.
    """
    for h in range(2):
        if not hands.shape[1]:
            break
        root, w = hands[h, 0], wrists[h]
        if not (math.isfinite(points[root, 0]) and math.isfinite(points[w, 0])):
            continue
        d2 = 0.0
        for i in range(3):
            d2 += (points[root, i] - points[w, i]) ** 2
        if d2 > hand_reach * hand_reach:
            for k in hands[h]:
                points[k] = math.nan
                used[:, k] = False
    if not len(face):
        return
    for anchor in head:
        if not math.isfinite(points[anchor, 0]):
            continue
        total, n = 0.0, 0
        for k in face:
            if math.isfinite(points[k, 0]):
                d2 = 0.0
                for i in range(3):
                    d2 += (points[k, i] - points[anchor, i]) ** 2
                total += math.sqrt(d2)
                n += 1
        if n and total / n > face_reach:
            for k in face:
                points[k] = math.nan
                used[:, k] = False
        break
