"""Action spaces: from actions to commands and back.

An action means the same for every avatar of every scenario. Each action mode is a class here;
`Codec` checks actions and lets the mode turn them into `Commands`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.bodies.avatar import (
    HAND_PICK_UP,
    HAND_PUT_DOWN,
    HAND_REST,
    HAND_USE,
    Commands,
    Possible,
)
from als_engine.checks import one_of
from als_engine.errors import ActionError, NoMasksError
from als_engine.system.compiling import kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.speech import Speech, Verb

LOCOMOTION: Final = (
    "stay",
    "forward",
    "backward",
    "left",
    "right",
    "turn left",
    "turn right",
)
"""The ways to go, in the order in which every mode that chooses among them has them."""

HANDS: Final = ("rest", "pick up", "put down", "use")
"""What a hand does, in the order of `HAND_REST` and the others."""

DISCRETE_ACTIONS: Final = (*LOCOMOTION, *HANDS[1:])
"""The discrete actions; `say` actions, one per sentence of the scenario, follow them."""

CONTINUOUS_ACTIONS: Final = ("forward", "left", "turn left", "pick up / put down", "use", "say")
"""The axes of a continuous action, each in [-1, 1].

The hand picks up above 1/3 and puts down below -1/3, `use` acts above 1/3; `say` is cut into one
equal interval for silence, which contains -1, and one for each sentence.
"""

FACTORED_ACTIONS: Final = ("locomotion", "hand", "say")
"""The parts of a factored action: three choices, all carried out in the same step.

Where the scenario has verbs with slots, `say` chooses a phrase or a verb, and a fourth part,
`slot`, what follows the verb; a phrase is said whatever the slot. A verb that has no such slot is
not said.
"""

_MOVES = {"forward": (1.0, 0.0), "backward": (-1.0, 0.0), "left": (0.0, 1.0), "right": (0.0, -1.0)}
_TURNS = {"turn left": 1.0, "turn right": -1.0}
_THRESHOLD = 1 / 3


class _Commanded(NamedTuple):
    """The commands of all avatars, as kernels take them."""

    move: FloatArray
    turn: FloatArray
    hand: NDArray[np.int8]
    say: IntArray


class _Mode(Protocol):
    """One way to write actions.

    Attributes:
        space: one avatar's action space.
        names: what each discrete action, or each axis or part, does.
        choices: of each part of an action that is one of several, what they do.
        kinds: of the dtypes that actions may have.
        numbers: what actions must be, for the message.
    """

    space: gymnasium.Space[Any]
    names: tuple[str, ...]
    choices: Mapping[str, tuple[str, ...]]
    kinds: str
    numbers: str

    def decode(self, actions: NDArray[Any], commands: _Commanded) -> int:
        """Writes commands; returns the first row that is outside the space, or -1."""

    def encode(self, commands: _Commanded) -> NDArray[Any]:
        """The actions that come nearest to commands."""

    def masks(self, locomotion: BoolArray, hand: BoolArray, say: BoolArray) -> BoolArray:
        """What can be chosen, (worlds, avatars, n)."""


class Codec:
    """Actions of one mode, to commands and back.

    Attributes:
        mode: "discrete", "continuous" or "factored".
        space: one avatar's action space.
        shape: of one avatar's action: (), (6,), or (3,) and with slots (4,).
        names: what each discrete action, or each axis or part, does.
        choices: part of an action to what each of its choices does; empty for continuous actions.
    """

    def __init__(
        self, mode: str, utterances: Speech | Sequence[str | Verb], clip: bool = False
    ) -> None:
        """Builds the action space; `clip` takes continuous values beyond it as its nearest.

        Raises:
            ArgumentError: there is no such mode.
            TaskError: the utterances are not what a task can have.
        """
        self.mode, self._clip = one_of("action_mode", mode, ACTION_MODES), clip
        self.speech = utterances if isinstance(utterances, Speech) else Speech(utterances)
        self._acts = _MODES[self.mode](self.speech)
        self.space, self.names, self.choices = (
            self._acts.space,
            self._acts.names,
            self._acts.choices,
        )
        self.shape: tuple[int, ...] = self.space.shape or ()

    def decode(
        self, actions: ArrayLike, commands: Commands, observers: int, first_world: int = 0
    ) -> None:
        """Checks actions and writes them as the commands of the first `observers` avatars.

        Args:
            actions: (worlds, observers, *self.shape).
            commands: filled in place.
            observers: how many avatars in each world the caller drives.
            first_world: the number of world 0 in error messages.

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
        bad = self._acts.decode(
            array, _Commanded(commands.move, commands.turn, commands.hand, commands.say)
        )
        if bad >= 0:
            world, avatar = divmod(bad, observers)
            action = array[world, avatar]
            is_number = continuous and not np.isnan(action).any()
            raise ActionError(
                f"action of world {first_world + world}, avatar {avatar} is not in {self.space}: "
                f"{action}" + ("; clip_actions=True clips it" if is_number else "")
            )

    def encode(self, commands: Commands, observers: int) -> NDArray[Any]:
        """The actions that come nearest to the commands of the first `observers` avatars.

        Returns:
            (worlds, observers, *self.shape), int64 or float32. A discrete action does one thing at
            a time: say, use the hand, turn if that is a large part of the command, else move. A
            factored one turns or moves in the same way, and says and uses the hand as well.
        """
        move, turn = commands.move[:, :observers], commands.turn[:, :observers]
        hand, say = commands.hand[:, :observers], commands.say[:, :observers]
        return self._acts.encode(_Commanded(move, turn, hand, say))

    def masks(self, possible: Possible, observers: int) -> BoolArray:
        """Which actions the first `observers` avatars can take, (worlds, observers, n) bool.

        n counts the discrete actions, or the choices of all parts of a factored one in their order.

        Raises:
            NoMasksError: continuous actions have none.
        """
        return self._acts.masks(
            possible.locomotion[:, :observers],
            possible.hand[:, :observers],
            possible.say[:, :observers],
        )

    def for_sampling(self, mask: NDArray[np.bool_]) -> Any:
        """An avatar's mask as `space.sample(mask=...)` takes it: int8, a tuple for all parts."""
        whole = mask.astype(np.int8)
        if self.mode == "discrete":
            return whole
        ends = np.cumsum([len(choices) for choices in self.choices.values()])[:-1]
        return tuple(np.split(whole, ends))


