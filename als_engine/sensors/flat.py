"""One flat float32 vector instead of named arrays: of an observation, and of a whole world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final, TypeVar

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.errors import ArgumentError
from als_engine.geometry import portable_math
from als_engine.world.arrays import NOTHING
from als_engine.world.state import WorldState

FLAT: Final = "flat"
"""The key under which a simulation keeps flat observations."""

BOUND: Final = 1e6
"""No number of a world's state vector is larger; one that would be is cut off."""

T = TypeVar("T")
Floats = NDArray[np.float32]
Slices = dict[str, slice]


class FlatObservations:
    """Joins the parts of an observation: keys in alphabetical order, each in C order, as float32.

    Attributes:
        slices: observation key to its place in the vector.
        space: of one avatar, with the bounds of the parts.
    """

    def __init__(self, space: gymnasium.spaces.Dict) -> None:
        """Lays the vector out.

        Raises:
            ArgumentError: there is no part, or one is not made of numbers; names it.
        """
        if not space.spaces:
            raise ArgumentError("flatten needs a sensor")
        bounds = {key: _bounds(key, space[key]) for key in sorted(space)}
        self.slices = _slices({key: low.size for key, (low, _) in bounds.items()})
        low, high = (np.concatenate(sides) for sides in zip(*bounds.values(), strict=True))
        self.space = gymnasium.spaces.Box(low, high, dtype=np.float32)

    def join(self, parts: Mapping[str, NDArray[Any]], out: Floats) -> None:
        """Fills `out`, (worlds, observers, numbers), from the arrays (worlds, observers, ...)."""
        for key, where in self.slices.items():
            out[..., where] = parts[key].reshape(*out.shape[:2], -1)


def plain(parts: Mapping[str, T]) -> Any:
    """The observation for a client: the flat vector itself, or else the parts by name."""
    return parts.get(FLAT, parts)


def plain_space(space: gymnasium.spaces.Dict) -> Any:
    """The space of what `plain` returns, as a copy: a client may change or seed it in place."""
    return deepcopy(space[FLAT] if FLAT in space.spaces else space)


class StateVector:
    """Every world as one flat vector, for critics that see it all.

    Attributes:
        slices: what a part holds to its place in the vector.
        space: of one world.
    """

    def __init__(self, state: WorldState) -> None:
        """Lays the vector out; the arrays have to be those of a simulation."""
        sizes = {name: array[0].size for name, array in _parts(state)}
        self.slices = _slices(sizes)
        shape = (sum(sizes.values()),)
        self.space = gymnasium.spaces.Box(-BOUND, BOUND, shape, np.float32)

    def read(self, state: WorldState) -> Floats:
        """The worlds as they are, (worlds, numbers)."""
        out: Floats = np.empty((state.num_worlds, *(self.space.shape or ())), np.float32)
        for name, array in _parts(state):
            values = np.nan_to_num(
                array.reshape(state.num_worlds, -1).astype(np.float64, copy=False)
            )
            out[:, self.slices[name]] = np.clip(values, -BOUND, BOUND)
        return out


def _parts(state: WorldState) -> Iterator[tuple[str, NDArray[Any]]]:
    """Names and arrays (worlds, ...) of a state vector, in their order."""
    avatars, props, signs, sounds = state.avatars, state.props, state.signs, state.sounds
    speech = state.speech
    yield "time_left", 1.0 - state.step / state.max_episode_steps
    yield "avatars.position", avatars.position
    yield "avatars.velocity", avatars.velocity
    yield "avatars.heading", _direction(avatars.heading)
    yield "avatars.turn_rate", avatars.turn_rate
    yield "avatars.held", _one_hot(avatars.held, len(props.names))
    yield "avatars.present", avatars.present
    yield "avatars.utterance", _one_hot(avatars.utterance, len(state.utterances))
    if speech.slots:
        yield "avatars.said_verb", _one_hot(state.said_verb, len(speech.verbs))
        yield "avatars.said_slot", _one_hot(state.said_slot, len(speech.slots))
    yield "props.position", props.position
    yield "props.orientation", props.orientation
    yield "props.velocity", props.velocity
    yield "props.present", props.present
    yield "signs.position", signs.position
    yield "signs.heading", _direction(signs.heading)
    yield "signs.present", signs.present
    yield "sounds.position", sounds.position
    yield "sounds.on", sounds.on
    for name in sorted(state.quantities):
        yield f"task.{name}", state.quantities[name]


def _direction(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([portable_math.cos(angle), portable_math.sin(angle)], axis=-1)


def _one_hot(index: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    """(..., count) from indices; nothing is set where there is NOTHING."""
    found: NDArray[np.bool_] = (index[..., None] == np.arange(count)) & (index != NOTHING)[
        ..., None
    ]
    return found


def _slices(sizes: Mapping[str, int]) -> Slices:
    ends = np.cumsum(list(sizes.values())).tolist()
    return {
        name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)
    }


def _bounds(key: str, space: gymnasium.Space[Any]) -> tuple[Floats, Floats]:
    """The lowest and the highest value of each number of a part."""
    low: ArrayLike
    high: ArrayLike
    if isinstance(space, gymnasium.spaces.Box):
        low, high = space.low, space.high
    elif isinstance(space, gymnasium.spaces.Discrete):
        low, high = space.start, space.start + space.n - 1
    elif isinstance(space, gymnasium.spaces.MultiDiscrete):
        low, high = space.start, space.start + space.nvec - 1
    elif isinstance(space, gymnasium.spaces.MultiBinary):
        low, high = np.zeros(space.shape), np.ones(space.shape)
    else:
        raise ArgumentError(f'flatten: "{key}" is no array of numbers, but {space}')
    return np.ravel(low).astype(np.float32), np.ravel(high).astype(np.float32)
