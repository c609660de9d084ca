"""The errors that a user meets: one line each, naming the thing that is wrong.

The command line prints an `ALSError` as that one line, without a traceback. Where Python has a
fitting built-in (`ValueError` for a wrong argument) the class is one of those as well, so callers
need not know this module. Nothing heavy is imported here: everything else imports this file.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ALSError",
    "ActionError",
    "ArgumentError",
    "CopyError",
    "LayoutError",
    "MachineError",
    "NoExpertError",
    "PhysicsError",
    "PluginError",
    "ResetNeededError",
    "SavedFileError",
    "SnapshotError",
    "StoreError",
    "TaskError",
    "UnexpectedArgumentError",
    "UnknownIdError",
    "WorkerError",
    "did_you_mean",
    "unexpected",
    "unknown",
]


class ALSError(Exception):
    """Base of every error whose message is meant for the user, as one clear line."""


class UnknownIdError(ALSError, LookupError):
    """An id or name that nothing installed answers to.

    A `LookupError`, not a `KeyError`: a `KeyError` shows its message in quotes.
    """


class ArgumentError(ALSError, ValueError):
    """A keyword argument or option that is unknown, or whose value is not allowed."""


class CopyError(ALSError, TypeError):
    """A copy, a pickle or a fork of something whose handles only one object may hold."""


class UnexpectedArgumentError(ArgumentError, TypeError):
    """A keyword argument that nothing takes.

    A `TypeError` as well, with Python's own words: clients such as TorchRL's `GymEnv` try arguments
    out, and go by both.
    """


class ActionError(ALSError, ValueError):
    """An action that is not in the action space; names the world, the avatar and the value."""


class LayoutError(ALSError, ValueError):
    """A layout that cannot be built: a full room, overlapping walls, a spawn inside a prop."""


class TaskError(ALSError, ValueError):
    """A task's answer with a wrong shape or type, or with numbers that are not finite.

    Attributes:
        method: Of the task, where it is known.
    """

    method: str = ""


class NoExpertError(ALSError, NotImplementedError):
    """A scenario whose task has no expert was asked for the expert's actions."""


class NoMasksError(ArgumentError, AttributeError):
    """The actions cannot be masked; `has_attr("action_masks")` is False then."""


class SavedFileError(ALSError, ValueError):
    """A file or folder that cannot be read or written, or holds something it should not."""


class SnapshotError(ALSError, ValueError):
    """A snapshot that is not of these worlds: of another scenario, argument, engine or number."""


class StoreError(ALSError, RuntimeError):
    """A benchmark's results that cannot be read or written, or that contradict stored ones."""


class PhysicsError(ALSError, RuntimeError):
    """A physics state that is not finite, or has exploded: never turned into a reward.

    Attributes:
        world: Index of the first world whose state is broken.
        worlds: Indices of all of them; the other worlds have made their step.
    """

    def __init__(self, message: str, world: int, worlds: tuple[int, ...] = ()) -> None:
        """Keeps all arguments in `args`, so that the error pickles across processes."""
        super().__init__(message, world, worlds)
        self.world, self.worlds = world, worlds or (world,)

    def __str__(self) -> str:
        """Returns the message alone."""
        return str(self.args[0])


class WorkerError(ALSError, RuntimeError):
    """A worker process of a vector env that died, hangs, or failed."""


class MachineError(ALSError, RuntimeError):
    """A fault of the machine, such as a full disk: nobody's result, and to be done again."""


class PluginError(ALSError):
    """A plugin that does not load, or that offers something it may not offer."""


class ResetNeededError(ALSError, RuntimeError):
    """`step()` or `render()` before the first `reset()`, after the end, or after `close()`.

    Also after a step or a reset that broke off in the middle.
    """


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Returns `'; did you mean "X"?'` for the closest allowed name, or `''` when none is close.

    Case is ignored, since `als/classroom-v0` is the most common slip of all.
    """
    by_folded = {candidate.casefold(): candidate for candidate in allowed}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return f'; did you mean "{by_folded[close[0]]}"?' if close else ""


def unknown(kind: str, name: object, allowed: Iterable[str]) -> str:
    """Builds the message for an unknown name: what it is, the nearest one, and all that exist.

    Args:
        kind: What the name should have been, such as `scenario` or `sensor`.
        name: The name that was given, or what was given in the place of one.
        allowed: Every name that would have been right, in the order to list them.
    """
    if not isinstance(name, str):
        return f"{kind} must be a name, got {name!r:.100}{_instead('', allowed)}"
    return f'unknown {kind} "{name}"{_instead(name, allowed)}'


def unexpected(owner: str, name: str, allowed: Iterable[str]) -> UnexpectedArgumentError:
    """Builds the error for a keyword argument that `owner` does not take."""
    hint = _instead(name, allowed)
    return UnexpectedArgumentError(f"{owner} got an unexpected keyword argument {name!r}{hint}")


def _instead(name: str, allowed: Iterable[str]) -> str:
    """Returns the nearest allowed name, and all of them."""
    names = list(allowed)
    hint = did_you_mean(name, names)
    listed = ", ".join(names) if names else "none"
    return f"{hint} allowed: {listed}" if hint else f"; allowed: {listed}"
