"""`mocap evaluate`: a session against the truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mocap.cli.evaluation_report import evaluation_json, evaluation_picture, print_evaluation
from mocap.cli.options import SessionPath, option, required
from mocap.cli.progress import say
from mocap.files import check_output, write_atomically
from mocap.pipeline.comparison import EvaluationConfig, compare
from mocap.pipeline.evaluation import evaluate
from mocap.storage.session_reader import Session
from mocap.storage.truth_file import load_truth


@dataclass(frozen=True)
class Evaluate:
    """Compare the people of a session with the truth of a synthetic scene.

    Errors of position, missing and false people, exchanged ids, jitter, and whether the stated
    uncertainty is true. See docs/studio.md.

    Example: mocap evaluate session.h5 --truth scene/truth.npz --picture errors.png
    """

    session: SessionPath
    """The session file."""
    truth: Annotated[Path, required("TRUTH.npz")]
    """The truth file of the scene, as 'mocap studio' writes it."""
    layer: Annotated[Literal["raw", "smooth"] | None, option("{raw,smooth}")] = None
    """As triangulated, or smoothed with short gaps filled. Default: smooth if there is one."""
    json: Annotated[Path | None, option("FIGURES.json")] = None
    """Also write all figures as JSON."""
    picture: Annotated[Path | None, option("PICTURE.png")] = None
    """Also draw them."""
    overwrite: bool = False
    """Replace existing files."""
    options: Annotated[EvaluationConfig, tyro.conf.arg(name="")] = field(
        default_factory=EvaluationConfig
    )
    """How people are matched."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        for path in (self.json, self.picture):
            if path is not None:
                check_output(path, overwrite=self.overwrite)
        truth = load_truth(self.truth)
        with Session(self.session) as session:
            layer = self.layer or session.best_layer
            comparison = compare(
                session.motion(layer), session.frames, truth, session.rig.names, self.options
            )
        evaluation = evaluate(comparison)
        title = f"{self.session}, {layer} layer, against {self.truth}"
        say(title, "bold")
        print_evaluation(evaluation)
        if self.json is not None:
            origin = {"session": str(self.session), "truth": str(self.truth), "layer": layer}
            write_atomically(self.json, evaluation_json(evaluation, origin))
            say(str(self.json))
        if self.picture is not None:
            write_atomically(self.picture, evaluation_picture(comparison, evaluation, title))
            say(str(self.picture))
        return 0
