"""Answers of single-shot detection networks: anchors, decoding, and merging of what overlaps.

The networks (BlazeFace, Bazarevsky et al. 2019; BlazePose, Bazarevsky et al. 2020) state boxes and
keypoints relative to the centres of fixed grids, two or more anchors per cell, all of size 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.detectors.regions import Region
from capture.detectors.wheel_models import Network, sigmoid
from mocap.arrays import Float

_SAME_BOX_IOU = 0.3


@dataclass(frozen=True)
class Found:
    """What a detection network found in a region.

    Attributes:
        score: in [0, 1].
        box: left, top, right, bottom, in sides from the region's upper left corner.
        keypoints_px: the network's keypoints, in pixels of the image.
    """

    score: float
    box: Float[np.ndarray, 4]
    keypoints_px: Float[np.ndarray, "keypoints 2"]


def anchor_centres(size: int, strides: tuple[int, ...]) -> Float[np.ndarray, "anchors 2"]:
    """Centres of the anchors, x and y from 0 to 1.

    Args:
        size: width and height of the network's picture.
        strides: of each layer, in the network's order. Layers of equal stride that follow each
            other share their cells, each with two anchors per layer.
    """
    centres: list[np.ndarray] = []
    done = 0
    while done < len(strides):
        stride = strides[done]
        layers = 1
        while done + layers < len(strides) and strides[done + layers] == stride:
            layers += 1
        cells = -(-size // stride)
        y, x = np.mgrid[:cells, :cells]
        grid = (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) / cells
        centres.append(np.repeat(grid, 2 * layers, axis=0))
        done += layers
    return np.concatenate(centres)


def merge_overlapping(
    boxes: Float[np.ndarray, "n values"], scores: Float[np.ndarray, " n"]
) -> list[tuple[float, Float[np.ndarray, " values"]]]:
    """Averages the boxes that mean the same object, weighted by their scores, best first.

    Args:
        boxes: left, top, right, bottom, then anything else that is to be averaged with them.
        scores: of each.
    """
    order = np.argsort(-scores, kind="stable")
    merged: list[tuple[float, np.ndarray]] = []
    while order.size:
        same = overlap(boxes[order[0], :4], boxes[order, :4]) > _SAME_BOX_IOU
        same[0] = True
        chosen = order[same]
        mean = np.average(boxes[chosen], axis=0, weights=scores[chosen])
        merged.append((float(scores[order[0]]), mean))
        order = order[~same]
    return merged


def overlap(box: Float[np.ndarray, 4], others: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """Intersection over union of one box with others (left, top, right, bottom)."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0.0, None), axis=1)
    area = np.prod(box[2:] - box[:2])
    union = area + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1.0), 0.0)


class AnchorDetector:
    """A detection network with the decoding of its answers.

    Args:
        name: of the network.
        strides: of its layers.
        min_score: what is less sure is left out.
    """

    def __init__(self, name: str, strides: tuple[int, ...], min_score: float) -> None:
        self._network = Network(name, low=-1.0)
        self._anchors = anchor_centres(self._network.size, strides)
        self._min_score = min_score

    def find(self, image: np.ndarray, region: Region) -> list[Found]:
        """The objects in a region of an image, best first.

        Args:
            image: (height, width, 3), uint8.
            region: where to look.
        """
        size = self._network.size
        answers = self._network(region.cut(image, size, black_outside=True))
        # The two outputs differ in their last axis: coordinates, and one score.
        values, logits = sorted((a[0] for a in answers), key=lambda a: -a.shape[-1])
        scores = sigmoid(logits[:, 0].astype(np.float64))
        sure = scores >= self._min_score
        if not sure.any():
            return []
        values, scores, anchors = values[sure] / size, scores[sure], self._anchors[sure]
        centres, half = values[:, :2] + anchors, values[:, 2:4] / 2
        points = values[:, 4:].reshape(len(values), -1, 2) + anchors[:, None]
        rows = np.concatenate(
            [centres - half, centres + half, points.reshape(len(points), -1)], axis=1
        ).astype(np.float64)
        return [
            Found(score, row[:4], region.to_image(row[4:].reshape(-1, 2)))
            for score, row in merge_overlapping(rows, scores)
        ]
