"""Which joint of a humanoid tree plays which part, whatever its program calls it.

The parts are called by Mixamo's names (`Hips`, `Spine`, `LeftForeArm`, ...), which most animation
programs map to their own humanoid without help.
"""

from __future__ import annotations

from collections.abc import Sequence

FINGERS = ("Thumb", "Index", "Middle", "Ring", "Pinky")
SIDES = ("Left", "Right")
SPINE = ("Spine", "Spine1", "Spine2")

_LIMBS: dict[str, tuple[str, ...]] = {
    # Of two spellings that are there, the first one counts: in SMPL "left_shoulder" is the upper
    # arm and "left_collar" the shoulder, and "left_foot" are the toes below "left_ankle".
    "Arm": ("arm", "uparm", "upperarm", "shldr", "upperarm01", "shoulder"),
    "ForeArm": ("forearm", "lowarm", "lowerarm", "elbow", "lowerarm01"),
    "Hand": ("wrist", "hand"),
    "UpLeg": ("upleg", "upperleg", "thigh", "upperleg01", "hip"),
    "Leg": ("leg", "lowleg", "lowerleg", "shin", "calf", "knee", "lowerleg01"),
    "Foot": ("ankle", "foot"),
    "ToeBase": ("toebase", "toe", "toes", "ball", "toe11", "foot"),
    "Shoulder": ("collar", "clavicle", "collarbone", "shoulder", "shoulder01"),
}
_HEADS = ("head",)
LIMB_PARTS = tuple(_LIMBS)
"""Parts of the limbs that stand once on each side."""


def plain_name(name: str) -> str:
    """A joint's name without prefix, case, spaces and punctuation, for comparison."""
    plain = "".join(c for c in name.split(":")[-1].lower() if c.isalnum())
    return plain.removeprefix("mixamorig")


def joint_roles(names: Sequence[str], parents: Sequence[int]) -> dict[str, int]:
    """Which joint plays which part; parts that no joint plays are left out.

    `Hips` is the nearest joint above both legs, `Spine`, `Spine1` and `Spine2` share the way from
    there to the nearest joint above both arms (`Spine2`), and `Neck` is the joint below the first
    one above that; so these need no particular names.

    Args:
        names: of the joints.
        parents: index of each joint's parent, which stands before it; -1 for the root.

    Returns:
        Indices of joints, by the part's Mixamo name.
    """
    plain = [plain_name(name) for name in names]
    found: dict[str, int] = {}
    taken: set[int] = set()

    def first(side: str, words: Sequence[str]) -> int | None:
        for word in words:
            spelled = {side + word, word + side, side[0] + word, word + side[0]}
            for joint, name in enumerate(plain):
                if name in spelled and joint not in taken:
                    return joint
        return None

    def take(role: str, joint: int | None) -> None:
        if joint is not None:
            found[role] = joint
            taken.add(joint)

    for side in SIDES:
        for part, words in _LIMBS.items():
            take(side + part, first(side.lower(), words))
        for number, finger in enumerate(FINGERS, 1):
            for i in (1, 2, 3):
                low = finger.lower()
                take(
                    f"{side}Hand{finger}{i}",
                    first(
                        side.lower(),
                        (f"hand{low}{i}", f"{low}{i}", f"{low}0{i}", f"finger{number}{i}"),
                    ),
                    # SMPL-H spells left_index1, whose side stands before; CMU nothing.
                )
    take("Head", next((j for j, name in enumerate(plain) if name in _HEADS), None))
    _trunk(parents, found)
    return found


def _trunk(parents: Sequence[int], found: dict[str, int]) -> None:
    """Adds hips, spine and neck, by their place in the tree."""
    if "LeftUpLeg" in found and "RightUpLeg" in found:
        hips = _common(parents, found["LeftUpLeg"], found["RightUpLeg"])
        if hips is not None:
            found["Hips"] = hips
    if "LeftArm" not in found or "RightArm" not in found or "Hips" not in found:
        return
    chest = _common(parents, found["LeftArm"], found["RightArm"])
    above = _above(parents, chest) if chest is not None else []
    if chest is None or found["Hips"] not in above:
        return
    path = [*reversed(above[: above.index(found["Hips"])]), chest]
    shown = SPINE[-len(path) :] if len(path) < len(SPINE) else SPINE
    for k, role in enumerate(reversed(shown)):
        # The chest first, then evenly down to the lowest.
        place = len(path) - 1 if k == 0 else round((len(shown) - 1 - k) * (len(path) - 1) / 2)
        found[role] = path[place]
    if "Head" in found:
        neck = _above(parents, found["Head"])
        if chest in neck and neck.index(chest) > 0:
            found["Neck"] = neck[neck.index(chest) - 1]


def _above(parents: Sequence[int], joint: int) -> list[int]:
    """The joints above one, from the nearest to the root."""
    above: list[int] = []
    while parents[joint] >= 0:
        joint = parents[joint]
        above.append(joint)
    return above


def _common(parents: Sequence[int], a: int, b: int) -> int | None:
    """The nearest joint above both."""
    other = set(_above(parents, b))
    return next((joint for joint in _above(parents, a) if joint in other), None)
