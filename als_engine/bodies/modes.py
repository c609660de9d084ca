"""Action modes: how one of several actions, numbers on axes, or several choices become commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.avatar import HAND_PICK_UP, HAND_PUT_DOWN, HAND_REST, HAND_USE, Possible
from als_engine.bodies.repertoire import Repertoire
from als_engine.errors import NoMasksError
from als_engine.system.compiling import kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.body import HANDS, LOCOMOTION

DISCRETE_ACTIONS: Final = (*LOCOMOTION, *HANDS[1:])
"""The discrete actions; `say` actions, one per sentence of the scenario, follow them."""

CONTINUOUS_ACTIONS: Final = ("forward", "left", "turn left", "pick up / put down", "use", "say")
"""The axes of a continuous action, each in [-1, 1].

The hand picks up above 1/3 and puts down below -1/3, `use` acts above 1/3; `say` is cut into one
equal interval for silence, which contains -1, and one for each sentence. Each effector has an axis
behind them, cut likewise.
"""

FACTORED_ACTIONS: Final = ("locomotion", "hand", "say")
"""The parts of a factored action: three choices, all carried out in the same step.

A guided action is the same, but its feet can also go to a thing: `go to NAME`, for every prop and
then every avatar of the world.

Where the scenario has verbs with slots, `say` chooses a phrase or a verb, and a fourth part,
`slot`, what follows the verb; a phrase is said whatever the slot. A verb that has no such slot is
not said. Each effector has a part behind them.
"""

_MOVES = {"forward": (1.0, 0.0), "backward": (-1.0, 0.0), "left": (0.0, 1.0), "right": (0.0, -1.0)}
_TURNS = {"turn left": 1.0, "turn right": -1.0}
_THRESHOLD = 1 / 3
_FORWARD: Final = LOCOMOTION.index("forward")


class Commanded(NamedTuple):
    """The commands of some avatars, as kernels take them; see `Commands`."""

    move: FloatArray
    turn: FloatArray
    hand: NDArray[np.int8]
    say: IntArray
    work: IntArray
    goal: IntArray


class Mode(Protocol):
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

    def decode(self, actions: NDArray[Any], commands: Commanded) -> int:
        """Writes commands; returns the first row that is outside the space, or -1."""

    def encode(self, commands: Commanded) -> NDArray[Any]:
        """The actions that come nearest to commands."""

    def masks(self, possible: Possible, avatars: slice) -> BoolArray:
        """What can be chosen, (worlds, avatars, n)."""


class _Own:
    """What every mode has of a repertoire: the way from it to the world's numbers, and back."""

    def __init__(self, can: Repertoire) -> None:
        self._can, self._said, self._columns = can, can.said, can.columns
        self._ways, self._hands = np.array(can.ways), np.array(can.hands, np.int8)
        self._way, self._hand = _back(can.ways, len(LOCOMOTION)), _back(can.hands, len(HANDS))
        sentences = (can.world or can).speech.sentences
        # NOTHING finds the last entry.
        self._sentence = np.full(len(sentences) + 1, NOTHING, np.int32)
        self._sentence[self._said[:-1]] = np.arange(len(self._said) - 1)

    def _masks_of_effectors(self, possible: Possible, avatars: slice) -> list[BoolArray]:
        return [possible.effectors[name][:, avatars] for name in self._can.effectors]


def _back(chosen: tuple[int, ...], count: int) -> NDArray[np.int64]:
    """From the number of everything to its number among the chosen; to the first where it lacks."""
    table = np.zeros(count, np.int64)
    table[list(chosen)] = np.arange(len(chosen))
    return table


