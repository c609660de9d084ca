"""Checks a scenario's docstring, spec, levels and splits."""

from __future__ import annotations

import dataclasses
import inspect
import json
import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import gymnasium
import numpy as np

from als_engine.conformance.case import SLOW_LAYOUT, Case
from als_engine.conformance.running import Finding
from als_engine.plugins.specs import SPLITS, ScenarioSpec
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


def docstring(case: Case) -> Iterator[Finding]:
    """Its docstring has the fixed sections and names every argument and metric.

    Such as: the docstring's Arguments do not name `reach`
    """
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


def spec(case: Case) -> Iterator[Finding]:
    """Its spec and Gymnasium's go through JSON and pickle and name the same scenario.

    Such as: Gymnasium's spec is another one after JSON
    """
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


def layout_time(case: Case) -> Iterator[Finding]:
    """A level is laid out in no time: whoever resets a world waits for it.

    Such as: a level takes 0.31 s to be laid out, at most 0.2 s are allowed
    """
    seconds = case.layout_seconds
    case.figures["layout_seconds"] = seconds
    case.notes["layout-time"] = f"{1000 * seconds:.1f} ms"
    case.scores["layout-time"] = min(1.0, SLOW_LAYOUT / max(seconds, 1e-9))
    if seconds > SLOW_LAYOUT:
        yield case.failure(
            f"a level takes {seconds:.2f} s to be laid out, at most {SLOW_LAYOUT} s are allowed; "
            "so few levels are looked at",
            "layout",
        )


def levels(case: Case) -> Iterator[Finding]:
    """A level is a function of number and key, and names the same things as every other.

    Such as: level 17 is laid out differently the second time: draw from the generator that
    layout is given
    """
    one, other, keyed = case.simulate(), case.simulate(split="test"), case.simulate(split="test")
    keyed.level_key = _KEY
    try:
        first = case.lay_out(one, 0)
        expected = _names(first)
        for level in [level for split in SPLITS for level in case.sampled(split)]:
            layout = case.lay_out(one, level)
            if digest(layout) != digest(other.lay_out(level)):
                yield case.failure(
                    f"level {level} is laid out differently the second time: draw from the "
                    "generator that layout is given, and from nothing else",
                    "layout",
                )
            for what, names in _names(layout).items():
                if names != expected[what]:
                    yield f"level {level} names the {what} {names}, level 0 {expected[what]}"
        same = [
            n
            for n in case.sampled("test")
            if digest(keyed.lay_out(n)) == digest(case.lay_out(one, n))
        ]
        if same:
            yield case.failure(
                f"level {same[0]} is the same under a secret key: agents could look it up; draw "
                "what it holds from the generator that layout is given",
                "layout",
            )
    finally:
        for simulation in (one, other, keyed):
            simulation.close()
    yield from _check_metrics(case)


def instructions(case: Case) -> Iterator[Finding]:
    """Every level's instruction fits into the text observation.

    Such as: the instructions of 3 levels, such as 4, are cut off in the text observation:
    shorten them
    """
    cut = [level for level, opening in case.openings.items() if opening.is_cut]
    case.scores["instructions"] = 1 - len(cut) / len(case.openings)
    if cut:
        yield case.failure(
            f"the instructions of {len(cut)} levels, such as {cut[0]}, are cut off in the text "
            f"observation: shorten them, or raise {case.task_class().__name__}.text_tokens",
            "layout",
        )


def _names(layout: Layout) -> dict[str, tuple[str, ...]]:
    groups = {
        "props": layout.props,
        "signs": layout.signs,
        "sounds": layout.sounds,
        "screens": layout.screens,
    }
    return {what: tuple(group) for what, group in groups.items()}


def _check_metrics(case: Case) -> Iterator[Finding]:
    """The metrics at the beginning of every level are of the same names, types and shapes."""
    first, *_ = case.openings.values()
    expected = {name: (v.dtype, v.shape) for name, v in first.metrics.items()}
    for level, opening in case.openings.items():
        found = {name: (values.dtype, values.shape) for name, values in opening.metrics.items()}
        if found != expected:
            yield f"level {level} has the metrics {sorted(found)}, level 0 {sorted(expected)}"
        for name, values in opening.metrics.items():
            if not np.isfinite(values).all():
                what = "NaN" if np.isnan(values).any() else "infinite"
                text = f'metrics["{name}"] is {what} at the beginning of level {level}'
                yield case.failure(text, "metrics")


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