class _Discrete:
    """One of everything that an avatar can do."""

    kinds, numbers = "iu", "integers"

    def __init__(self, speech: Speech) -> None:
        said = tuple(f"say {text!r}" for text in speech.sentences)
        self.names = DISCRETE_ACTIONS + said
        self.choices = {"action": self.names}
        self.space = gymnasium.spaces.Discrete(len(self.names))
        n, first = len(self.names), len(DISCRETE_ACTIONS)
        self._hand, self._say = np.zeros(n, np.int8), np.full(n, NOTHING, np.int32)
        self._move, self._turn = np.zeros((n, 2)), np.zeros(n)
        self._move[: len(LOCOMOTION)], self._turn[: len(LOCOMOTION)] = _ways()
        self._hand[len(LOCOMOTION) : first] = np.arange(1, len(HANDS))
        self._say[first:] = np.arange(len(said))

    def decode(self, actions: NDArray[Any], commands: _Commanded) -> int:
        tables = self._move, self._turn, self._hand, self._say
        bad: int = _decode_discrete(actions, *tables, *commands)
        return bad

    def encode(self, commands: _Commanded) -> NDArray[np.int64]:
        hand, say = commands.hand, commands.say
        action = _way_of(commands.move, commands.turn)
        action = np.where(hand != HAND_REST, hand.astype(np.int64) + len(LOCOMOTION) - 1, action)
        return np.where(say != NOTHING, say + len(DISCRETE_ACTIONS), action).astype(np.int64)

    def masks(self, locomotion: BoolArray, hand: BoolArray, say: BoolArray) -> BoolArray:
        return np.concatenate([locomotion, hand[..., 1:], say], axis=-1)


class _Continuous:
    """A number for each axis."""

    kinds, numbers = "fiu", "numbers"
    names = CONTINUOUS_ACTIONS
    choices: Mapping[str, tuple[str, ...]] = {}

    def __init__(self, speech: Speech) -> None:
        self._utterances = len(speech.sentences)
        self.space = gymnasium.spaces.Box(-1.0, 1.0, (len(self.names),), np.float32)

    def decode(self, actions: NDArray[Any], commands: _Commanded) -> int:
        bad: int = _decode_continuous(actions, self._utterances, *commands)
        return bad

    def encode(self, commands: _Commanded) -> NDArray[np.float32]:
        turn, hand, say = commands.turn, commands.hand, commands.say
        actions = np.zeros((*turn.shape, len(self.names)), np.float32)
        actions[..., :2] = np.clip(commands.move, -1, 1)
        actions[..., 2] = np.clip(turn, -1, 1)
        actions[..., 3] = (hand == HAND_PICK_UP) * 1.0 - (hand == HAND_PUT_DOWN) * 1.0
        actions[..., 4] = hand == HAND_USE
        choices = self._utterances + 1
        actions[..., 5] = np.where(say == NOTHING, -1.0, (2 * (say + 1) + 1) / choices - 1.0)
        return actions

    def masks(self, locomotion: BoolArray, hand: BoolArray, say: BoolArray) -> BoolArray:
        raise NoMasksError(
            'continuous actions have no masks: use action_mode="discrete" or "factored"'
        )


