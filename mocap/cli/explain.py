"""`mocap explain`: why a joint is missing or poor."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from rich.markup import escape
from rich.table import Table

from mocap.cli.options import SessionPath, option
from mocap.cli.progress import console, say
from mocap.errors import InputError
from mocap.model.config import AssociationConfig, TriangulationConfig
from mocap.pipeline.accounts import JointAccount, JointReason
from mocap.pipeline.evidence import Evidence
from mocap.pipeline.explain import explain_person, summary
from mocap.pipeline.image_people import ImageReason, explain_image
from mocap.storage.session_reader import Session


@dataclass(frozen=True)
class Explain:
    """Say why joints are missing or poor, camera by camera, and what helps.

    Without --frame: how often each reason holds, over the whole session.

    Example: mocap explain session.h5 --frame 120 --person 0 --joint left_wrist
    """

    session: SessionPath
    """The session file."""
    frame: Annotated[int | None, option("NUMBER")] = None
    """Frame number."""
    person: Annotated[int | None, option("ID")] = None
    """The person. Default: all people."""
    joint: Annotated[str | None, option("NAME")] = None
    """One joint. Default: all of body and feet that are not measured well."""

    def execute(self) -> int:
        """Runs the command and returns its exit code."""
        with Session(self.session) as session:
            evidence = evidence_of(session)
        # One frame can be asked for all the same: it says why its 2D people are nobody's.
        whole = self.frame is None or self.person is not None
        if whole and not len(evidence.raw) and not evidence.bystander_ids:
            raise InputError(
                f"{self.session} holds no 3D people; nobody was seen by two cameras, so check "
                f"the synchronisation and the rig; --frame N says what was seen in a frame"
            )
        if self.frame is None:
            self._print_summary(evidence)
            return 0
        if self.person is None:
            at = evidence.raw.frame == self.frame
            people = tuple(int(i) for i in evidence.raw.person_id[at])
            evidence.frame_set(self.frame)
            if not people:
                say(f"There are no 3D people in frame {self.frame}.")
        else:
            people = (self.person,)
        skeleton = evidence.skeleton
        body = [skeleton.keypoints[k] for k in skeleton.indices("body", "feet")]
        for person_id in people:
            names = body if self.joint is None else [self.joint]
            accounts = explain_person(evidence, self.frame, person_id, names)
            self._print_person(accounts)
        if self.person is None:
            self._print_others(evidence, self.frame)
        return 0

    def _print_others(self, evidence: Evidence, frame: int) -> None:
        """Prints what became of the 2D people who are none of the 3D people."""
        others = [
            one for one in explain_image(evidence, frame) if one.reason is not ImageReason.PERSON
        ]
        if others:
            say("2D people who are none of these", "bold")
        for one in others:
            left, top, right, bottom = one.box_px
            at = f" at x {left:.0f} to {right:.0f}, y {top:.0f} to {bottom:.0f} px"
            say(f"    {one.camera}: {one.words()}{at if left == left else ''}")

    def _print_person(self, accounts: list[JointAccount]) -> None:
        first = accounts[0]
        wanted = [a for a in accounts if self.joint is not None or not a.good]
        say(f"Frame {first.frame}, person {first.person_id}", "bold")
        if first.absent and self.joint is None:
            wanted = wanted[:1]
        for account in wanted:
            absent = account.absent and self.joint is None
            say(account.sentence() if absent else f"{account.joint}: {account.sentence()}")
            for view in account.views:
                say(f"    {view.camera}: {view.sentence()}")
        good = len(accounts) - len(wanted)
        if self.joint is None and good and not first.absent:
            say(f"{good} of {len(accounts)} joints of body and feet are measured well.")

    def _print_summary(self, evidence: Evidence) -> None:
        if self.person is not None:
            mine = evidence.raw.person_id == self.person
            evidence.raw.person(self.person)
            views = {name: values[mine] for name, values in evidence.views.items()}
            evidence = dataclasses.replace(evidence, raw=evidence.raw.rows(mine), views=views)
        counts = summary(evidence, None if self.joint is None else (self.joint,))
        shown = [r for r in JointReason if any(c[str(r)] for c in counts.values())]
        table = Table(title="Share of frames with the person", title_justify="left")
        table.add_column("joint")
        for reason in shown:
            table.add_column(str(reason), justify="right")
        for joint, count in counts.items():
            total = max(sum(count.values()), 1)
            table.add_row(
                escape(joint),
                *(f"{100 * count[str(r)] / total:.0f} %" if count[str(r)] else "-" for r in shown),
            )
        console.print(table)
        say("With --frame N --person ID it says what each camera had to do with it.")


def evidence_of(session: Session) -> Evidence:
    """What `mocap.pipeline.explain` needs of a session, with the user's corrections of ids."""
    stored = session.config.get("reconstruction", {})
    return Evidence(
        session.rig,
        session.skeleton,
        session.motion("raw"),
        session.motion(session.best_layer),
        session.views(),
        session.frame_sets(),
        _known(TriangulationConfig, stored.get("triangulation", {})),
        _known(AssociationConfig, stored.get("association", {})),
        session.bystanders(),
    )


_Config = TypeVar("_Config", TriangulationConfig, AssociationConfig)


def _known(kind: type[_Config], stored: dict[str, Any]) -> _Config:
    """The settings of the run, as far as this version knows them."""
    known = {f.name for f in dataclasses.fields(kind)}
    return kind(**{n: v for n, v in stored.items() if n in known})
