"""The checks of a sensor that a plugin offers, or that is the engine's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import gymnasium
import numpy as np

from als_engine.conformance.case import Options, Player
from als_engine.conformance.memory import generators
from als_engine.conformance.observing import looks, outside, told_level
from als_engine.conformance.places import Own
from als_engine.conformance.report import Failure
from als_engine.conformance.running import Check, Finding, Subject
from als_engine.errors import UnknownIdError, unknown
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import load_object
from als_engine.sensors import SENSORS, Sensor
from als_engine.simulation import Simulation, simulate

__all__ = ["CHECKS", "SensorCase"]

_SEED: Final = 19
_FRAME: Final = 16
_MOST: Final = 1 << 20
"""Numbers that one avatar may observe by one sensor."""


@dataclass
class SensorCase(Subject):
    """A sensor under examination.

    Attributes:
        scenario: that it looks at.
        options: how hard to look.
    """

    scenario: str = field(kw_only=True)
    options: Options = field(kw_only=True)

    @classmethod
    def of(cls, id: str, scenario: str, options: Options) -> SensorCase:
        """A case of a sensor; its class is imported."""
        return cls(id, Own([_class_of(id)]), scenario=scenario, options=options)

    def place_of(self, method: str) -> str:
        """Where a method of the sensor is defined, or `''`."""
        return self.own.of_method(_class_of(self.id), method)

    def simulate(self, num_worlds: int, **arguments: Any) -> Simulation:
        """Worlds of the scenario with this sensor alone, reset."""
        given = {"sensors": (self.id,), "frame_size": _FRAME, **arguments}
        made = simulate(self.scenario, num_worlds, **given)
        made.reset(range(_SEED, _SEED + num_worlds))
        return made


def _class_of(id: str) -> type[Sensor]:
    offered = {spec.id: spec for spec in registry.sensors()}
    if id in SENSORS:
        found: type[Sensor] = load_object(SENSORS[id])
    elif id in offered:
        found = registry.load(offered[id])
    else:
        raise UnknownIdError(unknown("sensor", id, (*SENSORS, *offered)))
    return found


def contract(case: SensorCase) -> Iterator[Finding]:
    """It is a Sensor that provides its id, in a space with a shape, a type and a sensible size.

    Such as: its space is Discrete(3), not a Box
    """
    simulation = case.simulate(1)
    try:
        space = simulation.observation_space[case.id]
        if not isinstance(space, gymnasium.spaces.Box):
            yield Failure(f"its space is {space}, not a Box", case.place_of("spaces"))
        elif int(np.prod(space.shape)) > _MOST:
            text = f"it shows {int(np.prod(space.shape))} numbers, at most {_MOST} are allowed"
            yield Failure(text, case.place_of("spaces"))
        elif not (space.low <= space.high).all():
            yield Failure(f"nothing is inside its space {space}", case.place_of("spaces"))
    finally:
        simulation.close()


def inside(case: SensorCase) -> Iterator[Finding]:
    """What it shows is finite and inside its space while every avatar plays.

    Such as: "parts/broken" is NaN at step 0 with discrete actions
    """
    simulation, wrong = case.simulate(2), set[str]()
    player = Player(_SEED)
    try:
        simulation.observe()
        for step in range(case.options.steps):
            yield from outside(case, simulation, step, wrong)
            simulation.step(player.act(simulation))
    finally:
        simulation.close()


def buffers(case: SensorCase) -> Iterator[Finding]:
    """Every look fills its arrays anew, in time: earlier looks and what was there do not matter.

    Such as: of "parts/numb" 2 of 2 numbers depend on what the array held before
    """
    simulation = case.simulate(2)
    try:
        yield from looks(case, simulation, [case.id], min(8, case.options.steps))
    finally:
        simulation.close()


def rows(case: SensorCase) -> Iterator[Finding]:
    """A world is shown alike whatever worlds are beside it, and only its own rows are written.

    Such as: world 0 of 3 is shown otherwise than alone, at step 0
    """
    many, player = case.simulate(3), Player(_SEED)
    ones = [simulate(case.scenario, 1, **_given(case)) for _ in range(3)]
    try:
        for world, one in enumerate(ones):
            one.reset([_SEED + world])
        for step in range(min(8, case.options.steps)):
            actions = player.act(many)
            many.step(actions)
            for world, one in enumerate(ones):
                one.step(actions[world : world + 1])
                shown, alone = many.observations[case.id][world], one.observations[case.id][0]
                if not np.array_equal(shown, alone, equal_nan=shown.dtype.kind == "f"):
                    place = case.place_of("read")
                    text = f"world {world} of 3 is shown otherwise than alone, at step {step}"
                    yield Failure(text, place)
                    return
        yield from _beside(case, many)
    finally:
        for simulation in (many, *ones):
            simulation.close()


def _given(case: SensorCase) -> Mapping[str, Any]:
    return {"sensors": (case.id,), "frame_size": _FRAME}


def _beside(case: SensorCase, simulation: Simulation) -> Iterator[Finding]:
    """Looks whether the sensor writes into the arrays of others."""
    others = {"somebody's": np.zeros((3, simulation.observers, 4), np.float32)}
    out = {**simulation.observations, **others}
    for sensor in simulation.observing.sensors:
        sensor.read(simulation.state, out)
    if set(out) != {case.id, *others} or any(array.any() for array in others.values()):
        yield Failure("it writes into another sensor's array", case.place_of("read"))


def pure(case: SensorCase) -> Iterator[Finding]:
    """A look changes nothing in the worlds, and draws from no generator but the state's.

    Such as: it draws from a global generator: use state.uniform
    """
    simulation, player = case.simulate(2), Player(_SEED)
    try:
        for step in range(min(8, case.options.steps)):
            before = [simulation.state.digest(world) for world in range(2)]
            drawn = generators()
            simulation.observe()
            if [simulation.state.digest(world) for world in range(2)] != before:
                yield Failure(f"it changes the state at step {step}", case.place_of("read"))
                return
            if generators() != drawn:
                text = "it draws from a global generator: use state.uniform"
                yield Failure(text, case.place_of("read"))
                return
            simulation.advance(player.act(simulation))
    finally:
        simulation.close()


def secrecy(case: SensorCase) -> Iterator[Finding]:
    """It does not tell which level it is: agents could know it by heart.

    Such as: "parts/telling" depends on state.level, the number of the level
    """
    simulation = case.simulate(2)
    try:
        yield from told_level(case, simulation)
    finally:
        simulation.close()


CHECKS: Final[Mapping[str, Check[SensorCase]]] = {
    "contract": contract,
    "inside": inside,
    "buffers": buffers,
    "rows": rows,
    "pure": pure,
    "secrecy": secrecy,
}
"""Name to check of a sensor, in the order in which they run."""