class _Factored:
    """A choice for the feet, one for the hand, one for the voice, and what follows a verb."""

    kinds, numbers = "iu", "integers"

    def __init__(self, speech: Speech) -> None:
        said = ("nothing", *map(repr, speech.verbs))
        self.choices = dict(zip(FACTORED_ACTIONS, (LOCOMOTION, HANDS, said), strict=True))
        if speech.slots:
            self.choices["slot"] = speech.slots
        self.names, self._speech = tuple(self.choices), speech
        # Nothing is said by the first choice.
        self._sentence = np.pad(speech.sentence, ((1, 0), (0, 0)), constant_values=NOTHING)
        self._sizes = np.array([len(choices) for choices in self.choices.values()])
        self.space = gymnasium.spaces.MultiDiscrete(self._sizes)
        self._move, self._turn = _ways()

    def decode(self, actions: NDArray[Any], commands: _Commanded) -> int:
        tables = self._sizes, self._move, self._turn, self._sentence
        bad: int = _decode_factored(actions, *tables, *commands)
        return bad

    def encode(self, commands: _Commanded) -> NDArray[np.int64]:
        parts: list[NDArray[Any]] = [_way_of(commands.move, commands.turn), commands.hand]
        parts.append(self._speech.verb[commands.say] + 1)
        if self._speech.slots:
            parts.append(np.maximum(self._speech.slot[commands.say], 0))
        return np.stack(parts, axis=-1).astype(np.int64)

    def masks(self, locomotion: BoolArray, hand: BoolArray, say: BoolArray) -> BoolArray:
        """A verb can be chosen with some slot, and a slot with some verb, that can be said."""
        can = np.concatenate([say, np.zeros_like(say[..., :1])], axis=-1)[..., self._sentence[1:]]
        nothing = np.ones_like(locomotion[..., :1])
        parts = [locomotion, hand, nothing, can.any(axis=-1)]
        if self._speech.slots:
            slot = can.any(axis=-2)
            parts.append(slot | ~slot.any(axis=-1, keepdims=True))  # One has to be chosen.
        return np.concatenate(parts, axis=-1)


_MODES: Final[Mapping[str, type[_Discrete | _Continuous | _Factored]]] = {
    "discrete": _Discrete,
    "continuous": _Continuous,
    "factored": _Factored,
}
ACTION_MODES: Final = tuple(_MODES)


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


def _ways() -> tuple[FloatArray, FloatArray]:
    """What each way to go moves, (ways, 2), and turns, (ways,)."""
    move = np.array([_MOVES.get(name, (0.0, 0.0)) for name in LOCOMOTION])
    return move, np.array([_TURNS.get(name, 0.0) for name in LOCOMOTION])


def _way_of(move: FloatArray, turn: FloatArray) -> NDArray[np.int64]:
    """The way to go that comes nearest to commands: turn if that is a large part, else move."""
    along = np.abs(move[..., 0]) >= np.abs(move[..., 1])
    forth = np.where(move[..., 0] > 0, 1, 2)
    aside = np.where(move[..., 1] > 0, 3, 4)
    strength = np.max(np.abs(move), axis=-1)
    way = np.where(strength > 0.25, np.where(along, forth, aside), 0)
    turns = (np.abs(turn) > 0.5) | ((np.abs(turn) > 0.25) & (strength <= 0.5))
    return np.where(turns, np.where(turn > 0, 5, 6), way)


@kernel
def _decode_discrete(actions, moves, turns, hands, says, move, turn, hand, say):  # type: ignore[no-untyped-def]
    worlds, observers = actions.shape
    for w in range(worlds):
        for a in range(observers):
            k = actions[w, a]
            if k < 0 or k >= turns.shape[0]:
                return w * observers + a
            move[w, a, 0], move[w, a, 1] = moves[k, 0], moves[k, 1]
            turn[w, a], hand[w, a], say[w, a] = turns[k], hands[k], says[k]
    return -1


@kernel
def _decode_continuous(actions, utterances, move, turn, hand, say):  # type: ignore[no-untyped-def]
    worlds, observers = actions.shape[:2]
    for w in range(worlds):
        for a in range(observers):
            for k in range(actions.shape[2]):
                # A NaN fails both comparisons; the slack is float32 rounding.
                if not (-1.000001 <= actions[w, a, k] <= 1.000001):
                    return w * observers + a
            move[w, a, 0], move[w, a, 1] = actions[w, a, 0], actions[w, a, 1]
            turn[w, a] = actions[w, a, 2]
            hand[w, a] = HAND_REST
            if actions[w, a, 4] > _THRESHOLD:
                hand[w, a] = HAND_USE
            elif actions[w, a, 3] > _THRESHOLD:
                hand[w, a] = HAND_PICK_UP
            elif actions[w, a, 3] < -_THRESHOLD:
                hand[w, a] = HAND_PUT_DOWN
            part = int((actions[w, a, 5] + 1.0) / 2.0 * (utterances + 1))
            say[w, a] = min(max(part, 0), utterances) - 1
    return -1


@kernel
def _decode_factored(actions, sizes, moves, turns, sentence, move, turn, hand, say):  # type: ignore[no-untyped-def]
    worlds, observers = actions.shape[:2]
    for w in range(worlds):
        for a in range(observers):
            for k in range(sizes.size):
                if actions[w, a, k] < 0 or actions[w, a, k] >= sizes[k]:
                    return w * observers + a
            way = actions[w, a, 0]
            move[w, a, 0], move[w, a, 1], turn[w, a] = moves[way, 0], moves[way, 1], turns[way]
            slot = actions[w, a, 3] if sizes.size > 3 else 0
            hand[w, a], say[w, a] = actions[w, a, 1], sentence[actions[w, a, 2], slot]
    return -1
