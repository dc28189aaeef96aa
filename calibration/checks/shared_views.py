"""Do the cameras see enough together?"""

from __future__ import annotations

import numpy as np

from calibration.checks.evidence import Evidence
from calibration.checks.finding import Finding, listed
from mocap.arrays import Int

ENOUGH = 10
"""Fewer common instants than this tie a camera to the others only weakly."""


def groups(shared: Int[np.ndarray, "cameras cameras"], least: int = 1) -> list[list[int]]:
    """Groups of cameras that are linked by at least `least` common instants, largest first."""
    left = list(range(len(shared)))
    found: list[list[int]] = []
    while left:
        group, front = [left.pop(0)], [0]
        front = list(group)
        while front:
            here = front.pop()
            near = [c for c in left if shared[here, c] >= least]
            left = [c for c in left if c not in near]
            group += near
            front += near
        found.append(sorted(group))
    return sorted(found, key=lambda group: -len(group))


def check_shared_views(evidence: Evidence) -> list[Finding]:
    """Cameras which nothing, or too little, links to the others."""
    names, shared = evidence.rig.names, evidence.shared
    what = evidence.what
    if len(names) < 2:
        return []
    found: list[Finding] = []
    parts = groups(shared)
    for part in parts[1:]:
        lost = tuple(names[c] for c in part)
        own = [int(shared[c, c]) for c in part]
        if max(own) == 0:
            seen = f"{listed(lost)} saw {what} in no frame"
            remedy = (
                f"Show {what} to {listed(lost)} and to another camera at the same time, and check "
                f"that the picture is sharp and bright"
            )
        else:
            others = listed([names[c] for c in parts[0]])
            seen = (
                f"{listed(lost)} saw {what} at {max(own)} instants, but never at the same time as "
                f"{others}, so nothing says where it stands"
            )
            remedy = f"Hold {what} where {listed(lost)} and one of {others} see it together"
        found.append(Finding("fail", "shared_views", lost, seen, remedy, {"shared_instants": 0.0}))
    linked = [c for c in range(len(names)) if c in parts[0]] if len(parts[0]) > 1 else []
    others = shared - np.diag(np.diag(shared))
    for c in linked:
        strongest = int(others[c].max())
        if strongest < ENOUGH:
            found.append(
                Finding(
                    "warn",
                    "shared_views",
                    (names[c],),
                    f"{names[c]} shares at most {strongest} instants with any other camera, "
                    f"{ENOUGH} or more are good",
                    f"Film longer with {what} where {names[c]} and its neighbour see it together",
                    {"shared_instants": float(strongest)},
                )
            )
    return found
