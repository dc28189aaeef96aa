"""Every reason why a joint is missing or poor, provoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from synthetic_scene import detections, make_camera, project_rig, ring_rig, standing_person

from mocap.errors import InputError, SkeletonError
from mocap.model import Detections, FrameSet, Motion, Observation, Rig, ViewState
from mocap.model.config import TriangulationConfig
from mocap.model.skeletons import COCO_17
from mocap.pipeline.accounts import JointAccount, JointReason, ViewReason
from mocap.pipeline.evidence import Evidence
from mocap.pipeline.explain import explain_joint, explain_person, summary
from mocap.reconstruction.swap_kernels import FOREARMS, LEGS, WHOLE_BODY
from mocap.reconstruction.swaps import part_names

WRIST = COCO_17.index("left_wrist")
K = len(COCO_17)


class Stage:
    """One person in one frame, all of it good, to be spoilt."""

    def __init__(self, rig: Rig | None = None) -> None:
        self.rig = ring_rig(3) if rig is None else rig
        c = len(self.rig)
        self.points = standing_person(COCO_17)
        self.pixels = project_rig(self.points, self.rig)
        self.confidence = np.ones((c, K))
        self.state = np.full((c, K), ViewState.USED, np.uint8)
        self.residual = np.full((c, K), 2.0)
        self.n_views = np.full(K, c)
        self.covariance = np.tile(1e-4 * np.eye(3), (K, 1, 1))
        self.detection = [0] * c
        self.swapped = np.zeros(c, np.uint8)
        self.smooth: Motion | None = None
        self.images: dict[str, Detections | None] = {}

    def lost(self, views: Sequence[int], state: ViewState) -> None:
        """The wrist is not placed, because of these views."""
        for c in views:
            self.state[c, WRIST] = state
        self.points[WRIST] = np.nan
        self.covariance[WRIST] = np.nan
        self.n_views[WRIST] = 0
        self.residual[:, WRIST] = np.nan

    def motion(self) -> Motion:
        row = [np.array([5]), np.array([0.2]), np.array([0]), self.points[None]]
        reprojection = np.where(self.n_views > 0, 2.0, np.nan)[None]
        return Motion(COCO_17, *row, self.covariance[None], reprojection, self.n_views[None])

    def evidence(self) -> Evidence:
        observations = {}
        for c, name in enumerate(self.rig.names):
            image = detections(self.pixels[c][None], self.confidence[c][None])
            image = self.images.get(name, image)
            if image is not None:
                observations[name] = Observation(name, 5, 0, image)
        raw = self.motion()
        views = {
            "detection_index": np.array([self.detection]),
            "swapped": self.swapped[None],
            "view_state": self.state[None],
            "residual_px": self.residual[None],
        }
        sets = [FrameSet(5, 0, observations), FrameSet(6, 1, observations)]
        config = TriangulationConfig(min_confidence=0.2)
        return Evidence(self.rig, COCO_17, raw, self.smooth or raw, views, sets, config)

    def account(self) -> JointAccount:
        return explain_joint(self.evidence(), 5, 0, "left_wrist")


def test_a_good_joint():
    account = Stage().account()
    assert account.good
    assert account.reason is JointReason.MEASURED
    assert account.sigma_m == pytest.approx(0.01)
    assert [v.reason for v in account.views] == [ViewReason.USED] * 3
    assert account.views[0].sentence().startswith("used, 2.0 px (")


def test_not_detected_and_low_score():
    stage = Stage()
    stage.lost((0, 1, 2), ViewState.MISSING)
    stage.confidence[:, WRIST] = (0.0, 0.1, 0.19)
    stage.pixels[0, WRIST] = np.nan
    account = stage.account()
    assert account.reason is JointReason.NOT_SEEN
    reasons = [v.reason for v in account.views]
    assert reasons == [ViewReason.NOT_DETECTED, ViewReason.LOW_SCORE, ViewReason.LOW_SCORE]
    assert account.views[1].sentence() == "low score 0.10, needed 0.20"
    assert "add or turn a camera" in account.sentence()


def test_one_view_only():
    stage = Stage()
    stage.lost((0, 1), ViewState.MISSING)
    stage.state[2, WRIST] = ViewState.REJECTED
    stage.confidence[:2, WRIST] = 0.05
    assert stage.account().reason is JointReason.ONE_VIEW
    followed = Stage()
    followed.n_views[WRIST] = 1  # placed with the help of the bones
    assert followed.account().reason is JointReason.ONE_VIEW


def test_rejected_views_that_contradict_each_other():
    stage = Stage()
    stage.lost((0, 1, 2), ViewState.REJECTED)
    stage.residual[:, WRIST] = (40.0, 50.0, 60.0)
    account = stage.account()
    assert account.reason is JointReason.CONTRADICTION
    assert account.angle_deg > 30
    assert "rejected at 50.0 px (" in account.views[1].sentence()
    assert "sigma" in account.views[1].sentence()
    assert "calibrate refine" in account.sentence()


def test_rays_too_parallel():
    rig = Rig(tuple(make_camera(f"cam{i}", (4.0, 0.05 * i, 1.5)) for i in range(2)))
    stage = Stage(rig)
    stage.lost((0, 1), ViewState.REJECTED)
    account = stage.account()
    assert account.reason is JointReason.PARALLEL
    assert account.angle_deg < 2
    assert f"they meet at {account.angle_deg:.1f} degrees" in account.sentence()
    assert "move the cameras apart" in account.sentence()


def test_cameras_in_which_nobody_is_the_person():
    stage = Stage()
    stage.state[:] = ViewState.ABSENT
    stage.detection = [-1, -1, -1]
    stage.images = {"cam0": Detections.empty(K), "cam1": None}
    stage.lost((), ViewState.ABSENT)
    account = stage.account()
    assert account.reason is JointReason.NOT_SEEN
    reasons = [v.reason for v in account.views]
    assert reasons == [ViewReason.NOBODY, ViewReason.NO_FRAME, ViewReason.UNMATCHED]
    assert account.views[2].sentence() == (
        "1 person was seen, but none matched to this person: no. 0 is alone in this view: no other "
        "view has a person where it may be (score 1.00)"
    )


def test_outside_the_image():
    stage = Stage()
    stage.points[WRIST] = (0.0, 0.0, 9.0)
    stage.detection[0], stage.confidence[1, WRIST] = -1, 0.0
    stage.pixels[1, WRIST] = np.nan
    stage.state[:2, WRIST] = (ViewState.ABSENT, ViewState.MISSING)
    views = stage.account().views
    assert [v.reason for v in views[:2]] == [ViewReason.OUTSIDE_IMAGE] * 2


def test_poor():
    stage = Stage()
    stage.covariance[WRIST] = np.diag([1e-4, 1e-4, 0.0016])
    account = stage.account()
    assert account.reason is JointReason.POOR
    assert "+- 40 mm" in account.sentence()


def test_predicted():
    stage = Stage()
    filled = stage.motion()
    stage.lost((0, 1, 2), ViewState.MISSING)
    stage.confidence[:, WRIST] = 0.1
    views = filled.n_views.copy()
    views[0, WRIST] = 0
    stage.smooth = replace(filled, n_views=views)
    account = stage.account()
    assert account.predicted
    assert account.reason is JointReason.NOT_SEEN
    assert "predicted" in account.sentence()
    assert "+- 10 mm" in account.sentence()


def test_a_mirrored_view_is_read_with_left_and_right_exchanged():
    stage = Stage()
    right = COCO_17.index("right_wrist")
    stage.swapped[1] = WHOLE_BODY
    stage.confidence[1, right] = 0.7
    view = stage.account().views[1]
    assert view.confidence == pytest.approx(0.7)
    assert view.sentence().endswith("(left and right exchanged: whole body)")


@pytest.mark.parametrize(("parts", "confidence"), [(FOREARMS, 0.7), (LEGS, 1.0)])
def test_only_the_limbs_that_were_exchanged_are_read_so(parts: int, confidence: float):
    stage = Stage()
    stage.swapped[1] = parts
    stage.confidence[1, COCO_17.index("right_wrist")] = 0.7
    view = stage.account().views[1]
    assert view.confidence == pytest.approx(confidence)
    assert view.exchanged == part_names(parts)


def test_a_person_who_is_absent():
    accounts = explain_person(Stage().evidence(), 6, 0)
    assert len(accounts) == K
    assert {a.reason for a in accounts} == {JointReason.PERSON_ABSENT}
    assert [v.reason for v in accounts[0].views] == [ViewReason.UNMATCHED] * 3


def test_what_there_is_not():
    evidence = Stage().evidence()
    with pytest.raises(InputError, match="no frame 9 in this session; frames are 5 to 6"):
        explain_joint(evidence, 9, 0, "nose")
    with pytest.raises(InputError, match="no person 4 in this session; the people are 0"):
        explain_joint(evidence, 5, 4, "nose")
    with pytest.raises(SkeletonError, match="no keypoint 'tail'"):
        explain_joint(evidence, 5, 0, "tail")


def test_summary_counts_every_row():
    stage = Stage()
    stage.lost((0, 1, 2), ViewState.MISSING)
    stage.confidence[:, WRIST] = 0.1
    counts = summary(stage.evidence())
    assert counts["left_wrist"] == {"no view has it": 1}
    assert counts["nose"] == {"measured": 1}
    assert set(summary(stage.evidence(), ("nose",))) == {"nose"}
