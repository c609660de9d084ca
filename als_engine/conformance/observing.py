"""Checks what is observed: inside its space, filled anew by every look, fast, and no secret."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.codec import ACTION_MODES
from als_engine.conformance.case import Case, Player
from als_engine.conformance.report import Failure
from als_engine.conformance.running import Finding, Subject
from als_engine.plugins.specs import SPLITS
from als_engine.sensors import Sensor
from als_engine.simulation import Simulation

_SEED: Final = 11
_FRAME: Final = 16
_LOOKS: Final = 600
"""How often a sensor looks at one moment, to see whether it counts."""

_SLOW: Final = 0.05
"""Seconds that a look at two worlds may take."""

_PATTERNS: Final = (0x55, 0xAA)
"""Bytes that buffers hold before a look: what differs afterwards was not written."""

Observations = dict[str, NDArray[Any]]


def sensors(case: Case) -> Iterator[Finding]:
    """Every sensor is finite and inside its space while every avatar plays.

    Such as: "thermometer" is NaN at step 3 with discrete actions
    """
    wrong = set[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # What is cut off is said below.
        for mode in ACTION_MODES:
            yield from _play(case, mode, wrong)


def _play(case: Case, mode: str, wrong: set[str]) -> Iterator[Finding]:
    """Plays in one action mode, and looks; notes what was told."""
    given: dict[str, Any] = {"frame_size": _FRAME, "action_mode": mode}
    simulation = case.simulate(2, sensors=case.every_sensor(), **given)
    try:
        player = Player(_SEED)
        simulation.reset([_SEED, _SEED + 1])
        simulation.observe()
        for step in range(case.options.steps):
            yield from outside(case, simulation, step, wrong)
            simulation.step(player.act(simulation))
        if (count := simulation.truncated_instructions) and "instruction" not in wrong:
            wrong.add("instruction")
            yield (
                f"{count} instructions are cut off in the text observation while it plays: "
                f"shorten them, or raise {case.task_class().__name__}.text_tokens"
            )
    finally:
        simulation.close()


def outside(
    subject: Subject, simulation: Simulation, step: int, wrong: set[str]
) -> Iterator[Finding]:
    """What is outside of its space; each key once."""
    for key, array in simulation.observations.items():
        space: Any = simulation.observation_space[key]
        rows = array.reshape(-1, *array.shape[2:])
        if key in wrong or all(space.contains(row) for row in rows):
            continue
        wrong.add(key)
        when = f"at step {step} with {simulation.action_mode} actions"
        odd = _oddness(array, space)
        yield Failure(f'"{key}" is {odd} {when}', _place(subject, simulation, key))


def _oddness(array: NDArray[Any], space: Any) -> str:
    """How an array is outside of its space."""
    if array.dtype.kind == "f" and np.isnan(array).any():
        return "NaN"
    if not np.isfinite(array).all():
        return "infinite"
    low, high = getattr(space, "low", 0), getattr(space, "high", 0)
    odd = array[(array < low) | (array > high)] if hasattr(space, "low") else array[:0]
    return f"outside its space: {odd[0]:g} in {space}" if odd.size else f"outside its space {space}"


def sensor_of(simulation: Simulation, key: str) -> Sensor | None:
    """The sensor that fills an observation."""
    made = simulation.observing.sensors
    return next((sensor for sensor in made if key in sensor.enabled), None)


def _place(subject: Subject, simulation: Simulation, key: str) -> str:
    """Where the sensor's `read` is defined, if it is checked as well."""
    return subject.own.of_method(type(sensor_of(simulation, key)), "read")


def buffers(case: Case) -> Iterator[Finding]:
    """Every look fills its arrays anew: what they held before, and earlier looks, do not matter.

    Such as: of "thermometer" 2 of 2 numbers depend on what the array held before: read has to
    write all of it
    """
    names = [*case.task_class().extra_sensors]
    simulation = case.simulate(2, sensors=case.every_sensor(), frame_size=_FRAME)
    try:
        yield from looks(case, simulation, names, case.options.steps)
    finally:
        simulation.close()


def looks(
    subject: Subject, simulation: Simulation, own: list[str], steps: int
) -> Iterator[Finding]:
    """Looks at what sensors make of buffers, and how the checked ones count and how long they take.

    Args:
        subject: what is checked.
        simulation: not yet reset.
        own: the observations that are checked for memory and time as well.
        steps: that are played first.
    """
    player = Player(_SEED)
    simulation.reset([_SEED, _SEED + 1])
    for _ in range(steps):
        simulation.advance(player.act(simulation))
    one, two = (_filled(simulation, pattern) for pattern in _PATTERNS)
    for key in one:
        if unlike := int((_bits(one[key]) != _bits(two[key])).sum()):
            yield Failure(
                f'of "{key}" {unlike} of {one[key].size} numbers depend on what the array held '
                "before: read has to write all of it, whatever was there",
                _place(subject, simulation, key),
            )
    for key in own:
        if (_bits(one[key]) == _bits(two[key])).all():
            yield from _counting(subject, simulation, key)


