"""`mocap info`: what a session holds."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from mocap.cli.options import SessionPath
from mocap.cli.progress import console, say
from mocap.cli.summary import print_remarks, print_session
from mocap.pipeline.body import is_current
from mocap.storage.body_file import list_bodies, load_body
from mocap.storage.layout import STATUS_RECORDING, STATUS_TEXT
from mocap.storage.session_reader import Session


@dataclass(frozen=True)
class Info:
    """Show what a session holds, how good it is, and how it was made."""

    session: SessionPath
    """The session file."""
    config: bool = False
    """Also show the resolved configuration and the software versions."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        with Session(self.session) as session:
            status = STATUS_TEXT.get(session.status, "of unknown status")
            say(f"{self.session}, made {session.created_utc}, {status}", "bold")
            if session.status == STATUS_RECORDING:
                say(
                    f"If nothing is writing it any more, 'mocap recover {self.session} --out "
                    f"NEW.h5' makes a file that every HDF5 tool opens."
                )
            for camera in session.rig:
                x, y, z = camera.center_world
                width, height = camera.intrinsics.size
                say(
                    f"camera {camera.name}: {width}x{height}, {camera.intrinsics.lens}, at "
                    f"({x:.2f}, {y:.2f}, {z:.2f}) m"
                )
            print_session(session)
            _print_bodies(session)
            print_remarks(session.summary, self.session, session.motion("raw").person_ids)
            if self.config:
                console.print_json(json.dumps(session.config))
                console.print_json(json.dumps(session.software))
        return 0


def _print_bodies(session: Session) -> None:
    """Prints which bodies were fitted."""
    for model, person_id in list_bodies(session.path, session.created_utc):
        body = load_body(session.path, session.created_utc, model, person_id)
        if body is None:
            continue
        motion = body.motion
        known = motion.residual_m[motion.residual_m == motion.residual_m]
        residual = f"{1000 * float(np.median(known)):.1f} mm" if known.size else "-"
        stale = "" if is_current(session, body) else "; ids were corrected since: fit again"
        say(
            f"body {model} of person {person_id}: frames {motion.frame[0]} to {motion.frame[-1]}, "
            f"from the {body.layer} keypoints, residual {residual}{stale}"
        )
