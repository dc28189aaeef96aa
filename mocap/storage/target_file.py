"""Descriptions of calibration targets: our TOML, and those of other tools.

Ours is read strictly, since a misspelt key would silently be another board. Lengths are metres;
what can only be millimetres is refused with that remark instead of being rescaled by a guess.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args

from mocap.errors import TargetError, valid_choices
from mocap.files import check_input
from mocap.model import Target
from mocap.model.target import TargetKind
from mocap.storage.target_formats import (
    is_aniposelib,
    is_caliscope,
    is_kalibr,
    is_pose2sim,
    target_from_aniposelib,
    target_from_caliscope,
    target_from_kalibr,
    target_from_pose2sim,
)
from mocap.storage.target_values import flag_of, integer_of, length_of, pair_of, text_of

KEYS = (
    "kind",
    "squares",
    "inner_corners",
    "square_m",
    "marker_m",
    "dictionary",
    "legacy_pattern",
    "inverted",
    "first_marker",
)
"""Keys of our file."""
YAML_SUFFIXES = (".yaml", ".yml")


def load_target(path: Path) -> Target:
    """Reads a target's description: ours, or that of Caliscope, aniposelib, Pose2Sim or Kalibr.

    Raises:
        InputError: the file is missing or cannot be read.
        TargetError: it does not describe a target; one line says which key is wrong and why.
    """
    check_input(path, "target file")
    try:
        text = path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        raise TargetError(f"{path} is no text file; name the TOML file of the target") from error
    if path.suffix.lower() in YAML_SUFFIXES:
        return target_from_yaml(text, str(path))
    return target_from_toml(text, str(path))


def target_from_toml(text: str, source: str) -> Target:
    """Reads a target from the text of a TOML file.

    Args:
        text: content of the file.
        source: how the file is called in errors.

    Raises:
        TargetError: it does not describe a target.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TargetError(f"{source} is not valid TOML: {error}; correct that place") from error
    try:
        if is_caliscope(document):
            return target_from_caliscope(document)
        if is_aniposelib(document):
            return target_from_aniposelib(document)
        if is_pose2sim(document):
            return target_from_pose2sim(document)
        return _own_target(document)
    except TargetError as error:
        raise TargetError(f"{source}: {error}") from error


def target_from_yaml(text: str, source: str) -> Target:
    """Reads a target from the text of a YAML file of Kalibr.

    Args:
        text: content of the file.
        source: how the file is called in errors.

    Raises:
        TargetError: it does not describe a target.
    """
    import yaml

    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise TargetError(f"{source} is not valid YAML: {where}; correct that place") from error
    if not isinstance(document, dict) or not is_kalibr(cast(dict[str, Any], document)):
        raise TargetError(
            f"{source} describes no target of Kalibr; expected target_type, tagCols, tagRows, "
            f"tagSize and tagSpacing, or a TOML file"
        )
    try:
        return target_from_kalibr(cast(dict[str, Any], document))
    except TargetError as error:
        raise TargetError(f"{source}: {error}") from error


def target_to_toml(target: Target) -> str:
    """Writes a target as text from which `target_from_toml` makes an equal one."""
    lines = [
        "# A calibration target; lengths in metres, measured on the print.",
        f'kind = "{target.kind}"',
        f"squares = [{target.squares[0]}, {target.squares[1]}]",
    ]
    if target.kind == "chessboard":
        lines.append(f"inner_corners = [{target.shape[0]}, {target.shape[1]}]")
    lines.append(f"square_m = {float(target.square_m)!r}")
    if target.marker_m is not None:
        lines.append(f"marker_m = {float(target.marker_m)!r}")
        lines.append(f'dictionary = "{target.dictionary}"')
    if target.kind == "charuco":
        lines.append(f"legacy_pattern = {str(target.legacy_pattern).lower()}")
    lines.append(f"inverted = {str(target.inverted).lower()}")
    if target.first_marker:
        lines.append(f"first_marker = {target.first_marker}")
    return "\n".join(lines) + "\n"


def _own_target(document: Mapping[str, Any]) -> Target:
    kinds = get_args(TargetKind)
    if "kind" not in document:
        raise TargetError(
            f"describes no target (it has {valid_choices(document)}); expected kind = one of "
            f"{', '.join(kinds)}, squares, square_m, and for markers marker_m and dictionary"
        )
    for key in document:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1, 0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TargetError(f"unknown key {key!r}, keys are {valid_choices(KEYS)}{hint}")
    kind = text_of(document, "kind")
    if kind not in kinds:
        raise TargetError(f"kind is {kind!r}, expected one of {', '.join(kinds)}; correct it")
    marker_m = length_of(document, "marker_m") if "marker_m" in document else None
    return Target(
        cast(TargetKind, kind),
        _squares(document, kind),
        length_of(document, "square_m"),
        marker_m,
        text_of(document, "dictionary") if "dictionary" in document else None,
        flag_of(document, "legacy_pattern"),
        flag_of(document, "inverted"),
        integer_of(document, "first_marker") if "first_marker" in document else 0,
    )


def _squares(document: Mapping[str, Any], kind: str) -> tuple[int, int]:
    """Squares as given, or as the inner corners of a chessboard tell.

    Raises:
        TargetError: neither is given, or they contradict each other.
    """
    if "inner_corners" not in document:
        return pair_of(document, "squares")
    if kind != "chessboard":
        raise TargetError(f"inner_corners is for a chessboard, kind is {kind!r}; give squares")
    corners = pair_of(document, "inner_corners")
    squares = (corners[0] + 1, corners[1] + 1)
    if "squares" in document and pair_of(document, "squares") != squares:
        given = pair_of(document, "squares")
        raise TargetError(
            f"squares {given[0]}x{given[1]} and inner_corners {corners[0]}x{corners[1]} do not fit "
            f"together, as inner corners are one less in each direction; correct one or remove it"
        )
    return squares