def _filled(simulation: Simulation, pattern: int) -> Observations:
    """What sensors make of arrays in which every byte is the pattern."""
    for array in simulation.observations.values():
        array.view(np.uint8)[...] = pattern if array.dtype != np.bool_ else pattern & 1
    simulation.observe()
    return {key: array.copy() for key, array in simulation.observations.items()}


def _bits(array: NDArray[Any]) -> NDArray[Any]:
    """The numbers as whole ones, so that NaN is equal to itself."""
    return array.view(f"u{array.dtype.itemsize}")


def _counting(subject: Subject, simulation: Simulation, key: str) -> Iterator[Finding]:
    """Looks at one moment again and again: the last answer is the first one, and comes in time."""
    sensor = sensor_of(simulation, key)
    if sensor is None:
        return
    out, taken = simulation.observations, []
    for _ in range(3):  # The first look may compile something, and others may use the processor.
        began = time.perf_counter()
        sensor.read(simulation.state, out)
        taken.append(time.perf_counter() - began)
    seconds, first = min(taken), out[key].copy()
    place = subject.own.of_method(type(sensor), "read")
    subject.figures[f"{key}_seconds"] = seconds
    if seconds > _SLOW:
        yield Failure(
            f'a look of "{key}" at 2 worlds takes {seconds:.3f} s, at most {_SLOW} s are allowed',
            place,
        )
        return
    for look in range(4, min(_LOOKS, int(1 / max(seconds, 1e-6))) + 4):
        sensor.read(simulation.state, out)
        if not np.array_equal(out[key], first, equal_nan=out[key].dtype.kind == "f"):
            yield Failure(
                f'"{key}" shows something else when it looks at the same moment on look {look}: '
                "a sensor keeps nothing, and draws by state.uniform alone",
                place,
            )
            return


def secrecy(case: Case) -> Iterator[Finding]:
    """No observation tells which level it is: agents could know it by heart.

    Such as: "thermometer" depends on state.level, the number of the level
    """
    simulation = case.simulate(2, sensors=case.every_sensor(), frame_size=_FRAME)
    try:
        simulation.reset([_SEED, _SEED + 1])
        yield from told_level(case, simulation)
        yield from _numbered(case, simulation)
    finally:
        simulation.close()
    yield from _correlated(case)


def told_level(subject: Subject, simulation: Simulation) -> Iterator[Finding]:
    """Observations of worlds that change with nothing but the number of the level."""
    once, again = _filled(simulation, 0), _filled(simulation, 0)
    simulation.state.level[:] = (simulation.state.level + 1_234) % 10_000
    for key, array in _filled(simulation, 0).items():
        tells = (_bits(array) != _bits(again[key])).any()
        if tells and (_bits(once[key]) == _bits(again[key])).all():
            place = _place(subject, simulation, key)
            yield Failure(f'"{key}" depends on state.level, the number of the level', place)


def _numbered(case: Case, simulation: Simulation) -> Iterator[Finding]:
    """Levels whose texts have their own number."""
    levels = [n for split in SPLITS for n in case.sampled(split) if n >= 100]
    for what in ("instruction", "signs", "sounds"):
        telling = [n for n in levels if _tells(getattr(case.lay_out(simulation, n), what), n)]
        if len(telling) > len(levels) / 2:
            n = telling[0]
            text = f"the number of level {n} stands in its {what}, and so do those of others"
            yield case.failure(text, "layout")


def _tells(texts: Any, level: int) -> bool:
    """Whether an instruction, a sign or a sound has a number in it."""
    if isinstance(texts, str):
        said = [texts]
    elif isinstance(texts, Mapping):
        said = [each.text or "" for each in texts.values()]
    else:
        said = list(texts)
    return any(re.search(rf"(?<!\d){level}(?!\d)", text) for text in said)


def _correlated(case: Case) -> Iterator[Finding]:
    """Observed numbers that grow with the number of the level, all along the split."""
    levels = [n for n in case.sampled("train") if n in case.openings]
    if len(levels) < 4:
        return
    wanted = _standardised(np.array(levels, np.float64)[:, None])
    for key in case.openings[levels[0]].observations:
        seen = np.stack([case.openings[n].observations[key].ravel() for n in levels])
        likeness = np.abs((_standardised(seen.astype(np.float64)) * wanted).mean(0))
        # Of few values some grow with a few levels by chance: the number of a level is its own.
        differs = (np.diff(np.sort(seen, axis=0), axis=0) != 0).all(0)
        if (at := np.flatnonzero((likeness > 0.99999) & differs)).size:
            yield f'"{key}" tells the number of the level, in number {at[0]} of it'


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns of mean 0 and deviation 1; constant ones are 0."""
    centred = values - values.mean(0)
    deviation = centred.std(0)
    small = deviation <= 1e-9 * np.maximum(1.0, np.abs(values).max(0))
    return np.where(small, 0.0, centred / np.where(small, 1.0, deviation))
