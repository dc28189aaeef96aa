"""The bodies of several people, one after the other, as all commands that need them take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from mocap.cli.progress import say_error
from mocap.errors import BodyModelError, InputError

_Body = TypeVar("_Body")


def body_of_each(
    people: Sequence[int], make: Callable[[int], _Body], *, all_needed: bool = False
) -> list[_Body]:
    """What `make` gives for each person.

    One who was hardly seen does not keep the others from having a body: that is a warning.

    Args:
        people: person ids.
        make: gives the body of one person.
        all_needed: whether everybody was asked for by name, so that no one may be left out.

    Raises:
        BodyModelError: the body model cannot be had.
        InputError: a person cannot be fitted who is the only one or is needed, or nobody can be.
    """
    bodies: list[_Body] = []
    for person_id in people:
        try:
            bodies.append(make(person_id))
        except BodyModelError:
            raise
        except InputError as error:
            if all_needed or len(people) == 1:
                raise
            say_error(str(error), "warning", "yellow")
    if not bodies:
        raise InputError("nobody could be fitted; the reasons are above")
    return bodies
