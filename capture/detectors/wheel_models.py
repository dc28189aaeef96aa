"""The networks in MediaPipe's wheel, run without MediaPipe's own graphs.

Those graphs follow one person per image. The networks are plain TensorFlow Lite files, which
`ai-edge-litert` runs; MediaPipe itself is not imported.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from capture.detectors.native_logs import native_logs_hidden
from mocap.errors import DependencyError

_REMEDY = "run 'pip install mediapipe==0.10.14 ai-edge-litert'"


def model_file(name: str) -> Path:
    """Where one of the networks lies.

    Args:
        name: folder and name without ending, such as "pose_detection/pose_detection".

    Raises:
        DependencyError: mediapipe is not installed, or carries no such file.
    """
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or not spec.submodule_search_locations:
        raise DependencyError(
            f"the detector needs the networks in the package mediapipe, which is not installed; "
            f"{_REMEDY}"
        )
    path = Path(spec.submodule_search_locations[0]) / "modules" / f"{name}.tflite"
    if not path.is_file():
        raise DependencyError(
            f"the installed mediapipe has no modules/{name}.tflite (releases from 0.10.30 on carry "
            f"no networks); {_REMEDY}"
        )
    return path


class Network:
    """One network, with one picture as its input.

    Args:
        name: see `model_file`.
        low: number that stands for black at the input; white is 1.

    Attributes:
        size: width and height of the picture.

    Raises:
        DependencyError: see `model_file`; or ai-edge-litert is missing.
    """

    def __init__(self, name: str, low: float = 0.0) -> None:
        path = model_file(name)
        try:
            with native_logs_hidden():
                from ai_edge_litert.interpreter import Interpreter

                # One thread: the worker processes of the other cameras want the other cores.
                self._interpreter: Any = Interpreter(str(path), num_threads=1)
                self._interpreter.allocate_tensors()
        except ImportError as error:
            raise DependencyError(
                f"the detector needs ai-edge-litert ({error}); {_REMEDY}"
            ) from error
        entry = self._interpreter.get_input_details()[0]
        self.size = int(entry["shape"][1])
        self._input = int(entry["index"])
        self._outputs = [int(o["index"]) for o in self._interpreter.get_output_details()]
        self._scale = np.float32((1.0 - low) / 255.0)
        self._low = np.float32(low)

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """All outputs for a picture of `size` by `size` pixels, in the file's order.

        Args:
            picture: (size, size, 3), uint8.
        """
        values = picture.astype(np.float32) * self._scale + self._low
        self._interpreter.set_tensor(self._input, values[None])
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


def sigmoid(values: np.ndarray) -> np.ndarray:
    """The logistic function, without overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(values, -100.0, 100.0)))
