"""The choice among lens forms by evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from calibration.least_squares import Loss
from calibration.lens.evidence import LensEvidence
from calibration.lens.fit import LensFit, LensState, fit_lens
from calibration.lens.fold import folds_back
from calibration.lens.form import LensForm
from calibration.lens.plausible import LensPriors, Plausible
from calibration.lens.views import BoardViews
from mocap.arrays import Float
from mocap.model import Intrinsics

UNUSUAL = 2 * math.log(20)
"""What a fisheye lens, or a centre exactly in the middle, must be better by: one in twenty."""
_CLEARLY_BETTER_LEFT_OUT = 3.5
_FEW_FORMS = 6
_ITERATIONS = 40
_FAR_OFF_AXIS_RAD = math.radians(50.0)
_HOPELESS = 100.0
"""Difference of the scores at which the rich form of one lens model rules the model out."""


@dataclass(frozen=True)
class LensCandidate:
    """One form of lens and how it did.

    Attributes:
        form: of the lens.
        intrinsics: as fitted.
        fit: the fit.
        evidence: what its views say.
        score: -2 log evidence, smaller is better; only differences mean something.
        rmse_px: of the believed points.
        left_out_px: RMSE of views that were left out of the fit in turn.
        folds_back: whether the image folds back inside the picture, which rules the form out.
    """

    form: LensForm
    intrinsics: Intrinsics
    fit: LensFit
    evidence: LensEvidence
    score: float
    rmse_px: float
    left_out_px: float
    folds_back: bool

    @property
    def admissible(self) -> bool:
        """Whether it may be chosen."""
        return not self.folds_back and math.isfinite(self.score)


@dataclass(frozen=True)
class LensChoice:
    """The chosen form.

    Attributes:
        chosen: the winner.
        candidates: all that were fitted, best score first.
        reason: why, in words.
        inflation: of the noise by correlation within views.
    """

    chosen: LensCandidate
    candidates: tuple[LensCandidate, ...]
    reason: str
    inflation: float


def choose_form(
    views: BoardViews,
    forms: tuple[LensForm, ...],
    starts: dict[bool, LensState],
    plausible: Plausible | None,
    *,
    loss: Loss = "huber",
    runs: tuple[int, ...] = (1,),
) -> LensChoice:
    """Fits forms of lens and chooses one.

    Few forms are all fitted. Of many, first those with square pixels and a free centre; then the
    best of them with other assumptions on pixels and centre; then its neighbours under these.

    Args:
        views: what to believe, with standard deviations in px.
        forms: from which to choose.
        starts: for each lens model (fisheye or not) a state near its richest fit.
        plausible: the priors.
        loss: of the fits.
        runs: numbers of successive views whose errors may belong together.
    """
    richest = {
        fisheye: max((f for f in forms if f.fisheye == fisheye), key=_richness)
        for fisheye in starts
        if any(f.fisheye == fisheye for f in forms)
    }
    fitter = _Fitter(views, starts, plausible, loss)
    rich = [fitter.fitted(form) for form in richest.values()]
    best = min(rich, key=lambda c: c.score)
    fitter.inflation = best.evidence.inflation(runs)
    fitter.fisheye_price = _fisheye_price(best)
    rich = [fitter.fitted(form) for form in richest.values()]
    best = min(rich, key=lambda c: c.score)
    hopeful = {c.form.fisheye for c in rich if c.score < best.score + _HOPELESS}
    tried = tuple(f for f in forms if f.fisheye in hopeful)
    if len(tried) <= _FEW_FORMS:
        for form in tried:
            fitter.fitted(form)
    else:
        plain = [f for f in tried if f.square_pixels and f.free_center] or list(tried)
        for form in plain:
            fitter.fitted(form)
        first = fitter.best.form
        for form in tried:
            if (form.fisheye, form.terms) == (first.fisheye, first.terms):
                fitter.fitted(form)
        second = fitter.best.form
        for form in tried:
            if (form.fisheye, form.square_pixels, form.free_center) == (
                second.fisheye,
                second.square_pixels,
                second.free_center,
            ):
                fitter.fitted(form)
    chosen = fitter.best
    reason = _reason(chosen, fitter.candidates)
    rival = _better_left_out(chosen, fitter.candidates)
    if rival is not None:
        reason = (
            f"{rival.form.name}: predicts left-out views clearly better than {chosen.form.name}"
        )
        chosen = rival
    return LensChoice(chosen, tuple(fitter.candidates), reason, fitter.inflation)


class _Fitter:
    """Fits each form at most once."""

    def __init__(
        self,
        views: BoardViews,
        starts: dict[bool, LensState],
        plausible: Plausible | None,
        loss: Loss,
    ) -> None:
        self._views, self._starts = views, starts
        self._plausible = plausible
        self._loss: Loss = loss
        self._tolerance = 1e-7 if loss == "huber" else 1e-12
        self._judged: dict[LensForm, LensCandidate] = {}
        self.inflation = 1.0
        self.fisheye_price = UNUSUAL

    def fitted(self, form: LensForm) -> LensCandidate:
        if form not in self._judged:
            start = self._starts[form.fisheye]
            priors = LensPriors.of(form, self._views.size, float(start.lens[0]), self._plausible)
            fit = fit_lens(
                self._views,
                form,
                start,
                priors,
                loss=self._loss,
                max_iterations=_ITERATIONS,
                tolerance=self._tolerance,
            )
            self._judged[form] = self._judge(fit)
        return self._scored(self._judged[form])

    @property
    def candidates(self) -> list[LensCandidate]:
        scored = [self._scored(candidate) for candidate in self._judged.values()]
        return sorted(scored, key=lambda c: (not c.admissible, c.score))

    @property
    def best(self) -> LensCandidate:
        return self.candidates[0]

    def _scored(self, candidate: LensCandidate) -> LensCandidate:
        """With the inflation as it is known by now."""
        fit, squares = candidate.fit, candidate.fit.prior_squares
        score = candidate.evidence.score(2 * fit.cost - squares, self.inflation) + squares
        score += self.fisheye_price if fit.form.fisheye else 0.0
        score += 0.0 if fit.form.free_center else UNUSUAL
        return replace(candidate, score=score)

    def _judge(self, fit: LensFit) -> LensCandidate:
        evidence = LensEvidence.of(fit)
        intrinsics = fit.form.intrinsics(self._views.size, fit.lens)
        growth = float(evidence.left_out_chi2.sum()) / max(float(evidence.chi2.sum()), 1e-300)
        return LensCandidate(
            fit.form,
            intrinsics,
            fit,
            evidence,
            math.inf,
            fit.rmse_px,
            fit.rmse_px * math.sqrt(growth),
            folds_back(intrinsics),
        )


def _fisheye_price(rich: LensCandidate) -> float:
    """What a fisheye lens must be better by. Where nothing was seen far off the axis, both models
    describe the same few degrees; the ordinary one then extrapolates better."""
    points = rich.fit.state.poses.camera_points(rich.fit.problem.views)
    off_axis = np.arctan2(np.linalg.norm(points[:, :2], axis=-1), points[:, 2])
    return UNUSUAL if float(off_axis.max()) > _FAR_OFF_AXIS_RAD else 10 * UNUSUAL


def _richness(form: LensForm) -> tuple[int, bool, bool]:
    # The rational form is hard to start; it is tried, but the others are judged by the next.
    terms = len(form.terms) if "k6" not in form.terms else 0
    return (terms, not form.square_pixels, form.free_center)


def form_spread(choice: LensChoice) -> Float[np.ndarray, "parameters parameters"]:
    """How the forms of the same lens model differ from the chosen one, each weighted with its
    probability given the evidence (Hoeting et al., Bayesian model averaging, 1999).

    The rational form is left out: its coefficients mean something else.
    """
    chosen = choice.chosen
    rivals = [
        c
        for c in choice.candidates
        if c.admissible and c.form.fisheye == chosen.form.fisheye and "k6" not in c.form.terms
    ]
    spread = np.zeros((len(chosen.fit.lens),) * 2)
    if not rivals:
        return spread
    scores = np.array([c.score for c in rivals])
    weights = np.exp(-0.5 * (scores - scores.min()))
    weights /= weights.sum()
    for candidate, weight in zip(rivals, weights, strict=True):
        difference = candidate.fit.lens - chosen.fit.lens
        spread += weight * np.outer(difference, difference)
    return spread


def _better_left_out(
    chosen: LensCandidate, candidates: list[LensCandidate]
) -> LensCandidate | None:
    """A candidate that beats the chosen one on left-out views, view by view, beyond chance."""
    best: tuple[float, LensCandidate] | None = None
    for other in candidates:
        if not other.admissible or other.form == chosen.form:
            continue
        gain = chosen.evidence.left_out_chi2 - other.evidence.left_out_chi2
        spread = float(gain.std(ddof=1)) / math.sqrt(len(gain)) if len(gain) > 1 else math.inf
        t = float(gain.mean()) / max(spread, 1e-300)
        if t > _CLEARLY_BETTER_LEFT_OUT and (best is None or other.score < best[1].score):
            best = (t, other)
    return best[1] if best else None


def _reason(chosen: LensCandidate, candidates: list[LensCandidate]) -> str:
    others = [c for c in candidates if c.form != chosen.form and c.admissible]
    if not others:
        return f"{chosen.form.name}: the only form that was asked for"
    simpler = [c for c in others if _free(c.form) < _free(chosen.form)]
    richer = [c for c in others if _free(c.form) > _free(chosen.form)]
    parts: list[str] = []
    if simpler:
        next_best = min(simpler, key=lambda c: c.score)
        parts.append(
            f"fewer parameters miss more than noise explains ({next_best.form.name}: "
            f"{next_best.rmse_px:.3f} px, evidence {next_best.score - chosen.score:+.0f})"
        )
    if richer:
        next_best = min(richer, key=lambda c: c.score)
        parts.append(
            f"more parameters gain less than they cost ({next_best.form.name}: "
            f"{next_best.rmse_px:.3f} px, evidence {next_best.score - chosen.score:+.0f})"
        )
    return f"{chosen.form.name}, {chosen.rmse_px:.3f} px: " + "; ".join(parts)


def _free(form: LensForm) -> int:
    return form.basis.shape[1]
