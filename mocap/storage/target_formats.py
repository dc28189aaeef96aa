"""Targets as other tools describe them: Caliscope, aniposelib, Pose2Sim, Kalibr.

Caliscope's `charuco.toml` has the size of the paper; without `square_size_override_cm`, which is
measured on the print, its squares are the largest that fit on it. The files of aniposelib and
Pose2Sim have lengths without a unit, usually millimetres: what cannot be told apart is refused.
Kalibr has metres, but its `tagSpacing` is the gap between two tags as a share of a tag.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mocap.errors import TargetError
from mocap.model import Target
from mocap.storage.target_values import (
    flag_of,
    integer_of,
    length_of,
    number_of,
    pair_of,
    text_of,
    value_of,
)

METRES_PER_UNIT = {"inch": 0.0254, "cm": 0.01, "mm": 0.001, "m": 1.0}
CALISCOPE_OVERRIDES = ("square_size_override_cm", "square_size_overide_cm")
"""Earlier versions of Caliscope misspell it."""
DIGITS = 9
"""Lengths are rounded to nanometres, so that 5.4 cm is 0.054 m."""
APRILGRID_DICTIONARY = "DICT_APRILTAG_36h11"
"""The tags that Kalibr looks for."""
KALIBR_TARGETS = ("aprilgrid", "checkerboard", "circlegrid")
POSE2SIM_SECTIONS = ("intrinsics", "extrinsics")


def is_caliscope(document: Mapping[str, Any]) -> bool:
    """Whether this is a `charuco.toml` of Caliscope."""
    return "kind" not in document and "columns" in document and "rows" in document


def target_from_caliscope(document: Mapping[str, Any]) -> Target:
    """The target of a `charuco.toml`.

    Raises:
        TargetError: a key is missing or odd.
    """
    squares = pair_of(
        {"columns, rows": [value_of(document, "columns"), value_of(document, "rows")]},
        "columns, rows",
    )
    override = next((document[key] for key in CALISCOPE_OVERRIDES if document.get(key)), None)
    if override is not None:
        square_m = number_of({CALISCOPE_OVERRIDES[0]: override}, CALISCOPE_OVERRIDES[0]) / 100
        if square_m > 1:
            raise TargetError(
                f"{CALISCOPE_OVERRIDES[0]} is {override}, which would be {square_m:g} m; it is in "
                f"centimetres, write {override / 10:g} if it was measured in millimetres"
            )
    else:
        units = text_of(document, "units")
        if units not in METRES_PER_UNIT:
            raise TargetError(f'units is {units!r}, expected "inch" or "cm"; correct it')
        width = number_of(document, "board_width") / squares[0]
        height = number_of(document, "board_height") / squares[1]
        square_m = min(width, height) * METRES_PER_UNIT[units]
    scale = number_of(document, "aruco_scale")
    if scale >= 1:
        raise TargetError(f"aruco_scale is {scale:g}, expected less than 1; correct it")
    return Target(
        "charuco",
        squares,
        round(square_m, DIGITS),
        round(square_m * scale, DIGITS),
        text_of(document, "dictionary"),
        flag_of(document, "legacy_pattern"),
        flag_of(document, "inverted"),
    )


def is_aniposelib(document: Mapping[str, Any]) -> bool:
    """Whether this has the board of an anipose `config.toml`."""
    return "kind" not in document and "board_type" in _calibration(document)


def target_from_aniposelib(document: Mapping[str, Any]) -> Target:
    """The board in the section `[calibration]` of an anipose `config.toml`.

    Raises:
        TargetError: a key is missing or odd, the kind of board has no counterpart, or the unit
            of its lengths cannot be told.
    """
    table = _calibration(document)
    kind = text_of(table, "board_type")
    size = pair_of(table, "board_size")
    square = number_of(table, "board_square_side_length")
    metres = _metres_per_unit(square, "board_square_side_length")
    if kind in ("checkerboard", "chessboard"):
        # The size counts inner corners there, and squares only with markers.
        return Target("chessboard", (size[0] + 1, size[1] + 1), round(square * metres, DIGITS))
    if kind != "charuco":
        raise TargetError(
            f'board_type is {kind!r}, expected "charuco" or "checkerboard"; describe the board '
            f"with kind, squares, square_m, marker_m and dictionary"
        )
    bits, held = value_of(table, "board_marker_bits"), value_of(table, "board_marker_dict_number")
    return Target(
        "charuco",
        size,
        round(square * metres, DIGITS),
        round(number_of(table, "board_marker_length") * metres, DIGITS),
        f"DICT_{bits}X{bits}_{held}",
    )


def is_pose2sim(document: Mapping[str, Any]) -> bool:
    """Whether this is a `Config.toml` of Pose2Sim with a board."""
    return "kind" not in document and bool(_pose2sim_boards(document))


def target_from_pose2sim(document: Mapping[str, Any]) -> Target:
    """The chessboard of a Pose2Sim `Config.toml`, whose lengths are millimetres.

    Raises:
        TargetError: a key is missing or odd, or there are two different boards.
    """
    boards = {
        name: (
            pair_of(table, f"{name}_corners_nb"),
            number_of(table, f"{name}_square_size"),
        )
        for name, table in _pose2sim_boards(document).items()
    }
    if len(set(boards.values())) > 1:
        raise TargetError(
            "has different boards for intrinsics and extrinsics; write each into a target file of "
            'its own (kind = "chessboard", inner_corners, square_m) and calibrate in two steps'
        )
    corners, square_mm = next(iter(boards.values()))
    if square_mm < 1:
        raise TargetError(
            f"the square size is {square_mm:g}, which would be {square_mm:g} mm; it is in "
            f"millimetres, write {1000 * square_mm:g}"
        )
    # Pose2Sim counts rows first.
    return Target("chessboard", (corners[1] + 1, corners[0] + 1), square_mm / 1000)


def is_kalibr(document: Mapping[str, Any]) -> bool:
    """Whether this is the description of a target of Kalibr."""
    return "target_type" in document


def target_from_kalibr(document: Mapping[str, Any]) -> Target:
    """The target of a YAML file of Kalibr (`aslam_offline_calibration`, ConfigReader).

    Raises:
        TargetError: a key is missing or odd, or the kind of target has no counterpart.
    """
    kind = text_of(document, "target_type")
    if kind == "aprilgrid":
        size = integer_of(document, "tagCols"), integer_of(document, "tagRows")
        side = length_of(document, "tagSize")
        spacing = number_of(document, "tagSpacing")
        if spacing > 1:
            raise TargetError(
                f"tagSpacing is {spacing:g}, expected the gap between two tags as a share of "
                f"tagSize, 0 to 1; correct it"
            )
        square = round(side * (1 + spacing), DIGITS)
        return Target("aprilgrid", size, square, side, APRILGRID_DICTIONARY)
    if kind == "checkerboard":
        # Inner corners are counted there.
        corners = integer_of(document, "targetCols"), integer_of(document, "targetRows")
        across = length_of(document, "colSpacingMeters")
        if abs(across - length_of(document, "rowSpacingMeters")) > 1e-6 * across:
            raise TargetError(
                "rowSpacingMeters and colSpacingMeters differ; only boards with squares can be used"
            )
        return Target("chessboard", (corners[0] + 1, corners[1] + 1), across)
    if kind not in KALIBR_TARGETS:
        raise TargetError(
            f"target_type is {kind!r}, expected one of {', '.join(KALIBR_TARGETS[:2])}; correct it"
        )
    raise TargetError(
        f"target_type is {kind!r}, which cannot be used; print an AprilGrid, a ChArUco board or a "
        f"chessboard (mocap board)"
    )


def _calibration(document: Mapping[str, Any]) -> Mapping[str, Any]:
    table = document.get("calibration")
    return table if isinstance(table, dict) else document


def _pose2sim_boards(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The sections with boards, by "intrinsics" and "extrinsics"."""
    calculate = _calibration(document).get("calculate")
    if not isinstance(calculate, dict):
        return {}
    boards: dict[str, Mapping[str, Any]] = {}
    for name in POSE2SIM_SECTIONS:
        table = calculate.get(name)
        if not isinstance(table, dict):
            continue
        for each in (table, table.get("board")):
            if isinstance(each, dict) and f"{name}_corners_nb" in each:
                boards[name] = each
    method = calculate.get("extrinsics", {}).get("extrinsics_method", "board")
    if method != "board" and len(boards) > 1:
        boards.pop("extrinsics", None)
    return boards


def _metres_per_unit(square: float, key: str) -> float:
    """Metres per unit of a file that does not state it, by what squares can be.

    Raises:
        TargetError: both metres and millimetres are possible.
    """
    if square <= 0.5:
        return 1.0
    if square >= 5:
        return 0.001
    raise TargetError(
        f"{key} is {square:g}, which may be centimetres; describe the board with kind, squares and "
        f"square_m in metres"
    )
