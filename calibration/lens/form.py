"""Which parameters of a lens are free: the candidates among which the evidence chooses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.lens_jacobian import lens_parameters
from mocap.arrays import Float
from mocap.errors import CalibrationError
from mocap.model import Intrinsics

_PINHOLE_TERMS = (
    (),
    ("k1",),
    ("k1", "k2"),
    ("k1", "k2", "k3"),
    ("k1", "k2", "p1", "p2"),
    ("k1", "k2", "p1", "p2", "k3"),
    ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
)
_FISHEYE_TERMS = ((), ("k1",), ("k1", "k2"), ("k1", "k2", "k3", "k4"))


@dataclass(frozen=True)
class LensForm:
    """A lens model and which of its parameters are free; the others are zero, or as stated.

    Attributes:
        fisheye: which of the two models.
        terms: free distortion coefficients by name.
        square_pixels: whether fx and fy are one parameter.
        free_center: whether cx and cy are free; else the middle of the image.
    """

    fisheye: bool
    terms: tuple[str, ...]
    square_pixels: bool = True
    free_center: bool = True

    @property
    def name(self) -> str:
        """How reports and options call it, as `parse_form` reads it."""
        words = ["fisheye" if self.fisheye else "pinhole", *self.terms]
        words.append("fx=fy" if self.square_pixels else "fx,fy")
        words.append("free-centre" if self.free_center else "fixed-centre")
        return " ".join(words)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters of the model, free or not."""
        return lens_parameters(self.fisheye)

    @property
    def basis(self) -> Float[np.ndarray, "parameters free"]:
        """How the free numbers move the parameters: the focal length or fx and fy, then the
        centre, then the coefficients in the order of `parameters`."""
        names = self.parameters
        columns = [("fx", "fy")] if self.square_pixels else [("fx",), ("fy",)]
        if self.free_center:
            columns += [("cx",), ("cy",)]
        columns += [(name,) for name in names[4:] if name in self.terms]
        basis = np.zeros((len(names), len(columns)))
        for column, members in enumerate(columns):
            for name in members:
                basis[names.index(name), column] = 1.0
        return basis

    def intrinsics(
        self, size: tuple[int, int], lens: Float[np.ndarray, " parameters"]
    ) -> Intrinsics:
        """The lens as the model package holds it, with as few coefficients as it has."""
        if self.fisheye:
            count = 4
        else:
            needed = max((self.parameters.index(term) - 3 for term in self.terms), default=0)
            count = next(n for n in (0, 4, 5, 8) if n >= needed)
        matrix = np.array([[lens[0], 0, lens[2]], [0, lens[1], lens[3]], [0, 0, 1.0]])
        return Intrinsics(
            size, matrix, lens[4 : 4 + count], "fisheye" if self.fisheye else "pinhole"
        )


FULL_PINHOLE = LensForm(False, _PINHOLE_TERMS[5], square_pixels=False)
FULL_FISHEYE = LensForm(True, _FISHEYE_TERMS[3], square_pixels=False)

ALL_FORMS: tuple[LensForm, ...] = tuple(
    LensForm(fisheye, terms, square, free)
    for fisheye, choices in ((False, _PINHOLE_TERMS), (True, _FISHEYE_TERMS))
    for terms in choices
    for square in (True, False)
    for free in (True, False)
    # A decentred lens has no better known centre than any other.
    if free or "p1" not in terms
)
"""Every candidate, simple before rich."""


def parse_form(text: str) -> LensForm:
    """Reads a form such as "pinhole k1 k2 p1 p2 k3" or "fisheye k1 k2 fixed-centre fx,fy".

    Without further words pixels are square and the centre is free.

    Raises:
        CalibrationError: a word is unknown.
    """
    words = text.replace("center", "centre").split()
    fisheye = bool(words) and words[0] == "fisheye"
    names = lens_parameters(fisheye)[4:]
    options = ("fx=fy", "fx,fy", "free-centre", "fixed-centre")
    if not words or words[0] not in ("pinhole", "fisheye"):
        raise CalibrationError(
            f"lens model {text!r} does not start with pinhole or fisheye; write for example "
            f"'pinhole k1 k2'"
        )
    for word in words[1:]:
        if word not in names and word not in options:
            raise CalibrationError(
                f"lens model {text!r}: unknown word {word!r}; choose among {', '.join(names)}, "
                f"{', '.join(options)}"
            )
    terms = tuple(name for name in names if name in words)
    return LensForm(fisheye, terms, "fx,fy" not in words, "fixed-centre" not in words)


def forms_of(models: Iterable[str | LensForm] | None) -> tuple[LensForm, ...]:
    """The candidates that were asked for, all of them where nothing was.

    Raises:
        CalibrationError: a word is unknown, or there is no model at all.
    """
    if models is None:
        return ALL_FORMS
    forms = tuple(m if isinstance(m, LensForm) else parse_form(m) for m in models)
    if not forms:
        raise CalibrationError("no lens model to choose from; name one, such as 'pinhole k1 k2'")
    return forms


def lens_vector(intrinsics: Intrinsics) -> Float[np.ndarray, " parameters"]:
    """A lens as numbers in the order of `lens_parameters`."""
    count = len(lens_parameters(intrinsics.lens == "fisheye")) - 4
    matrix = intrinsics.matrix
    head = [matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]]
    return np.concatenate([head, intrinsics.packed_distortions[:count]])


def matrix_and_distortions(
    lens: Float[np.ndarray, " parameters"],
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 8"]]:
    """Camera matrix and packed coefficients of a lens given as numbers."""
    matrix = np.array([[lens[0], 0, lens[2]], [0, lens[1], lens[3]], [0, 0, 1.0]])
    distortions = np.zeros(8)
    distortions[: len(lens) - 4] = lens[4:]
    return matrix, distortions


def middle_px(size: Sequence[int]) -> Float[np.ndarray, " 2"]:
    """The middle of an image."""
    return (np.asarray(size, dtype=np.float64) - 1) / 2


def half_diagonal_px(size: Sequence[int]) -> float:
    """From the middle of an image to its corner."""
    return 0.5 * math.hypot(*size)
