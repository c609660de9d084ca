"""Gives each handle one owner, an object in one process: copies, pickles and forks are refused.

A handle is an address or a pipe: of a Bullet client, of a worker process. Two that use the same one
move each other's worlds, and free what the other still uses.
"""

from __future__ import annotations

import copy
import os
from typing import Any, NoReturn, TypeVar

from als_engine.errors import CopyError

__all__ = ["DeepCopied", "Owner", "refuse_copy"]

T = TypeVar("T")


def refuse_copy(what: str) -> NoReturn:
    """Refuses to copy or to pickle what holds handles.

    Args:
        what: the subject of the message, in the singular.

    Raises:
        CopyError: always.
    """
    raise CopyError(
        f"{what} can be neither copied nor pickled: restore its snapshot() in another one with the "
        "same arguments, or fork() it"
    )


class Owner:
    """Holds handles: it is neither copied nor pickled, nor used in a forked process."""

    def __init__(self) -> None:
        self.own()

    def own(self) -> None:
        """Makes this process the owner."""
        self._owner = os.getpid()

    @property
    def is_owner(self) -> bool:
        """Whether this is the process that made the handles."""
        return self._owner == os.getpid()

    def check_owner(self) -> None:
        """Refuses to go on where the handles were not made.

        Raises:
            CopyError: this process was forked from the one that made them.
        """
        if not self.is_owner:
            raise CopyError(
                f"these worlds belong to process {self._owner}, from which this one was forked: "
                "make the environment in the process that uses it"
            )

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        refuse_copy(f"what holds worlds ({type(self).__name__})")


class DeepCopied:
    """A view of worlds that it owns: also `copy.copy` gives it worlds of its own, or refuses."""

    def __copy__(self: T) -> T:
        return copy.deepcopy(self)
