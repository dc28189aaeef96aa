"""What camera workers and the central node say to each other.

A message is a ZeroMQ multipart: a JSON header, then one frame per array. The header carries the
protocol's name and version, the session's token, the message's type and fields, and each array's
name, type and shape. Nothing is pickled. `decode` checks all of it, so that a malformed message,
one of another program, or one of another session never gets further than here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mocap.arrays import Float, frozen_array, frozen_equal
from mocap.errors import MessageError
from mocap.model.observations import Detections, Observation

PROTOCOL = "mocap-worker"
VERSION = 1
MAX_HEADER_BYTES = 64 * 1024
MAX_PEOPLE = 1000
MAX_KEYPOINTS = 10_000
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class WorkerReady:
    """The worker has opened its source and loaded its detector.

    Attributes:
        camera: the camera's name.
        startup_s: how long that took.
    """

    camera: str
    startup_s: float


@dataclass(frozen=True)
class WorkerFinished:
    """The source has ended and all was sent.

    Attributes:
        camera: the camera's name.
        frames: frames sent, in this life of the worker.
        decode_s: time spent getting frames.
        detect_s: time spent detecting.
        send_s: time spent sending, waiting for the central node included.
    """

    camera: str
    frames: int
    decode_s: float
    detect_s: float
    send_s: float


@dataclass(frozen=True)
class WorkerFailed:
    """The worker cannot go on.

    Attributes:
        camera: the camera's name.
        error: what happened, in one line.
        permanent: whether starting it again is useless, as with a damaged file.
    """

    camera: str
    error: str
    permanent: bool


@dataclass(frozen=True, eq=False)
class RegionHints:
    """Where people may be in a camera's next images; the only message from the centre to a worker.

    Attributes:
        camera: whom it is for.
        time_ns: capture time, on this camera's clock, of the frame that they were made from.
        regions: x and y of the middle of the hips and the side of the square around the body, in
            pixels, and the angle by which the body is turned against upright, clockwise, radians.
    """

    camera: str
    time_ns: int
    regions: Float[np.ndarray, "regions 4"]

    def __post_init__(self) -> None:
        regions = frozen_array(self.regions, np.float32, (None, 4), "regions")
        if not np.isfinite(regions).all() or not (regions[:, 2] > 0).all():
            raise ValueError("regions hold NaN or infinity, or one has no size")
        object.__setattr__(self, "regions", regions)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, RegionHints)
            and (self.camera, self.time_ns) == (other.camera, other.time_ns)
            and frozen_equal(self.regions, other.regions)
        )


WorkerMessage: TypeAlias = WorkerReady | WorkerFinished | WorkerFailed | Observation
"""What workers say."""
Message: TypeAlias = WorkerMessage | RegionHints
"""What anybody says."""

_SIMPLE: dict[str, type[WorkerReady] | type[WorkerFinished] | type[WorkerFailed]] = {
    "ready": WorkerReady,
    "finished": WorkerFinished,
    "failed": WorkerFailed,
}
_NAME_OF_TYPE = {kind: name for name, kind in _SIMPLE.items()}
_ARRAYS = ("keypoints_px", "confidence", "score")
_FIELD_TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
}


def encode(message: Message, token: str) -> list[bytes]:
    """The frames of a multipart message.

    Args:
        message: what to say.
        token: the session's token.
    """
    header: dict[str, Any] = {"protocol": PROTOCOL, "version": VERSION, "token": token}
    buffers: list[bytes] = []
    if isinstance(message, Observation):
        header["type"] = "observation"
        header["fields"] = {
            "camera": message.camera,
            "frame_index": message.frame_index,
            "time_ns": message.time_ns,
        }
        arrays = [getattr(message.detections, name) for name in _ARRAYS]
        header["arrays"] = [
            {"name": name, "dtype": array.dtype.str, "shape": array.shape}
            for name, array in zip(_ARRAYS, arrays, strict=True)
        ]
        buffers = [array.tobytes() for array in arrays]
    elif isinstance(message, RegionHints):
        header["type"] = "hints"
        header["fields"] = {"camera": message.camera, "time_ns": message.time_ns}
        shape = message.regions.shape
        header["arrays"] = [{"name": "regions", "dtype": message.regions.dtype.str, "shape": shape}]
        buffers = [message.regions.tobytes()]
    else:
        header["type"] = _NAME_OF_TYPE[type(message)]
        header["fields"] = dict(vars(message))
        header["arrays"] = []
    return [json.dumps(header).encode(), *buffers]


def decode(frames: Sequence[bytes], token: str) -> Message:
    """Reads and checks the frames of a multipart message.

    Raises:
        MessageError: the message is malformed, foreign, or of another version or session.
    """
    if not frames or len(frames[0]) > MAX_HEADER_BYTES:
        raise MessageError("a message without a header, or with one that is too long")
    try:
        header = json.loads(frames[0])
    except (ValueError, RecursionError) as error:
        raise MessageError(f"a message whose header is not JSON ({error})") from error
    if not isinstance(header, dict) or header.get("protocol") != PROTOCOL:
        raise MessageError("a message of another program")
    if type(header.get("version")) is not int or header["version"] != VERSION:
        raise MessageError(
            f"a message of version {header.get('version')!r}, expected {VERSION}; "
            f"run the same release everywhere"
        )
    if header.get("token") != token:
        raise MessageError("a message of another session")
    kind, fields = header.get("type"), header.get("fields")
    if not isinstance(fields, dict):
        raise MessageError("a message without fields")
    if kind == "observation":
        return _decode_observation(header, fields, frames[1:])
    if kind == "hints":
        return _decode_hints(header, fields, frames[1:])
    if not isinstance(kind, str) or kind not in _SIMPLE:
        raise MessageError(f"a message of unknown type {kind!r}")
    if len(frames) != 1:
        raise MessageError(f"a message of type {kind!r} with {len(frames) - 1} arrays")
    cls = _SIMPLE[kind]
    types = {name: str(f.type) for name, f in cls.__dataclass_fields__.items()}
    _check_fields(fields, types)
    # JSON does not tell 2 from 2.0.
    values: dict[str, Any] = {
        name: float(value) if types[name] == "float" else value for name, value in fields.items()
    }
    return cls(**values)


def _check_fields(fields: dict[str, Any], types: dict[str, Any]) -> None:
    if set(fields) != set(types):
        raise MessageError(f"a message with fields {sorted(fields)}, expected {sorted(types)}")
    for name, type_name in types.items():
        value, wanted = fields[name], _FIELD_TYPES[str(type_name)]
        wrong = not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool)
        # No number here needs more than 64 bits, and none could be stored.
        wrong = wrong or (isinstance(value, int) and not _LOWEST <= value <= _HIGHEST)
        if wrong or (isinstance(value, float) and not math.isfinite(value)):
            raise MessageError(f"a message whose field {name!r} is {value!r}")


def _decode_observation(
    header: dict[str, Any], fields: dict[str, Any], buffers: Sequence[bytes]
) -> Observation:
    _check_fields(fields, {"camera": "str", "frame_index": "int", "time_ns": "int"})
    if fields["frame_index"] < 0:
        raise MessageError(f"an observation whose frame_index is {fields['frame_index']}")
    arrays = _decode_arrays("an observation", _ARRAYS, header.get("arrays"), buffers)
    try:
        detections = Detections(arrays["keypoints_px"], arrays["confidence"], arrays["score"])
    except ValueError as error:
        raise MessageError(f"an observation that is not valid: {error}") from error
    return Observation(fields["camera"], fields["frame_index"], fields["time_ns"], detections)


def _decode_hints(
    header: dict[str, Any], fields: dict[str, Any], buffers: Sequence[bytes]
) -> RegionHints:
    _check_fields(fields, {"camera": "str", "time_ns": "int"})
    arrays = _decode_arrays("a hint", ("regions",), header.get("arrays"), buffers)
    try:
        return RegionHints(fields["camera"], fields["time_ns"], arrays["regions"])
    except ValueError as error:
        raise MessageError(f"a hint that is not valid: {error}") from error


def _decode_arrays(
    what: str, names: Sequence[str], specs: Any, buffers: Sequence[bytes]
) -> dict[str, np.ndarray]:
    if not isinstance(specs, list) or len(specs) != len(names) or len(buffers) != len(names):
        raise MessageError(f"{what} with {len(buffers)} arrays, expected {len(names)}")
    arrays: dict[str, np.ndarray] = {}
    for name, spec, buffer in zip(names, specs, buffers, strict=True):
        if not isinstance(spec, dict) or spec.get("name") != name or spec.get("dtype") != "<f4":
            raise MessageError(f"{what} whose array {name!r} is described as {spec!r}")
        arrays[name] = _array(what, name, spec.get("shape"), buffer)
    return arrays


def _array(what: str, name: str, shape: Any, buffer: bytes) -> np.ndarray:
    limits = (MAX_PEOPLE, MAX_KEYPOINTS, 2)
    if (
        not isinstance(shape, list)
        or len(shape) > len(limits)
        or any(type(n) is not int or n < 0 for n in shape)
        or any(n > limit for n, limit in zip(shape, limits, strict=False))
    ):
        raise MessageError(f"{what} whose array {name!r} has shape {shape!r}")
    if len(buffer) != 4 * math.prod(shape):
        raise MessageError(f"{what} whose array {name!r} has {len(buffer)} bytes")
    return np.frombuffer(buffer, np.dtype("<f4")).reshape(shape)
