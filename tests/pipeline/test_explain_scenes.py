"""Every reason, provoked in scenes that go through the whole reconstruction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reconstructed import evidence_of, run
from synthetic_scene import (
    detections,
    frame_set,
    make_camera,
    project_rig,
    ring_rig,
    standing_person,
)

from mocap.model import Detections, FrameSet, Observation, Rig, skeleton_by_name
from mocap.model.config import ReconstructionConfig
from mocap.pipeline.accounts import JointReason, ViewReason
from mocap.pipeline.evidence import Evidence
from mocap.pipeline.explain import explain_joint, explain_person
from mocap.pipeline.image_people import ImagePerson, ImageReason, explain_image

HALPE = skeleton_by_name("halpe26")
K = len(HALPE)
WRIST = HALPE.index("left_wrist")
RIG = ring_rig(4, radius=5.0)
CONFIG = ReconstructionConfig()
LAST = 11


def walk(n: int) -> np.ndarray:
    return standing_person(HALPE, (0.01 * n, 0.0), 0.02 * n)


def sets_of(rig: Rig = RIG, count: int = LAST + 1) -> list[FrameSet]:
    rng = np.random.default_rng(0)
    return [frame_set(n, walk(n)[None], rig, rng=rng, sigma_px=1.0) for n in range(count)]


def changed(frames: FrameSet, camera: str, image: Detections) -> FrameSet:
    one = replace(frames.observations[camera], detections=image)
    return replace(frames, observations={**frames.observations, camera: one})


def spoilt(sets: list[FrameSet], camera: str, *, shift=0.0, score=1.0) -> list[FrameSet]:
    """The left wrist of the only person is off, or unsure, in one camera."""
    made = []
    for frames in sets:
        image = frames.observations[camera].detections
        pixels, trust = image.keypoints_px.copy(), image.confidence.copy()
        pixels[0, WRIST] += shift
        trust[0, WRIST] = score
        if score == 0:
            pixels[0, WRIST] = np.nan
        made.append(changed(frames, camera, Detections(pixels, trust, image.score)))
    return made


def explained(
    sets: list[FrameSet], rig: Rig = RIG, config: ReconstructionConfig = CONFIG
) -> Evidence:
    return evidence_of(run(sets, rig, HALPE, config), rig, HALPE, config)


def with_person(sets: list[FrameSet], camera: str, pixels: np.ndarray) -> list[FrameSet]:
    """Another 2D person in one camera, (K, 2), NaN for missing."""
    made = []
    for frames in sets:
        image = frames.observations[camera].detections
        both = np.concatenate([image.keypoints_px, pixels[None]])
        made.append(changed(frames, camera, detections(both)))
    return made


def image_of(evidence: Evidence, camera: str) -> list[ImagePerson]:
    return [one for one in explain_image(evidence, LAST) if one.camera == camera]


def test_rejected_low_score_and_not_detected():
    sets = spoilt(sets_of(), "cam0", shift=80.0)
    sets = spoilt(sets, "cam1", score=0.1)
    sets = spoilt(sets, "cam2", score=0.0)
    account = explain_joint(explained(sets), LAST, 0, "left_wrist")
    reasons = [view.reason for view in account.views]
    assert reasons[1:3] == [ViewReason.LOW_SCORE, ViewReason.NOT_DETECTED]
    three = spoilt(sets_of(), "cam0", shift=80.0)
    account = explain_joint(explained(three), LAST, 0, "left_wrist")
    assert account.views[0].reason is ViewReason.REJECTED
    assert account.views[0].residual_px == pytest.approx(np.hypot(80, 80), abs=8)
    assert "rejected at 11" in account.views[0].sentence()


def test_rays_too_parallel():
    rig = Rig(tuple(make_camera(f"cam{i}", (6.0, 0.35 * i, 1.5)) for i in range(2)))
    evidence = explained(sets_of(rig), rig)
    account = explain_joint(evidence, LAST, 0, "left_wrist")
    assert account.reason is JointReason.PARALLEL
    assert account.angle_deg == pytest.approx(3.4, abs=0.5)
    assert "they meet at 3." in account.sentence()
    assert "move the cameras apart" in account.sentence()


def test_outside_the_volume_and_not_a_performer():
    rng = np.random.default_rng(0)
    people = [np.stack([walk(n), standing_person(HALPE, (2.2, 0.5))]) for n in range(LAST + 1)]
    sets = [frame_set(n, p, RIG, rng=rng, sigma_px=1.0) for n, p in enumerate(people)]
    for config, reason, seen in (
        (replace(CONFIG, volume=(-1, 1, -1, 1)), "OUTSIDE_VOLUME", "outside the capture volume"),
        (replace(CONFIG, performers=1), "NOT_A_PERFORMER", "not one of the performers"),
    ):
        evidence = explained(sets, RIG, config)
        (person,) = evidence.raw.person_ids
        (other,) = evidence.bystander_ids
        accounts = explain_person(evidence, LAST, other)
        assert {account.reason for account in accounts} == {JointReason[reason]}
        view = accounts[0].views[0]
        assert view.reason is ViewReason.UNMATCHED
        assert f"is bystander {other}, {seen}" in view.sentence()
        assert f"is person {person}" in view.sentence()
        found = explain_image(evidence, LAST)
        assert len(found) == 8
        assert {one.reason for one in found} == {ImageReason.PERSON, ImageReason[reason]}


def test_alone_in_one_view():
    stranger = project_rig(standing_person(HALPE, (-1.5, 1.5)), RIG)[1]
    evidence = explained(with_person(sets_of(), "cam1", stranger))
    found = image_of(evidence, "cam1")
    assert [one.reason for one in found] == [ImageReason.PERSON, ImageReason.ALONE]
    assert "no. 1 is alone in this view" in found[1].words()
    left, _, right, _ = found[1].box_px
    assert left == pytest.approx(stranger[:, 0].min(), abs=0.5)
    assert right == pytest.approx(stranger[:, 0].max(), abs=0.5)


def test_a_double_is_one_and_too_few_keypoints_are_too_few():
    sets = sets_of()
    twin = project_rig(walk(LAST), RIG)[2] + 4.0
    found = image_of(explained(with_person(sets, "cam2", twin)), "cam2")
    assert {one.reason for one in found} == {ImageReason.PERSON, ImageReason.DOUBLE}
    scrap = np.full((K, 2), np.nan)
    scrap[[HALPE.index("left_hip"), HALPE.index("left_knee")]] = [[900, 300], [910, 380]]
    found = image_of(explained(with_person(sets, "cam2", scrap)), "cam2")
    assert found[1].reason is ImageReason.TOO_LITTLE
    assert "has 2 sure keypoints, needed 4" in found[1].words()


def test_two_views_that_fit_but_make_no_body():
    """The same few keypoints in two views: too few for somebody new."""
    few = np.full((len(RIG), K, 2), np.nan)
    arms = [HALPE.index(f"left_{name}") for name in ("shoulder", "elbow", "wrist", "hip")]
    few[:, arms] = project_rig(standing_person(HALPE, (1.5, 1.5)), RIG)[:, arms]
    sets = with_person(with_person(sets_of(), "cam0", few[0]), "cam3", few[3])
    found = [one for one in explain_image(explained(sets), LAST) if one.index == 1]
    assert [one.reason for one in found] == [ImageReason.NO_BODY] * 2
    assert found[0].fits == (("cam3", 1),)
    assert "fits no. 1 of cam3, but together they make no whole body" in found[0].words()


def test_a_camera_without_a_frame():
    sets = sets_of()
    seen = {n: o for n, o in sets[-1].observations.items() if n != "cam1"}
    sets[-1] = replace(sets[-1], observations=seen)
    account = explain_joint(explained(sets), LAST, 0, "nose")
    assert account.views[1].reason is ViewReason.NO_FRAME
    empty = Observation("cam1", LAST, sets[-1].time_ns, Detections.empty(K))
    sets[-1] = replace(sets[-1], observations={**seen, "cam1": empty})
    account = explain_joint(explained(sets), LAST, 0, "nose")
    assert account.views[1].reason is ViewReason.NOBODY
