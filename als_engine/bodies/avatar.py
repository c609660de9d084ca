"""The avatar's motor side: action spaces, actions to commands and back, commands to forces.

An action means the same for every avatar of every scenario. `Codec` checks actions and turns them
into `Commands`, which scripted behaviours write directly; `drive` turns commands into the forces
that the physics applies and integrates headings, within each body's limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.checks import one_of
from als_engine.errors import ActionError
from als_engine.geometry import portable_math as pmath
from als_engine.geometry.planar import wrap
from als_engine.system.compiling import kernel
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray
from als_engine.world.state import WorldState

ActionMode = Literal["discrete", "continuous"]
ACTION_MODES: Final = ("discrete", "continuous")

HAND_REST, HAND_PICK_UP, HAND_PUT_DOWN, HAND_USE = range(4)

DISCRETE_ACTIONS: Final = (
    "stay",
    "forward",
    "backward",
    "left",
    "right",
    "turn left",
    "turn right",
    "pick up",
    "put down",
    "use",
)
"""The discrete actions; `say` actions, one per utterance of the scenario, follow them."""

CONTINUOUS_ACTIONS: Final = ("forward", "left", "turn left", "pick up / put down", "use", "say")
"""The axes of a continuous action, each in [-1, 1].

The hand picks up above 1/3 and puts down below -1/3, `use` acts above 1/3; `say` is cut into one
equal interval for silence, which contains -1, and one for each utterance.
"""

_MOVES = {"forward": (1.0, 0.0), "backward": (-1.0, 0.0), "left": (0.0, 1.0), "right": (0.0, -1.0)}
_TURNS = {"turn left": 1.0, "turn right": -1.0}
_HANDS = {"pick up": HAND_PICK_UP, "put down": HAND_PUT_DOWN, "use": HAND_USE}
_SIDEWAYS = 0.7
_THRESHOLD = 1 / 3


class Commands:
    """What every avatar wants to do in this step.

    Attributes:
        move: (worlds, avatars, 2) forward and left, in [-1, 1] of full speed, in the body's frame.
        turn: (worlds, avatars) in [-1, 1] of full turn speed, counter-clockwise positive.
        hand: (worlds, avatars) int8: HAND_REST, HAND_PICK_UP, HAND_PUT_DOWN or HAND_USE.
        say: (worlds, avatars) int32 index of an utterance or NOTHING.
    """

    def __init__(self, num_worlds: int, num_avatars: int) -> None:
        shape = (num_worlds, num_avatars)
        self.move: FloatArray = np.zeros((*shape, 2))
        self.turn: FloatArray = np.zeros(shape)
        self.hand: NDArray[np.int8] = np.zeros(shape, np.int8)
        self.say: IntArray = np.full(shape, NOTHING, np.int32)

    def clear(self) -> None:
        """Everybody stands still."""
        self.move.fill(0.0)
        self.turn.fill(0.0)
        self.hand.fill(HAND_REST)
        self.say.fill(NOTHING)


class Codec:
    """Actions of one mode, to commands and back.

    Attributes:
        mode: "discrete" or "continuous".
        space: one avatar's action space.
        shape: of one avatar's action: () or (6,).
        names: what each discrete action, or each axis, does.
    """

    def __init__(self, mode: str, utterances: Sequence[str], clip: bool = False) -> None:
        """Builds the action space; `clip` takes continuous values beyond it as its nearest.

        Raises:
            ArgumentError: there is no such mode.
        """
        self.mode, self._clip = one_of("action_mode", mode, ACTION_MODES), clip
        self.utterances = tuple(utterances)
        self.space: gymnasium.Space[Any]
        if mode == "discrete":
            self.names = DISCRETE_ACTIONS + tuple(f"say {text!r}" for text in utterances)
            self.space = gymnasium.spaces.Discrete(len(self.names))
            self._tables = self._discrete_tables()
        else:
            self.names = CONTINUOUS_ACTIONS
            self.space = gymnasium.spaces.Box(-1.0, 1.0, (len(self.names),), np.float32)
        self.shape: tuple[int, ...] = self.space.shape or ()

    def _discrete_tables(self) -> tuple[FloatArray, FloatArray, NDArray[np.int8], IntArray]:
        n = len(self.names)
        move, turn = np.zeros((n, 2)), np.zeros(n)
        hand, say = np.zeros(n, np.int8), np.full(n, NOTHING, np.int32)
        for i, name in enumerate(DISCRETE_ACTIONS):
            move[i] = _MOVES.get(name, (0.0, 0.0))
            turn[i] = _TURNS.get(name, 0.0)
            hand[i] = _HANDS.get(name, HAND_REST)
        say[len(DISCRETE_ACTIONS) :] = np.arange(len(self.utterances))
        return move, turn, hand, say

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
        if self.mode == "discrete":
            if array.dtype.kind not in "iu":
                raise ActionError(f"discrete actions must be integers, got dtype {array.dtype}")
            bad = _decode_discrete(
                np.array(array, np.int64, order="C"),
                *self._tables,
                commands.move,
                commands.turn,
                commands.hand,
                commands.say,
            )
        else:
            if array.dtype.kind not in "fiu":
                raise ActionError(f"continuous actions must be numbers, got dtype {array.dtype}")
            array = _as_float32(array)
            if self._clip:
                array = np.clip(array, -1.0, 1.0)  # NaN stays NaN, and is refused.
            bad = _decode_continuous(
                array,
                len(self.utterances),
                commands.move,
                commands.turn,
                commands.hand,
                commands.say,
            )
        if bad >= 0:
            world, avatar = divmod(bad, observers)
            action = array[world, avatar]
            is_number = self.mode == "continuous" and not np.isnan(action).any()
            raise ActionError(
                f"action of world {first_world + world}, avatar {avatar} is not in {self.space}: "
                f"{action}" + ("; clip_actions=True clips it" if is_number else "")
            )

    def encode(self, commands: Commands, observers: int) -> NDArray[Any]:
        """The actions that come nearest to the commands of the first `observers` avatars.

        Returns:
            (worlds, observers, *self.shape), int64 or float32. A discrete action does one thing at
            a time: say, use the hand, turn if that is a large part of the command, else move.
        """
        move, turn = commands.move[:, :observers], commands.turn[:, :observers]
        hand, say = commands.hand[:, :observers], commands.say[:, :observers]
        if self.mode == "continuous":
            return self._encode_continuous(move, turn, hand, say)
        along = np.abs(move[..., 0]) >= np.abs(move[..., 1])
        forth = np.where(move[..., 0] > 0, 1, 2)
        aside = np.where(move[..., 1] > 0, 3, 4)
        strength = np.max(np.abs(move), axis=-1)
        action = np.where(strength > 0.25, np.where(along, forth, aside), 0)
        turns = (np.abs(turn) > 0.5) | ((np.abs(turn) > 0.25) & (strength <= 0.5))
        action = np.where(turns, np.where(turn > 0, 5, 6), action)
        action = np.where(hand != HAND_REST, hand.astype(np.int64) + 6, action)
        return np.where(say != NOTHING, say + len(DISCRETE_ACTIONS), action).astype(np.int64)

    def _encode_continuous(
        self, move: FloatArray, turn: FloatArray, hand: NDArray[np.int8], say: IntArray
    ) -> NDArray[np.float32]:
        actions = np.zeros((*turn.shape, len(self.names)), np.float32)
        actions[..., :2] = np.clip(move, -1, 1)
        actions[..., 2] = np.clip(turn, -1, 1)
        actions[..., 3] = (hand == HAND_PICK_UP) * 1.0 - (hand == HAND_PUT_DOWN) * 1.0
        actions[..., 4] = hand == HAND_USE
        choices = len(self.utterances) + 1
        actions[..., 5] = np.where(say == NOTHING, -1.0, (2 * (say + 1) + 1) / choices - 1.0)
        return actions


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


def drive(state: WorldState, commands: Commands, force: FloatArray) -> None:
    """Turns commands into forces, and turns the avatars.

    A body accelerates towards the commanded velocity as fast as it may, so the force on it, and
    with it the push on whatever is in its way, is at most mass times acceleration.

    Args:
        state: headings and turn rates are updated in place.
        commands: what the avatars want.
        force: (worlds, avatars, 3), newtons in the world's frame, filled in place; z stays 0.
    """
    avatars, bodies = state.avatars, state.bodies
    _drive(
        commands.move,
        commands.turn,
        (avatars.velocity, avatars.held, avatars.heading, avatars.turn_rate),
        (
            bodies.mass, bodies.speed, bodies.acceleration, bodies.turn_speed,
            bodies.turn_acceleration,
        ),
        state.props.mass,
        state.time_step,
        force,
    )  # fmt: skip


@kernel
def _drive(move, turn, avatars, bodies, prop_mass, dt, force):  # type: ignore[no-untyped-def]
    velocity, held, heading, turn_rate = avatars
    mass, speed, acceleration, turn_speed, turn_acceleration = bodies
    worlds, avatars = turn.shape
    for w in range(worlds):
        for a in range(avatars):
            gain = turn_acceleration[a] * dt
            change = max(-1.0, min(1.0, turn[w, a])) * turn_speed[a] - turn_rate[w, a]
            turn_rate[w, a] += max(-gain, min(gain, change))
            heading[w, a] = wrap(heading[w, a] + turn_rate[w, a] * dt)

            top = speed[a]
            if held[w, a] >= 0:
                top *= mass[a] / (mass[a] + prop_mass[w, held[w, a]])
            forth, left = move[w, a, 0], move[w, a, 1]
            length = math.sqrt(forth * forth + left * left)
            if length > 1.0:
                forth, left = forth / length, left / length
            if forth < 0.0:
                forth *= _SIDEWAYS
            left *= _SIDEWAYS
            c, s = pmath.cos(heading[w, a]), pmath.sin(heading[w, a])
            dx = top * (c * forth - s * left) - velocity[w, a, 0]
            dy = top * (s * forth + c * left) - velocity[w, a, 1]
            need = math.sqrt(dx * dx + dy * dy)
            limit = acceleration[a] * dt
            scale = mass[a] / dt
            if need > limit:
                scale *= limit / need
            force[w, a, 0], force[w, a, 1] = dx * scale, dy * scale


def nobody(state: WorldState, who: BoolArray, commands: Commands) -> None:
    """The behaviour of an avatar that nobody drives: it stands still."""
