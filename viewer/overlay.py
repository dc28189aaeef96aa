"""Text in pictures: what is shown, the legend, and the names of people and cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mocap.arrays import Float, UInt8
from viewer.colours import BACKGROUND, CAMERA, LEFT, PALE_SAMPLE, RIGHT, TEXT, person_colours
from viewer.feed import Feed, People
from viewer.viewpoint import ViewPoint

REFERENCE_HEIGHT_PX = 720


@dataclass(frozen=True)
class Caption:
    """The lines of text of one picture.

    Attributes:
        title: the first line.
        state: the second line.
    """

    title: str
    state: str


def caption_of(name: str, feed: Feed, frame: int) -> Caption:
    """The caption of a frame, counted from 0 in the table of frames."""
    count = int(feed.counts[frame])
    people = "no people" if count == 0 else f"{count} {'person' if count == 1 else 'people'}"
    number, last = int(feed.frames.number[frame]), int(feed.frames.number[-1])
    time = f"{feed.times_s[frame]:.2f} s"
    return Caption(name, f"frame {number} / {last}    {time}    {people}    {feed.layer}")


@cache
def _font() -> Any:
    import cv2

    return cv2.FontFace("sans")


class Overlay:
    """Writes into one picture, in BGR.

    Args:
        picture: is written into.
    """

    def __init__(self, picture: UInt8[np.ndarray, "height width 3"]) -> None:
        self.picture = picture
        self._height, self._width = picture.shape[:2]
        # Small pictures keep a size that can be read.
        self._scale = max(self._height / REFERENCE_HEIGHT_PX, 0.6)

    def _px(self, size: float) -> int:
        return max(1, round(size * self._scale))

    def _measure(self, text: str, size_px: int, weight: int) -> tuple[int, int]:
        import cv2

        box: Any = cv2.getTextSize((0, 0), text, (0, 0), _font(), size_px, weight)
        return box[0] + box[2], -box[1]

    def _write(
        self, text: str, at: tuple[int, int], colour: Sequence[float], size_px: int, weight: int
    ) -> None:
        import cv2

        # Without room at the right, text would be wrapped rather than cut.
        end = at[0] + self._measure(text, size_px, weight)[0]
        if at[0] < 0 or end >= self._width or not 0 < at[1] < self._height:
            return
        cv2.putText(self.picture, text, at, _bgr(colour), _font(), size_px, weight)

    def caption(self, caption: Caption, *, pale: bool, sides: bool = True) -> None:
        """Writes title, state and the meaning of the colours at the bottom left.

        Args:
            caption: the text.
            pale: whether pale keypoints are drawn and need an explanation.
            sides: whether left and right have colours of their own.
        """
        left, bottom = self._px(22), self._height - self._px(22)
        large, small = self._px(19), self._px(15)
        room = self._width - 2 * left
        title = self._shortened(caption.title, large, 600, room)
        state = self._shortened(caption.state, small, 400, room)
        width = max(self._measure(title, large, 600)[0], self._measure(state, small, 400)[0])
        # The floor lies below.
        below = self.picture[bottom - self._px(78) :, : min(width + 2 * left, self._width)]
        below[:] = (0.15 * below + 0.85 * np.array(_bgr(BACKGROUND))).astype(np.uint8)
        self._write(title, (left, bottom - self._px(52)), TEXT, large, 600)
        self._write(state, (left, bottom - self._px(27)), TEXT, small, 400)
        if sides:
            self._legend(left, bottom, pale)

    def _shortened(self, text: str, size_px: int, weight: int, room_px: int) -> str:
        if self._measure(text, size_px, weight)[0] < room_px:
            return text
        while text and self._measure(text + "...", size_px, weight)[0] >= room_px:
            text = text[:-1]
        return text + "..."

    def _legend(self, x: int, y: int, pale: bool) -> None:
        import cv2

        size, side = self._px(14), self._px(11)
        entries: list[tuple[Sequence[float], str]] = [(LEFT, "left"), (RIGHT, "right")]
        if pale:
            entries.append((PALE_SAMPLE, "pale: uncertain or filled"))
        for colour, text in entries:
            cv2.rectangle(self.picture, (x, y - side + 1), (x + side, y + 1), _bgr(colour), -1)
            self._write(text, (x + side + self._px(7), y + 1), TEXT, size, 400)
            x += side + self._px(26) + self._measure(text, size, 400)[0]

    def label(
        self, text: str, at_px: Float[np.ndarray, " 2"], colour: Sequence[float], size: float
    ) -> None:
        """Writes centred above a pixel, with a light edge; nothing where it is not in sight."""
        if not np.isfinite(at_px).all():
            return
        size_px = self._px(size)
        width, _ = self._measure(text, size_px, 600)
        x, y = round(float(at_px[0]) - width / 2), round(float(at_px[1]))
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            self._write(text, (x + dx, y + dy), BACKGROUND, size_px, 600)
        self._write(text, (x, y), colour, size_px, 600)


def _bgr(colour: Sequence[float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * c) for c in colour)
    return blue, green, red


def label_people(overlay: Overlay, view: ViewPoint, people: People) -> None:
    """Writes each person's id above the head."""
    colours = person_colours(people.ranks)
    for index, pixel in enumerate(view.project(people.label_points_m)):
        text = f"person {people.person_ids[index]}"
        overlay.label(text, pixel, tuple(colours[index]), 16)


def label_cameras(
    overlay: Overlay,
    view: ViewPoint,
    names: Sequence[str],
    points_m: Float[np.ndarray, "cameras 3"],
) -> None:
    """Writes the cameras' names at the given points."""
    for name, pixel in zip(names, view.project(points_m), strict=True):
        overlay.label(name, pixel, CAMERA, 13)
