"""What camera workers say on the wire, and everything that must not get past `decode`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocap.errors import MessageError
from mocap.model import Detections, Observation
from mocap.model.messages import (
    MAX_HEADER_BYTES,
    MAX_KEYPOINTS,
    MAX_PEOPLE,
    RegionHints,
    WorkerFailed,
    WorkerFinished,
    WorkerReady,
    decode,
    encode,
)

TOKEN = "0123456789abcdef"


def observation(people: int = 2, keypoints: int = 17) -> Observation:
    rng = np.random.default_rng(1)
    pixels = rng.uniform(0, 1000, (people, keypoints, 2)).astype(np.float32)
    confidence = rng.random((people, keypoints)).astype(np.float32)
    if people:
        pixels[0, 3], confidence[0, 3] = np.nan, 0.0
    score = rng.random(people).astype(np.float32)
    return Observation(
        "left cam", 41, 1_790_000_000_123_456_789, Detections(pixels, confidence, score)
    )


def hints(regions: int = 3) -> RegionHints:
    rows = np.random.default_rng(2).uniform(1, 900, (regions, 4)).astype(np.float32)
    return RegionHints("cam", -5, rows)


MESSAGES = (
    hints(),
    hints(regions=0),
    observation(),
    observation(people=0),
    WorkerReady("cam_é 1", 1.25),
    WorkerReady("a", 2),
    WorkerFinished("a", 100, 1.0, 2.5, 0.125),
    WorkerFailed("a", "cannot open\nthe file", True),
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_round_trip(message):
    frames = encode(message, TOKEN)
    assert all(isinstance(frame, bytes) for frame in frames)
    assert decode(frames, TOKEN) == message


@given(st.integers(0, 4), st.integers(0, 9), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_round_trip_of_any_observation_keeps_every_bit(people, keypoints, index, time_ns):
    rng = np.random.default_rng(index % 1000)
    pixels = rng.normal(0, 1e4, (people, keypoints, 2)).astype(np.float32)
    detections = Detections(
        pixels, rng.random((people, keypoints)).astype(np.float32), np.zeros(people)
    )
    sent = Observation("c", index, time_ns, detections)
    got = decode(encode(sent, TOKEN), TOKEN)
    assert isinstance(got, Observation)
    assert (got.frame_index, got.time_ns) == (index, time_ns)
    assert got.detections.keypoints_px.tobytes() == pixels.tobytes()
    assert not got.detections.keypoints_px.flags.writeable


def changed(message: Any = None, **changes: Any) -> list[bytes]:
    """A message whose header is changed; "fields.x" changes a field, None removes."""
    frames = encode(observation() if message is None else message, TOKEN)
    header = json.loads(frames[0])
    for key, value in changes.items():
        place: Any = header
        *path, last = [int(part) if part.isdigit() else part for part in key.split("__")]
        for part in path:
            place = place[part]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return [json.dumps(header).encode(), *frames[1:]]


def test_the_helper_changes_nothing_by_itself():
    assert decode(changed(), TOKEN) == observation()


MALFORMED = {
    "no frames": [],
    "empty header": [b""],
    "not JSON": [b"{..."],
    "not UTF-8": [b"\xff\xfe\xfa{}"],
    "deeply nested": [b"[" * 60_000],
    "a list": [b"[]"],
    "a number": [b"3"],
    "a number of very many digits": [b"1" * 10_000],
    "oversize header": [encode(observation(), TOKEN)[0] + b" " * MAX_HEADER_BYTES],
    "wrong protocol": changed(protocol="other"),
    "no protocol": changed(protocol=None),
    "newer version": changed(version=2),
    "version as text": changed(version="1"),
    "version as bool": changed(version=True),
    "version as float": changed(version=1.0),
    "no version": changed(version=None),
    "wrong token": changed(token="fedcba"),
    "token of another type": changed(token=[1]),
    "no token": changed(token=None),
    "no fields": changed(fields=None),
    "fields are a list": changed(fields=[1]),
    "unknown type": changed(type="shutdown"),
    "type is a list": changed(type=[]),
    "type is a dictionary": changed(type={}),
    "no type": changed(type=None),
    "bool for int": changed(fields__frame_index=True),
    "float for int": changed(fields__frame_index=1.0),
    "text for int": changed(fields__time_ns="5"),
    "negative frame index": changed(fields__frame_index=-1),
    "int of more than 64 bits": changed(fields__time_ns=2**63),
    "int for text": changed(fields__camera=5),
    "missing field": changed(fields__camera=None),
    "surplus field": changed(fields__more=1),
    "NaN for float": changed(WorkerReady("a", 1.0), fields__startup_s=float("nan")),
    "infinity for float": changed(WorkerReady("a", 1.0), fields__startup_s=float("inf")),
    "huge int for float": changed(WorkerReady("a", 1.0), fields__startup_s=10**400),
    "bool for float": changed(WorkerReady("a", 1.0), fields__startup_s=True),
    "int for bool": changed(WorkerFailed("a", "b", True), fields__permanent=1),
    "arrays where none belong": [*encode(WorkerReady("a", 1.0), TOKEN), b"1234"],
    "an array frame is missing": encode(observation(), TOKEN)[:-1],
    "one array frame too many": [*encode(observation(), TOKEN), b""],
    "no array descriptions": changed(arrays=None),
    "too few array descriptions": changed(arrays=[]),
    "array description is text": changed(arrays__0="keypoints_px"),
    "arrays in another order": changed(arrays__0__name="score"),
    "array of doubles": changed(arrays__0__dtype="<f8"),
    "array of objects": changed(arrays__0__dtype="|O"),
    "no shape": changed(arrays__0__shape=None),
    "shape is a number": changed(arrays__0__shape=68),
    "shape of floats": changed(arrays__0__shape=[2.0, 17, 2]),
    "shape of bools": changed(arrays__0__shape=[True, 34, 2]),
    "shape of four axes": changed(arrays__0__shape=[2, 17, 2, 1]),
    "shape and bytes differ": changed(arrays__0__shape=[3, 17, 2]),
    "shapes that do not fit together": changed(arrays__1__shape=[17, 2]),
    "flat keypoints": changed(arrays__0__shape=[2, 34]),
    "scalar shape": changed(arrays__2__shape=[]),
    "negative shape": changed(arrays__0__shape=[-2, -17, 2]),
    "too many people": changed(arrays__0__shape=[MAX_PEOPLE + 1, 17, 2]),
    "too many keypoints": changed(arrays__0__shape=[2, MAX_KEYPOINTS + 1, 2]),
    "three coordinates": changed(arrays__0__shape=[2, 17, 3]),
}


@pytest.mark.parametrize("frames", MALFORMED.values(), ids=MALFORMED)
def test_malformed_messages_are_refused(frames):
    with pytest.raises(MessageError) as error:
        decode(frames, TOKEN)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("array", "place", "value"),
    [
        (0, 0, np.nan),  # a coordinate is NaN but its confidence is not 0
        (0, 0, np.inf),
        (1, 0, 1.5),
        (1, 0, -0.1),
        (1, 0, np.nan),
        (2, 0, np.nan),
        (2, 0, np.inf),
    ],
)
def test_invalid_numbers_in_arrays_are_refused(array, place, value):
    frames = encode(observation(), TOKEN)
    values = np.frombuffer(frames[1 + array], "<f4").copy()
    values[place] = value
    frames[1 + array] = values.tobytes()
    with pytest.raises(MessageError):
        decode(frames, TOKEN)


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_random_bytes_raise_nothing_but_message_errors(frames):
    with pytest.raises(MessageError):
        decode(frames, TOKEN)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
PLACES = (
    *("protocol", "version", "token", "type", "fields", "arrays"),
    *("fields__camera", "fields__frame_index", "fields__time_ns"),
    *("arrays__0", "arrays__1__shape", "arrays__2__dtype", "arrays__0__shape__1"),
)


@given(st.sampled_from(PLACES), json_values, st.binary(max_size=20))
def test_any_value_in_any_place_raises_nothing_but_message_errors(place, value, junk):
    header = json.loads(encode(observation(), TOKEN)[0])
    *path, last = place.split("__")
    inner: Any = header
    for part in path:
        inner = inner[int(part)] if part.isdigit() else inner[part]
    inner[int(last) if last.isdigit() else last] = value
    for buffers in (encode(observation(), TOKEN)[1:], [junk] * 3):
        try:
            message = decode([json.dumps(header).encode(), *buffers], TOKEN)
        except MessageError:
            continue
        assert decode(encode(message, TOKEN), TOKEN) == message


@given(st.data())
def test_flipped_bytes_raise_nothing_but_message_errors(data):
    frames = encode(observation(people=1, keypoints=5), TOKEN)
    which = data.draw(st.integers(0, len(frames) - 1))
    broken = bytearray(frames[which])
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    frames[which] = bytes(broken)
    try:
        decode(frames, TOKEN)
    except MessageError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arrays": []}, "a hint with 1 arrays, expected 1"),
        ({"arrays__0__name": "region"}, "described as"),
        ({"arrays__0__dtype": "<f8"}, "described as"),
        ({"arrays__0__shape": [4, 3]}, "regions"),
        ({"arrays__0__shape": [2, 4]}, "has 48 bytes"),
        ({"arrays__0__shape": [10**7, 4]}, "has shape"),
        ({"fields__time_ns": 2**63}, "time_ns"),
        ({"fields__time_ns": 1.5}, "time_ns"),
        ({"fields__camera": None}, "fields"),
    ],
)
def test_hints_that_are_refused(changes, words):
    with pytest.raises(MessageError, match=words):
        decode(changed(hints(), **changes), TOKEN)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 0.0])
def test_regions_without_size_are_none(value):
    rows = np.array([[10.0, 20.0, value, 0.0]], np.float32)
    with pytest.raises(ValueError, match="regions hold"):
        RegionHints("a", 0, rows)
    frames = encode(RegionHints("a", 0, np.ones((1, 4))), TOKEN)
    with pytest.raises(MessageError, match="a hint that is not valid"):
        decode([frames[0], rows.tobytes()], TOKEN)
