"""Records the Bullet calls of a simulation, to make them again in worlds that are built alike."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import hand_written
import numpy as np
import pybullet
from hand_written import simulate_by_hand

from als_engine.simulation import Simulation

Call = tuple[Any, tuple[Any, ...], dict[str, Any]]


class _Spy:
    """Stands in for the pybullet module and writes down what is called, with which client."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(pybullet, name)
        if not callable(real):
            return real

        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append((real, arguments, named))
            return real(*arguments, **named)

        return call


@dataclass
class Recording:
    """The calls of every chunk of steps."""

    scenario: str
    worlds: int
    chunks: list[list[Call]]
    clients: list[int]

    def player(self, copies: int = 1) -> Player:
        """Worlds built like those that were recorded, so many of each, to make the calls in."""
        return Player(self, copies)


class Player:
    """Makes the recorded calls again."""

    def __init__(self, recording: Recording, copies: int) -> None:
        n = recording.worlds
        self._simulation = _by_hand(recording.scenario, n * copies, observers=1)
        physics: Any = self._simulation.moving.physics
        swaps = [
            dict(zip(recording.clients, physics.clients[first : first + n], strict=True))
            for first in range(0, n * copies, n)
        ]
        self._chunks = [
            [_bind(call, swap) for call in chunk for swap in swaps] for chunk in recording.chunks
        ]

    def play(self, chunk: int) -> None:
        """The hand-written loop: the calls, and nothing else."""
        for function, arguments, named in self._chunks[chunk]:
            function(*arguments, **named)

    def time_steps(self, chunk: int) -> float:
        """Makes the calls and returns the time that `stepSimulation` took."""
        step, clock, taken = pybullet.stepSimulation, time.perf_counter, 0.0
        for function, arguments, named in self._chunks[chunk]:
            if function is step:
                start = clock()
                function(*arguments, **named)
                taken += clock() - start
            else:
                function(*arguments, **named)
        return taken

    def close(self) -> None:
        """Closes the worlds."""
        self._simulation.close()


def record(scenario: str, worlds: int, actions: np.ndarray, steps: int) -> Recording:
    """Steps the hand-written physics and returns the Bullet calls that it made.

    Args:
        scenario: the id.
        worlds: how many; world `i` is reset with seed `i`.
        actions: (chunks * steps, worlds, avatars), of the first avatars; the others stroll.
        steps: how many there are in a chunk.
    """
    simulation = _by_hand(scenario, worlds, observers=actions.shape[2])
    physics: Any = simulation.moving.physics
    clients = list(physics.clients)
    spy, real = _Spy(), hand_written.bullet
    chunks = []
    hand_written.bullet = spy  # type: ignore[assignment]
    try:
        for chunk in actions.reshape(-1, steps, *actions.shape[1:]):
            spy.calls = []
            for action in chunk:
                simulation.advance(action)
            chunks.append(spy.calls)
    finally:
        hand_written.bullet = real
    simulation.close()
    return Recording(scenario, worlds, chunks, clients)


def _by_hand(scenario: str, worlds: int, observers: int) -> Simulation:
    simulation = simulate_by_hand(scenario, worlds, observers=observers, sensors=())
    simulation.reset(list(range(worlds)))
    return simulation


def _bind(call: Call, swap: dict[int, int]) -> Call:
    """The same call for another client, which goes by name or comes last."""
    function, arguments, named = call
    if "physicsClientId" in named:
        return function, arguments, {**named, "physicsClientId": swap[named["physicsClientId"]]}
    return function, (*arguments[:-1], swap[arguments[-1]]), named
