"""Which frames to leave out when there is not enough time for all of them.

Cameras that each leave out whatever they happen to be too slow for hardly ever keep frames of the
same instant, and then nothing can be triangulated. So the frames kept are those whose number is a
multiple of a power of two, counted in frame periods of the session clock: a camera that keeps every
fourth frame and one that keeps every eighth agree in every eighth.
"""

from __future__ import annotations

MAX_STRIDE = 64
_CALM_FRAMES = 8


class Pacer:
    """Chooses the frames of one camera.

    Args:
        period_s: duration of a frame.
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._calm = 0
        self.stride = 1

    def keeps(self, number: int, early_s: float) -> bool:
        """Whether to keep a frame; the numbers of the frames asked for only grow.

        Args:
            number: frame periods since the session's start.
            early_s: how long until the frame is due; negative when it is late.
        """
        if number % self.stride:
            return False
        between_s = self.stride * self._period_s
        if early_s < -between_s:
            self._calm = 0
            self.stride = min(2 * self.stride, MAX_STRIDE)
            return number % self.stride == 0
        self._calm = self._calm + 1 if early_s > between_s / 2 else 0
        if self._calm == _CALM_FRAMES and self.stride > 1:
            self._calm = 0
            self.stride //= 2
        return True