class _Discrete(_Own):
    """One of everything that an avatar can do."""

    kinds, numbers = "iu", "integers"

    def __init__(self, can: Repertoire) -> None:
        super().__init__(can)
        ways, hands = self._ways, self._hands[1:]
        said = [f"say {text!r}" for text in can.speech.sentences]
        done = [f"{name}: {each}" for name, all_ in can.effectors.items() for each in all_[1:]]
        named = (*(LOCOMOTION[i] for i in ways), *(HANDS[i] for i in hands))
        self.names: tuple[str, ...] = (*named, *said, *done)
        self.choices = {"action": self.names}
        self.space = gymnasium.spaces.Discrete(len(self.names))
        n, first, last = len(self.names), len(named), len(named) + len(said)
        self._tables = Commanded(
            np.zeros((n, 2)),
            np.zeros(n),
            np.zeros(n, np.int8),
            np.full(n, NOTHING, np.int32),
            np.zeros((n, len((can.world or can).effectors)), np.int32),
            np.full(n, NOTHING, np.int32),
        )
        move, turn = _ways()
        self._tables.move[: len(ways)], self._tables.turn[: len(ways)] = move[ways], turn[ways]
        self._tables.hand[len(ways) : first] = hands
        self._tables.say[first:last] = self._said[:-1]
        # Where the commands of each effector begin, less the one to rest.
        self._first, self._begins = first, []
        for column, choices in zip(self._columns, can.effectors.values(), strict=True):
            self._begins.append(last - 1)
            for k in range(1, len(choices)):
                self._tables.work[last, column] = k
                last += 1

    def decode(self, actions: NDArray[Any], commands: Commanded) -> int:
        bad: int = _decode_discrete(actions, self._tables[:-1], commands[:-1])
        return bad

    def encode(self, commands: Commanded) -> NDArray[np.int64]:
        action = self._way[_way_of(commands.move, commands.turn)]
        hand = self._hand[commands.hand]
        action = np.where(hand != 0, hand + len(self._ways) - 1, action)
        for column, begins in zip(self._columns, self._begins, strict=True):
            work = commands.work[..., column]
            action = np.where(work != 0, work + begins, action)
        say = self._sentence[commands.say]
        return np.where(say != NOTHING, say + self._first, action).astype(np.int64)

    def masks(self, possible: Possible, avatars: slice) -> BoolArray:
        parts = [
            possible.locomotion[:, avatars][..., self._ways],
            possible.hand[:, avatars][..., self._hands[1:]],
            possible.say[:, avatars][..., self._said[:-1]],
        ]
        parts += [each[..., 1:] for each in self._masks_of_effectors(possible, avatars)]
        return np.concatenate(parts, axis=-1)


class _Continuous(_Own):
    """A number for each axis."""

    kinds, numbers = "fiu", "numbers"
    choices: Mapping[str, tuple[str, ...]] = {}

    def __init__(self, can: Repertoire) -> None:
        super().__init__(can)
        self.names = (*CONTINUOUS_ACTIONS, *can.effectors)
        self._sizes = np.array([len(each) for each in can.effectors.values()], np.int64)
        # The first choice is silence.
        self._sentences = np.roll(self._said, 1)
        self.space = gymnasium.spaces.Box(-1.0, 1.0, (len(self.names),), np.float32)

    def decode(self, actions: NDArray[Any], commands: Commanded) -> int:
        tables = self._sentences, self._sizes, self._columns
        bad: int = _decode_continuous(actions, tables, commands[:-1])
        return bad

    def encode(self, commands: Commanded) -> NDArray[np.float32]:
        turn, hand = commands.turn, commands.hand
        actions = np.zeros((*turn.shape, len(self.names)), np.float32)
        actions[..., :2] = np.clip(commands.move, -1, 1)
        actions[..., 2] = np.clip(turn, -1, 1)
        actions[..., 3] = (hand == HAND_PICK_UP) * 1.0 - (hand == HAND_PUT_DOWN) * 1.0
        actions[..., 4] = hand == HAND_USE
        say = self._sentence[commands.say] + 1
        actions[..., 5] = _middle(say, len(self._sentences))
        for k, (column, size) in enumerate(zip(self._columns, self._sizes, strict=True)):
            actions[..., 6 + k] = _middle(commands.work[..., column], size)
        return actions

    def masks(self, possible: Possible, avatars: slice) -> BoolArray:
        raise NoMasksError(
            'continuous actions have no masks: use action_mode="discrete", "factored" or "guided"'
        )


def _middle(choice: IntArray, choices: int) -> FloatArray:
    """The middle of a choice's interval; of the first one its edge."""
    return np.where(choice == 0, -1.0, (2 * choice + 1) / choices - 1.0)


