"""SMPL parameters as EasyMocap writes them: a JSON file per frame with all people in it."""

from __future__ import annotations

import json
from pathlib import Path

from mocap.body.smpl_parameters import easymocap_parameters
from mocap.errors import InputError, OutputError
from mocap.export.source import ExportSource, Written
from mocap.files import make_output_folder

_FOLDER = "easymocap"


def write_easymocap(source: ExportSource, folder: Path, *, overwrite: bool) -> Written:
    """Writes `easymocap/smpl/000012.json`, one file per frame of the session.

    Each holds a list of people with `id`, `Rh`, `Th`, `poses` and `shapes`, each but the id a list
    of one row. The surface is V = R(Rh) X(theta, beta) + Th: `Rh` turns the skinned body about the
    origin of the model, and is not `global_orient`. Frames in which a person was not there do not
    have that person.

    Args:
        source: the session; its bodies must be of one model of the SMPL family.
        folder: in which the folder `easymocap` is made.
        overwrite: whether files of an earlier export are replaced; they are all removed first.

    Raises:
        InputError: the bodies are of another model, or of several.
        OutputError: there are files already, or the folder cannot be written to.
    """
    motions = [source.body(person_id) for person_id in source.motion.person_ids]
    kinds = sorted({motion.model for motion in motions})
    if len(kinds) > 1:
        raise InputError(
            f"the people are on different body models ({', '.join(kinds)}); fit all on one"
        )
    frames: dict[int, list[dict[str, object]]] = {}
    for motion in motions:
        parameters = easymocap_parameters(motion)
        for row, number in enumerate(motion.frame.tolist()):
            if not motion.present[row]:
                continue
            entry: dict[str, object] = {
                "id": motion.person_id,
                "Rh": [parameters.Rh[row].tolist()],
                "Th": [parameters.Th[row].tolist()],
                "poses": [parameters.poses[row].reshape(-1).tolist()],
                "shapes": [parameters.shapes.tolist()],
            }
            frames.setdefault(number, []).append(entry)
    top = folder / _FOLDER / kinds[0]
    old = list(top.glob("*.json"))
    if old and not overwrite:
        raise OutputError(
            f"{top} holds files already; choose another folder, or pass --overwrite to replace them"
        )
    make_output_folder(top)
    for path in old:
        path.unlink()
    for number, people in sorted(frames.items()):
        (top / f"{number:06d}.json").write_text(json.dumps(people), encoding="utf-8")
    return Written(top, f"{len(frames)} files, {len(motions)} people")
