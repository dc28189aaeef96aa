"""Lens files: cameras without poses, as calibrated one by one.

They are TOML in the form of the aniposelib family, which `load_intrinsics` reads, so that a rig is
calibrated with these lenses later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mocap.files import check_output, write_atomically
from mocap.model import Intrinsics

HEADER = """\
# Lenses without poses, in pixels; pixel (0, 0) is the centre of the top-left pixel.
"""


def save_lenses(
    lenses: Mapping[str, Intrinsics],
    path: Path,
    *,
    comments: Mapping[str, Sequence[str]] | None = None,
    overwrite: bool = False,
) -> None:
    """Writes lenses by camera name, in the order of the mapping.

    Args:
        lenses: of the cameras.
        path: the file.
        comments: lines to write above a camera.
        overwrite: whether an existing file may be replaced.

    Raises:
        OutputError: the file exists and `overwrite` is false, or it cannot be written.
    """
    check_output(path, overwrite=overwrite)
    digits = max(2, len(str(len(lenses) - 1)))
    blocks = [HEADER]
    for index, (name, lens) in enumerate(lenses.items()):
        lines = [f"# {line}" for line in (comments or {}).get(name, ())]
        lines += [
            f"[cam_{index:0{digits}d}]",
            f"name = {json.dumps(name, ensure_ascii=False)}",
            f"size = [{lens.size[0]}, {lens.size[1]}]",
            f"matrix = {[[float(v) for v in row] for row in lens.matrix]}",
            f"distortions = {[float(v) for v in lens.distortions]}",
            f"fisheye = {str(lens.lens == 'fisheye').lower()}",
        ]
        blocks.append("\n".join(lines) + "\n")
    write_atomically(path, "\n".join(blocks).encode())
