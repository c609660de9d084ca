"""Action spaces: from actions to commands and back.

An action means the same for every avatar that has it. Each action mode is a class in `modes`;
`Codec` checks actions and lets the mode turn them into `Commands`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.bodies.avatar import Commands, Possible
from als_engine.bodies.modes import (
    CONTINUOUS_ACTIONS,
    DISCRETE_ACTIONS,
    FACTORED_ACTIONS,
    MODES,
    Commanded,
)
from als_engine.bodies.repertoire import Repertoire
from als_engine.checks import one_of
from als_engine.errors import ActionError
from als_engine.world.arrays import BoolArray
from als_engine.world.body import HANDS, LOCOMOTION
from als_engine.world.speech import Speech, Vocabulary

__all__ = [
    "ACTION_MODES",
    "CONTINUOUS_ACTIONS",
    "DISCRETE_ACTIONS",
    "FACTORED_ACTIONS",
    "HANDS",
    "LOCOMOTION",
    "Codec",
    "as_array",
]

ACTION_MODES: Final = tuple(MODES)


class Codec:
    """Actions of one mode, to commands and back.

    Attributes:
        mode: "discrete", "continuous", "factored" or "guided".
        space: one avatar's action space.
        shape: of one avatar's action: (), (6,), or (3,) and with slots (4,).
        names: what each discrete action, or each axis or part, does.
        choices: part of an action to what each of its choices does; empty for continuous actions.
        can: what can be done.
    """

    def __init__(self, mode: str, can: Repertoire | Vocabulary, clip: bool = False) -> None:
        """Builds the action space; `clip` takes continuous values beyond it as its nearest.

        `can` is what can be done, or what can be said beside all that every body can do.

        Raises:
            ArgumentError: there is no such mode.
            TaskError: the utterances are not what a task can have.
        """
        self.mode, self._clip = one_of("action_mode", mode, ACTION_MODES), clip
        self.can = can if isinstance(can, Repertoire) else Repertoire(Speech(can))
        self._acts = MODES[self.mode](self.can)
        self.space, self.names, self.choices = (
            self._acts.space,
            self._acts.names,
            self._acts.choices,
        )
        self.shape: tuple[int, ...] = self.space.shape or ()

    def decode(
        self,
        actions: ArrayLike,
        commands: Commands,
        observers: int,
        first_world: int = 0,
        first_avatar: int = 0,
    ) -> None:
        """Checks actions and writes them as the commands of the first `observers` avatars.

        Args:
            actions: (worlds, observers, *self.shape).
            commands: filled in place.
            observers: how many avatars in each world the caller drives.
            first_world: the number of world 0 in error messages.
            first_avatar: the number of avatar 0 there.

        Raises:
            ActionError: shape, dtype or a value is wrong; names the world, avatar and value.
        """
        expected = (commands.turn.shape[0], observers, *self.shape)
        array = as_array(actions)
        if array.shape != expected:
            raise ActionError(f"actions have shape {array.shape}, expected {expected}")
        if array.dtype.kind not in self._acts.kinds:
            raise ActionError(
                f"{self.mode} actions must be {self._acts.numbers}, got dtype {array.dtype}"
            )
        continuous = self.mode == "continuous"
        array = _as_float32(array) if continuous else np.array(array, np.int64, order="C")
        if continuous and self._clip:
            array = np.clip(array, -1.0, 1.0)  # NaN stays NaN, and is refused.
        bad = self._acts.decode(array, _of(commands, commands.turn.shape[1]))
        if bad >= 0:
            world, avatar = divmod(bad, observers)
            action = array[world, avatar]
            is_number = continuous and not np.isnan(action).any()
            raise ActionError(
                f"action of world {first_world + world}, avatar {first_avatar + avatar} is not in "
                f"{self.space}: {action}" + ("; clip_actions=True clips it" if is_number else "")
            )

    def encode(self, commands: Commands, observers: int) -> NDArray[Any]:
        """The actions that come nearest to the commands of the first `observers` avatars.

        Returns:
            (worlds, observers, *self.shape), int64 or float32. A discrete action does one thing at
            a time: say, use the hand, turn if that is a large part of the command, else move. A
            factored one turns or moves in the same way, and says and uses the hand as well; so
            does a guided one, which also goes where a goal is commanded.
        """
        return self._acts.encode(_of(commands, observers))

    def masks(self, possible: Possible, observers: int, first: int = 0) -> BoolArray:
        """Which actions the avatars from `first` to `observers` can take, (worlds, avatars, n).

        n counts the discrete actions, or the choices of all parts of another in their order.

        Raises:
            NoMasksError: continuous actions have none.
        """
        return self._acts.masks(possible, slice(first, observers))

    def for_sampling(self, mask: NDArray[np.bool_]) -> Any:
        """An avatar's mask as `space.sample(mask=...)` takes it: int8, a tuple for all parts."""
        whole = mask.astype(np.int8)
        if self.mode == "discrete":
            return whole
        ends = np.cumsum([len(choices) for choices in self.choices.values()])[:-1]
        return tuple(np.split(whole, ends))


def _of(commands: Commands, avatars: int) -> Commanded:
    """The commands of the first avatars."""
    return Commanded(
        commands.move[:, :avatars], commands.turn[:, :avatars], commands.hand[:, :avatars],
        commands.say[:, :avatars], commands.work[:, :avatars], commands.goal[:, :avatars],
    )  # fmt: skip


def as_array(actions: ArrayLike) -> NDArray[Any]:
    """Actions as an array.

    Raises:
        ActionError: they are nested lists of different lengths.
    """
    try:
        return np.asarray(actions)
    except ValueError as error:
        raise ActionError(f"actions are not an array: {error}") from None


def _as_float32(actions: NDArray[Any]) -> NDArray[np.float32]:
    """In the space's own precision, so that no view's bits depend on what it was handed."""
    with np.errstate(over="ignore"):  # An infinite value is refused in a moment.
        return np.array(actions, np.float32, order="C")
