"""The compiled estimate of a person, against a general solver and hand-made cases."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares
from synthetic_scene import project_rig, ring_rig, standing_person

from mocap.geometry.ray_space import invert_packed, miss, pack, ray_frames
from mocap.geometry.triangulation import consistency_table
from mocap.model.skeletons import HALPE_26
from mocap.reconstruction.fusion_kernels import solve_person
from mocap.reconstruction.link_kernels import sweep_links
from mocap.reconstruction.links import links_of
from mocap.reconstruction.person import camera_centers
from mocap.reconstruction.view_kernels import PRIOR_CAUCHY2

N = 5
RIG = ring_rig(N, mixed_lenses=True)
CENTERS = camera_centers(RIG.arrays)
TRUTH = standing_person(HALPE_26, (0.1, 0.2), 0.5)
K = len(HALPE_26)
LINKS = links_of(HALPE_26)
PARTS = (LINKS.ends, LINKS.slot, LINKS.of_keypoint)
SIGMA = 0.006
GATE, CAUCHY = 4.0, 2.0


class Estimate:
    """Runs the kernel on noisy views of `TRUTH`."""

    def __init__(
        self,
        confidence: np.ndarray | None = None,
        prior: np.ndarray | None = None,
        prior_sigma_m: float = 0.05,
        shift_px: np.ndarray | None = None,
        noise_px: float = 3.0,
    ) -> None:
        rng = np.random.default_rng(7)
        pixels = project_rig(TRUTH, RIG)
        pixels = pixels + rng.normal(0, noise_px, pixels.shape)
        if shift_px is not None:
            pixels = pixels + shift_px
        self.conf = np.ones((N, K)) if confidence is None else confidence
        a = RIG.arrays
        self.frames = ray_frames(
            pixels, self.conf, np.arange(N), a.matrix, a.distortions, a.fisheye, a.T_cam_world
        )
        self.sigma = np.full((N, K), SIGMA)
        self.prior = np.full((K, 3), np.nan) if prior is None else prior
        self.prior_cov = np.tile(prior_sigma_m**2 * np.eye(3), (K, 1, 1))
        self.prior_h = np.zeros((K, 6))
        if prior is not None:
            self.prior_h[:, [0, 3, 5]] = 1 / prior_sigma_m**2
        self.points, self.free = np.full((K, 3), np.nan), np.full((K, 3), np.nan)
        self.info, self.used = np.zeros((K, 6)), np.zeros((N, K), bool)
        self.spread = np.ones(K)
        self.length = np.array(
            [
                np.mean(
                    [np.linalg.norm(TRUTH[a] - TRUTH[b]) for a, b in LINKS.ends[LINKS.slot == s]]
                )
                for s in range(len(LINKS.adult_m))
            ]
        )
        self.sigma_length = 0.02 + 0 * self.length
        table = np.array(consistency_table(CAUCHY, N))
        self.settings = (GATE, CAUCHY, float(np.cos(0.035)), 120, 3, 4.0, table)
        self.lone, self.seen = solve_person(
            *(self.frames, self.conf, self.sigma, CENTERS, self.prior, self.prior_cov),
            *(self.prior_h, PARTS, self.length, self.sigma_length, self.settings, self.points),
            *(self.info, self.used, self.free, self.spread, np.ones(K, bool), 1.0),
        )

    def sweep(self) -> None:
        unknown = np.zeros(K)
        self.reported = np.zeros((K, 6))
        sweep_links(
            *(self.frames, self.conf, self.sigma, CENTERS, self.prior, self.prior_h, PARTS),
            *(self.length, self.sigma_length, self.settings, self.points, self.info, self.used),
            *(self.spread, self.lone, self.seen, 0.05, unknown, unknown, unknown, 1.0, 1.0),
            *(self.reported, np.zeros((K, 6))),
        )

    def oracle(self, k: int) -> np.ndarray:
        """The same cost minimised by SciPy from the truth: Cauchy views, and the prediction."""

        def residuals(x: np.ndarray) -> np.ndarray:
            out = []
            for c in range(N):
                if self.conf[c, k] > 0:
                    r1, r2, _ = miss(self.frames, c, k, CENTERS, c, *x)
                    e = (r1 * r1 + r2 * r2) / SIGMA**2
                    out.append(self.conf[c, k] * CAUCHY * np.sqrt(np.log1p(e / CAUCHY**2)))
            if np.isfinite(self.prior[k, 0]):
                d = x - self.prior[k]
                m = d @ d * self.prior_h[k, 0]
                out.append(np.sqrt(PRIOR_CAUCHY2 * np.log1p(m / PRIOR_CAUCHY2)))
            return np.array(out)

        return least_squares(residuals, TRUTH[k], xtol=1e-12, ftol=1e-12, gtol=1e-12).x


def test_the_estimate_minimises_the_cost_without_a_prediction():
    estimate = Estimate()
    for k in range(0, K, 3):
        assert estimate.points[k] == pytest.approx(estimate.oracle(k), abs=5e-4)
    assert estimate.used.all()


def test_the_estimate_minimises_the_cost_with_a_prediction():
    prior = TRUTH + np.random.default_rng(2).normal(0, 0.03, TRUTH.shape)
    estimate = Estimate(prior=prior, prior_sigma_m=0.03)
    for k in range(0, K, 3):
        assert estimate.points[k] == pytest.approx(estimate.oracle(k), abs=5e-4)
        assert np.linalg.norm(estimate.points[k] - prior[k]) > 1e-3


@pytest.mark.parametrize("known", [False, True])
def test_a_wrong_view_is_left_out(known: bool):
    shift = np.zeros((N, K, 2))
    shift[2] = (90.0, -60.0)
    estimate = Estimate(shift_px=shift, prior=TRUTH if known else None)
    assert not estimate.used[2].any()
    assert estimate.used[[0, 1, 3, 4]].all()
    assert np.linalg.norm(estimate.points - TRUTH, axis=1).max() < 0.04


def test_two_views_that_agree_by_chance_do_not_beat_three():
    """View 0 sees points that lie on the rays of view 1, so these two agree perfectly."""
    along = TRUTH - CENTERS[1]
    elsewhere = TRUTH + 0.5 * along / np.linalg.norm(along, axis=1, keepdims=True)
    wrong = np.zeros((N, K, 2))
    wrong[0] = project_rig(elsewhere, RIG)[0] - project_rig(TRUTH, RIG)[0]
    estimate = Estimate(shift_px=wrong)
    assert not estimate.used[0].any()
    assert estimate.used[1:].all()
    assert np.median(np.linalg.norm(estimate.points - TRUTH, axis=1)) < 0.03


def test_one_view_alone_gives_nothing_but_with_a_prediction_it_does():
    confidence = np.zeros((N, K))
    confidence[1] = 1.0
    assert np.isnan(Estimate(confidence.copy()).points).all()
    prior = TRUTH + np.array([0.04, -0.03, 0.03])
    estimate = Estimate(confidence.copy(), prior=prior)
    assert estimate.used[1].all()
    offsets = [
        np.hypot(*miss(estimate.frames, 1, k, CENTERS, 1, *estimate.points[k])[:2])
        for k in range(K)
    ]
    before = [np.hypot(*miss(estimate.frames, 1, k, CENTERS, 1, *prior[k])[:2]) for k in range(K)]
    assert np.mean(offsets) < 0.4 * np.mean(before)
    # Along the ray nothing was measured.
    cov = np.zeros((3, 3))
    invert_packed(estimate.info[9], cov)
    ray = estimate.frames[1, 9, 0]
    assert ray @ cov @ ray == pytest.approx(0.05**2, rel=0.15)


def test_nobody_sees_it_so_the_prediction_stays():
    confidence = np.ones((N, K))
    confidence[:, 8] = 0
    prior = TRUTH + 0.02
    estimate = Estimate(confidence, prior=prior)
    assert estimate.points[8] == pytest.approx(prior[8])
    assert estimate.info[8] == pytest.approx(estimate.prior_h[8])
    assert np.isnan(Estimate(confidence).points[8]).all()


def test_parallel_rays_give_nothing():
    confidence = np.zeros((N, K))
    confidence[0] = 1
    estimate = Estimate(confidence)
    twice = Estimate(np.ones((N, K)))
    twice.frames[1] = twice.frames[0]
    assert np.isnan(estimate.points).all()


def test_bones_place_a_keypoint_that_one_view_sees():
    elbow, wrist = HALPE_26.index("left_elbow"), HALPE_26.index("left_wrist")
    confidence = np.ones((N, K))
    confidence[1:, wrist] = 0
    estimate = Estimate(confidence, noise_px=1.0)
    assert np.isnan(estimate.points[wrist]).all()
    estimate.sweep()
    length = np.linalg.norm(estimate.points[wrist] - estimate.points[elbow])
    true = np.linalg.norm(TRUTH[wrist] - TRUTH[elbow])
    assert length == pytest.approx(true, abs=0.04)
    assert (
        np.hypot(*miss(estimate.frames, 0, wrist, CENTERS, 0, *estimate.points[wrist])[:2]) < 0.01
    )


def test_bones_make_well_seen_keypoints_better_and_surer():
    estimate = Estimate(noise_px=8.0)
    plain = np.linalg.norm(estimate.points - TRUTH, axis=1)
    info = estimate.info.copy()
    estimate.sweep()
    bound = np.linalg.norm(estimate.points - TRUTH, axis=1)
    linked = LINKS.of_keypoint[:, 0] >= 0
    assert bound[linked].mean() < plain[linked].mean()
    diagonal = [0, 3, 5]
    assert (estimate.reported - info)[linked][:, diagonal].mean() > 0
    assert bound[~linked] == pytest.approx(plain[~linked])


def test_links_are_symmetric_and_between_keypoints_that_exist():
    assert (LINKS.ends >= 0).all()
    mirror = np.array(HALPE_26.mirror)
    by_ends = {
        frozenset(e): s for e, s in zip(LINKS.ends.tolist(), LINKS.slot.tolist(), strict=True)
    }
    assert len(by_ends) == len(LINKS.ends)
    for ends, slot in by_ends.items():
        assert by_ends[frozenset(int(mirror[k]) for k in ends)] == slot
    for k in range(K):
        own = LINKS.of_keypoint[k][LINKS.of_keypoint[k] >= 0]
        assert all(k in LINKS.ends[e] for e in own)
    packed = np.zeros(6)
    pack(np.eye(3), packed)
    assert packed.tolist() == [1, 0, 0, 1, 0, 1]
