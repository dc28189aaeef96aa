"""Where the points of the face are on the body model.

Found once: resting heads of three builds were rendered from three directions each, MediaPipe's
face mesh (whose points correspond to those of iBUG 300-W) was cast back onto the skin, and the
median made symmetric and moved to the nearest vertex. Of the jaw line, whose ends are at the rim
of the face as seen from the front, the points lie 1 to 4 mm from the median, in the middle of the
brows 3 mm, all others nearer than 2 mm.
"""

from __future__ import annotations

FACE_VERTICES: tuple[int, ...] = (
    # jaw
    *(5382, 5747, 5082, 5225, 5224, 915, 5278, 5205, 5209, 11799, 11868),
    *(7601, 11817, 11818, 11681, 12328, 11965),
    # brows
    *(5246, 207, 206, 177, 181, 6941, 6937, 6965, 6966, 11838),
    # nose
    *(132, 131, 201, 294, 334, 313, 317, 7060, 7080),
    # eyes
    *(6764, 6, 4849, 70, 50, 41, 6838, 11451, 6774, 13344, 6809, 6818),
    # lips
    *(3719, 5338, 456, 466, 7199, 11924, 10371, 7219, 7225, 492, 486),
    *(480, 430, 472, 474, 7212, 7174, 7263, 523, 534),
)
"""Per point of iBUG 300-W, in its order, the vertex of the model that lies there."""
