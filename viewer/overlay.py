"""Text in pictures: what is shown, the legend, and the names of people and cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mocap.arrays import Float, UInt8
from viewer.colours import BACKGROUND, CAMERA, LEFT, RIGHT, TEXT, person_colours
from viewer.feed import Feed, People
from viewer.viewpoint import ViewPoint

REFERENCE_HEIGHT_PX = 720
LABEL_ABOVE_M = 0.13


@dataclass(frozen=True)
class Caption:
    """The lines of text of one picture.

    Attributes:
        title: top left, first line.
        state: top left, second line.
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

    def caption(self, caption: Caption) -> None:
        """Writes title and state at the top left."""
        left, size = self._px(22), self._px(19)
        state_size = self._px(15)
        room = self._width - 2 * left
        title = self._shortened(caption.title, size, 600, room)
        state = self._shortened(caption.state, state_size, 400, room)
        width = max(self._measure(title, size, 600)[0], self._measure(state, state_size, 400)[0])
        # Names of cameras may lie below.
        below = self.picture[: self._px(74), : width + 2 * left]
        below[:] = (0.15 * below + 0.85 * np.array(_bgr(BACKGROUND))).astype(np.uint8)
        self._write(title, (left, self._px(36)), TEXT, size, 600)
        self._write(state, (left, self._px(60)), TEXT, state_size, 400)

    def _shortened(self, text: str, size_px: int, weight: int, room_px: int) -> str:
        if self._measure(text, size_px, weight)[0] < room_px:
            return text
        while text and self._measure(text + "...", size_px, weight)[0] >= room_px:
            text = text[:-1]
        return text + "..."

    def legend(self, *, pale: bool) -> None:
        """Writes what the colours mean at the bottom left; `pale` where pale ones are drawn."""
        import cv2

        x, y, size = self._px(22), self._height - self._px(22), self._px(14)
        side = self._px(11)
        entries: list[tuple[Sequence[float], str]] = [(LEFT, "left"), (RIGHT, "right")]
        if pale:
            entries.append(((0.78, 0.79, 0.81), "pale: uncertain or filled"))
        for colour, text in entries:
            top = (x, y - side + 1)
            cv2.rectangle(self.picture, top, (x + side, y + 1), _bgr(colour), -1, cv2.LINE_AA)
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
    for index, person_id in enumerate(people.person_ids):
        points = people.points_m[index]
        middle = np.nanmedian(points, axis=0)
        top = np.array([middle[0], middle[1], np.nanpercentile(points[:, 2], 98) + LABEL_ABOVE_M])
        overlay.label(f"person {person_id}", view.project(top), tuple(colours[index]), 16)


def label_cameras(
    overlay: Overlay,
    view: ViewPoint,
    names: Sequence[str],
    points_m: Float[np.ndarray, "cameras 3"],
) -> None:
    """Writes the cameras' names at the given points."""
    for name, pixel in zip(names, view.project(points_m), strict=True):
        overlay.label(name, pixel, CAMERA, 13)
