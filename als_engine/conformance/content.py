"""Checks a scenario's docstring, spec, levels and splits."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import json
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import gymnasium
import numpy as np

from als_engine.conformance.case import Case
from als_engine.plugins.specs import SPLITS, ScenarioSpec
from als_engine.simulation import Simulation
from als_engine.task import Task
from als_engine.world.layout import Layout

SECTIONS: Final = (
    "Description",
    "Observations",
    "Actions",
    "Rewards",
    "Episode end",
    "Arguments",
    "Metrics",
    "Version history",
)
"""The headings, `## Description` and so on, of a scenario's docstring, in this order."""


def docstring(case: Case) -> Iterator[str]:
    """Its docstring has the fixed sections and names every argument and metric."""
    task = case.task_class()
    text = inspect.cleandoc(task.__doc__ or "")
    if not text.partition("\n")[0].strip() or text.startswith("##"):
        yield f"the docstring of {task.__name__} does not begin with one line that says what it is"
    parts = re.split(r"^## +(.+?) *$", text, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    if missing := [name for name in SECTIONS if not found.get(name, "").strip()]:
        yield f"the docstring of {task.__name__} lacks the sections {', '.join(missing)}"
    elif [name for name in found if name in SECTIONS] != list(SECTIONS):
        yield f"the docstring's sections are not in the order {', '.join(SECTIONS)}"
    for name in inspect.signature(task).parameters:
        if f"`{name}`" not in found.get("Arguments", "") and name != "num_avatars":
            yield f"the docstring's Arguments do not name `{name}`"
    simulation = case.simulate()
    try:
        simulation.reset([0])
        for name in simulation.metrics():
            if name != "level" and f"`{name}`" not in found.get("Metrics", ""):
                yield f"the docstring's Metrics do not name `{name}`"
    finally:
        simulation.close()


def spec(case: Case) -> Iterator[str]:
    """Its spec and Gymnasium's go through JSON and pickle and name the same scenario."""
    again = ScenarioSpec(**json.loads(json.dumps(case.spec.as_dict())))
    if again != case.spec:
        yield f"the spec is another one after JSON: {again}"
    env_spec = gymnasium.spec(case.id)
    env_spec.kwargs = {**env_spec.kwargs, **case.arguments}
    read = gymnasium.envs.registration.EnvSpec.from_json(env_spec.to_json())
    pickled = pickle.loads(pickle.dumps(env_spec))
    for name, copy in (("JSON", read), ("pickle", pickled)):
        if copy != env_spec:
            yield f"Gymnasium's spec is another one after {name}"
    # Only this copy of our own spec is made: an EnvSpec from elsewhere could name any code.
    env = gymnasium.make(read)
    made = env.spec.kwargs["scenario"] if env.spec else None
    env.close()
    if made != case.id:
        yield f"gymnasium.make of the spec from JSON makes {made}"


_KEY: Final = 0x5EC2E7
"""Stands for a board's secret level key."""


def levels(case: Case) -> Iterator[str]:
    """A level is a function of number and key, and names the same things as every other."""
    one, other, keyed = case.simulate(), case.simulate(split="test"), case.simulate(split="test")
    keyed.level_key = _KEY
    try:
        first = one.lay_out(0)
        expected = _names(first)
        for level in [level for split in SPLITS for level in case.sampled(split)]:
            layout = one.lay_out(level)
            if digest(layout) != digest(other.lay_out(level)):
                yield f"level {level} is laid out differently the second time"
            for what, names in _names(layout).items():
                if names != expected[what]:
                    yield f"level {level} names the {what} {names}, level 0 {expected[what]}"
            yield from _check_metrics(one, level)
        same = [
            n for n in case.sampled("test") if digest(keyed.lay_out(n)) == digest(one.lay_out(n))
        ]
        if same:
            yield (
                f"level {same[0]} is the same under a secret key: agents could look it up; draw "
                "what it holds from the generator that layout is given"
            )
    finally:
        for simulation in (one, other, keyed):
            simulation.close()


def instructions(case: Case) -> Iterator[str]:
    """Every level's instruction fits into the text observation."""
    simulation = case.simulate(sensors=("text",))
    cut = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # What they say is said below, of all levels.
            for level in [level for split in SPLITS for level in case.sampled(split)]:
                before = simulation.truncated_instructions
                simulation.reset([0], level=level)
                simulation.observe()
                if simulation.truncated_instructions > before:
                    cut.append(level)
    finally:
        simulation.close()
    if cut:
        name = type(simulation.task).__name__
        yield (
            f"the instructions of {len(cut)} levels, such as {cut[0]}, are cut off in the text "
            f"observation: shorten them, or raise {name}.text_tokens"
        )


def _names(layout: Layout) -> dict[str, tuple[str, ...]]:
    groups = {
        "props": layout.props,
        "signs": layout.signs,
        "sounds": layout.sounds,
        "screens": layout.screens,
    }
    return {what: tuple(group) for what, group in groups.items()}


def _check_metrics(simulation: Simulation, level: int) -> Iterator[str]:
    simulation.reset([0], level=0)
    expected = {name: (v.dtype, v.shape) for name, v in simulation.metrics().items()}
    simulation.reset([0], level=level)
    metrics = simulation.metrics()
    found = {name: (values.dtype, values.shape) for name, values in metrics.items()}
    if found != expected:
        yield f"level {level} has the metrics {sorted(found)}, level 0 {sorted(expected)}"
    for name, values in metrics.items():
        if values.shape[:1] != (1,):
            yield f"metric {name!r} has shape {values.shape} for 1 world"
        elif not np.isfinite(values).all():
            yield f"metric {name!r} is {values[0]} at the beginning of level {level}"


def splits(case: Case) -> Iterator[str]:
    """Levels differ, and no two splits share a level, a concept or company held out of training.

    A task that holds out concepts says which ones a level is about in an optional method
    `concepts(layout)`, which returns anything hashable: operand pairs, patients, orders.
    """
    simulation = case.simulate()
    concepts = getattr(simulation.task, "concepts", None)
    layouts: dict[str, dict[Any, int]] = {}
    about: dict[str, dict[Any, int]] = {}
    for split in SPLITS:
        drawn = {level: simulation.lay_out(level) for level in case.sampled(split)}
        layouts[split] = {digest(layout): level for level, layout in drawn.items()}
        if len(layouts[split]) == 1:
            yield f"all levels of the {split} split are the same"
        if concepts is not None:
            about[split] = {c: level for level, lay in drawn.items() for c in concepts(lay)}
    for one, other in itertools.combinations(SPLITS, 2):
        for same in layouts[one].keys() & layouts[other].keys():
            level, twin = layouts[one][same], layouts[other][same]
            yield f"level {level} of the {one} split is level {twin} of the {other} split"
    yield from _shared_company(simulation.task)
    if concepts is None:
        case.notes["splits"] = "the task has no concepts(layout): layouts were compared"
        return
    for one, other in itertools.combinations(SPLITS, 2):
        for same in sorted(about[one].keys() & about[other].keys(), key=repr):
            level, twin = about[one][same], about[other][same]
            yield (
                f"level {level} of {one} and {twin} of {other} are both about {same!r}: "
                "give each split concepts of its own, by split_of(level)"
            )
    counts = [str(len(about[split])) for split in SPLITS]
    case.notes["splits"] = f"{', '.join(counts[:-1])} and {counts[-1]} concepts"


def _shared_company(task: Task) -> Iterator[str]:
    """Behaviours that training does not meet, but both splits that are held out of it do."""
    for name, behaviour in task.behaviours().items():
        if {"validation", "test"} <= set(behaviour.splits) and "train" not in behaviour.splits:
            yield (
                f'the behaviour "{name}" is held out of training and met in validation and test: '
                "what is chosen on validation has met it"
            )


def digest(value: Any) -> Any:
    """A layout, or a part of one, as something hashable that is equal where it is equal."""
    if dataclasses.is_dataclass(value):
        members = [getattr(value, part.name) for part in dataclasses.fields(value)]
        return (type(value).__name__, *map(digest, members))
    if isinstance(value, Mapping):
        return tuple((name, digest(member)) for name, member in value.items())
    if isinstance(value, np.ndarray):
        return (value.shape, value.tobytes())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(map(digest, value))
    return value