class _Factored(_Own):
    """A choice for the feet, the hand, the voice, what follows a verb, and each effector."""

    kinds, numbers = "iu", "integers"

    def __init__(self, can: Repertoire) -> None:
        super().__init__(can)
        speech = can.speech
        things = self._things(can)
        self._places = len(things)
        named = (
            (*(LOCOMOTION[i] for i in can.ways), *(f"go to {name}" for name in things)),
            tuple(HANDS[i] for i in can.hands),
            ("nothing", *map(repr, speech.verbs)),
        )
        self.choices: dict[str, tuple[str, ...]] = dict(zip(FACTORED_ACTIONS, named, strict=True))
        if speech.slots:
            self.choices["slot"] = speech.slots
        self._base = len(self.choices)
        self.choices |= can.effectors
        self.names = tuple(self.choices)
        # Nothing is said by the first choice.
        sentence = np.pad(speech.sentence, ((1, 0), (0, 0)), constant_values=NOTHING)
        self._sentences = self._said[sentence]
        self._sizes = np.array([len(choices) for choices in self.choices.values()])
        self.space = gymnasium.spaces.MultiDiscrete(self._sizes)
        move, turn = _ways()
        self._move, self._turn = move[self._ways], turn[self._ways]

    def _things(self, can: Repertoire) -> tuple[str, ...]:
        """The names of what the feet can be sent to."""
        return ()

    def decode(self, actions: NDArray[Any], commands: Commanded) -> int:
        tables = self._move, self._turn, self._hands, self._sentences, self._columns
        bad: int = _decode_factored(actions, self._sizes, self._base, tables, tuple(commands))
        return bad

    def encode(self, commands: Commanded) -> NDArray[np.int64]:
        way = self._way[_way_of(commands.move, commands.turn)]
        way = np.where(commands.goal != NOTHING, commands.goal + len(self._ways), way)
        parts: list[NDArray[Any]] = [way, self._hand[commands.hand]]
        speech, say = self._can.speech, self._sentence[commands.say]
        parts.append(speech.verb[say] + 1)
        if speech.slots:
            parts.append(np.maximum(speech.slot[say], 0))
        parts += [commands.work[..., column] for column in self._columns]
        return np.stack(parts, axis=-1).astype(np.int64)

    def masks(self, possible: Possible, avatars: slice) -> BoolArray:
        """A verb can be chosen with some slot, and a slot with some verb, that can be said."""
        locomotion, say = possible.locomotion[:, avatars], possible.say[:, avatars]
        can = np.concatenate([say, np.zeros_like(say[..., :1])], axis=-1)[..., self._sentences[1:]]
        parts = [
            locomotion[..., self._ways],
            possible.goals[:, avatars, : self._places],
            possible.hand[:, avatars][..., self._hands],
            np.ones_like(locomotion[..., :1]),
            can.any(axis=-1),
        ]
        if self._can.speech.slots:
            slot = can.any(axis=-2)
            parts.append(slot | ~slot.any(axis=-1, keepdims=True))  # One has to be chosen.
        return np.concatenate([*parts, *self._masks_of_effectors(possible, avatars)], axis=-1)


class _Guided(_Factored):
    """A factored action whose feet can be sent to a thing."""

    def _things(self, can: Repertoire) -> tuple[str, ...]:
        return (can.world or can).things if _FORWARD in can.ways else ()


MODES: Final[Mapping[str, type[_Discrete | _Continuous | _Factored]]] = {
    "discrete": _Discrete,
    "continuous": _Continuous,
    "factored": _Factored,
    "guided": _Guided,
}


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
def _decode_discrete(actions, tables, commands):  # type: ignore[no-untyped-def]
    moves, turns, hands, says, works = tables
    move, turn, hand, say, work = commands
    worlds, observers = actions.shape
    for w in range(worlds):
        for a in range(observers):
            k = actions[w, a]
            if k < 0 or k >= turns.shape[0]:
                return w * observers + a
            move[w, a, 0], move[w, a, 1] = moves[k, 0], moves[k, 1]
            turn[w, a], hand[w, a], say[w, a] = turns[k], hands[k], says[k]
            for i in range(works.shape[1]):
                work[w, a, i] = works[k, i]
    return -1


@kernel
def _decode_continuous(actions, tables, commands):  # type: ignore[no-untyped-def]
    sentences, sizes, columns = tables
    move, turn, hand, say, work = commands
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
            part = int((actions[w, a, 5] + 1.0) / 2.0 * sentences.size)
            say[w, a] = sentences[min(max(part, 0), sentences.size - 1)]
            for k in range(work.shape[2]):
                work[w, a, k] = 0
            for k in range(sizes.size):
                part = int((actions[w, a, 6 + k] + 1.0) / 2.0 * sizes[k])
                work[w, a, columns[k]] = min(max(part, 0), sizes[k] - 1)
    return -1


@kernel
def _decode_factored(actions, sizes, base, tables, commands):  # type: ignore[no-untyped-def]
    moves, turns, hands, sentence, columns = tables
    move, turn, hand, say, work, goal = commands
    worlds, observers = actions.shape[:2]
    for w in range(worlds):
        for a in range(observers):
            for k in range(sizes.size):
                if actions[w, a, k] < 0 or actions[w, a, k] >= sizes[k]:
                    return w * observers + a
            way = actions[w, a, 0]
            goal[w, a] = NOTHING
            if way >= turns.size:  # To a thing: the guide writes how.
                goal[w, a], way = way - turns.size, 0
            move[w, a, 0], move[w, a, 1], turn[w, a] = moves[way, 0], moves[way, 1], turns[way]
            slot = actions[w, a, 3] if base > 3 else 0
            hand[w, a], say[w, a] = hands[actions[w, a, 1]], sentence[actions[w, a, 2], slot]
            for k in range(work.shape[2]):
                work[w, a, k] = 0
            for k in range(columns.size):
                work[w, a, columns[k]] = actions[w, a, base + k]
    return -1
