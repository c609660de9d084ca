"""Checks what is held out: no split shares a level, a concept or company with another."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np

from als_engine.conformance.case import SLOW_LAYOUT, Case
from als_engine.conformance.content import digest
from als_engine.conformance.running import Finding, Question
from als_engine.plugins.specs import SPLITS
from als_engine.simulation import Simulation
from als_engine.task import LEVELS, Behaviour
from als_engine.world.layout import Layout

Concepts = Callable[[Layout], Iterable[Any]]

_COUNTED: Final = 4
"""Times as many levels are asked for their concepts as are compared, to count the concepts."""

_SEED: Final = 7
_ACTS: Final = 10
"""Steps that every behaviour acts for."""

_EXCHANGED: Final = 0.8
"""Where training is about fewer than this part of the test split's concepts, they look swapped."""


def splits(case: Case) -> Iterator[Finding]:
    """Levels differ, and no two splits share a level or a concept; training has the most of them.

    Such as: training is about 1 concepts, test about 6: are the splits exchanged?

    A task that holds out concepts says which ones a level is about in an optional method
    `concepts(layout)`, which returns anything hashable: operand pairs, patients, orders.
    """
    simulation = case.simulate()
    yield from _shared_levels(case, simulation)
    concepts: Concepts | None = getattr(simulation.task, "concepts", None)
    if concepts is None:
        case.notes["splits"] = "the task has no concepts(layout): layouts were compared"
        yield from _silent_words(case, simulation)
        return
    about: dict[str, dict[Any, int]] = {}
    for split in SPLITS:
        about[split] = {}
        for level in _counted(case, split):
            layout = case.lay_out(simulation, level)
            found = list(concepts(layout))
            if set(found) != set(concepts(layout)):
                yield case.failure(
                    f"of level {level} it names other concepts when it is asked again", "concepts"
                )
                return
            about[split].update(dict.fromkeys(found, level))
        if not about[split]:
            yield case.failure(f"it names no concept of any level of {split}", "concepts")
            return
    yield from _shared_concepts(case, about)
    counts = [str(len(about[split])) for split in SPLITS]
    case.notes["splits"] = f"{', '.join(counts[:-1])} and {counts[-1]} concepts"


def _shared_levels(case: Case, simulation: Simulation) -> Iterator[Finding]:
    layouts: dict[str, dict[Any, int]] = {}
    for split in SPLITS:
        drawn = {level: case.lay_out(simulation, level) for level in case.sampled(split)}
        layouts[split] = {}
        for level, layout in drawn.items():
            layouts[split].setdefault(digest(layout), level)
        if len(layouts[split]) == 1:
            yield case.failure(f"all levels of the {split} split are the same", "layout")
    for one, other in itertools.combinations(SPLITS, 2):
        for same in [each for each in layouts[one] if each in layouts[other]]:
            level, twin = layouts[one][same], layouts[other][same]
            yield f"level {level} of the {one} split is level {twin} of the {other} split"


def _counted(case: Case, split: str) -> list[int]:
    """The levels whose concepts are counted: more than are compared, where they are quick."""
    if case.layout_seconds > SLOW_LAYOUT / 10:
        return case.sampled(split)
    first = LEVELS[split].start
    more = range(first, first + _COUNTED * case.options.levels)
    return sorted({*case.sampled(split), *more})


def _shared_concepts(case: Case, about: dict[str, dict[Any, int]]) -> Iterator[Finding]:
    for one, other in itertools.combinations(SPLITS, 2):
        for same in sorted(about[one].keys() & about[other].keys(), key=repr):
            level, twin = about[one][same], about[other][same]
            yield case.failure(
                f"level {level} of {one} and {twin} of {other} are both about {same!r}: "
                "give each split concepts of its own, by split_of(level)",
                "layout",
            )
    trained = len(about["train"])
    for split in SPLITS[1:]:
        if trained < _EXCHANGED * len(about[split]):
            yield case.failure(
                f"training is about {trained} concepts, {split} about {len(about[split])}: "
                "are the splits exchanged? What is held out is the smaller part",
                "layout",
            )


def _silent_words(case: Case, simulation: Simulation) -> Iterator[Finding]:
    """Asks a task without concepts whose levels say different things."""
    words: dict[str, int] = {}
    for level in case.sampled("train"):
        layout = case.lay_out(simulation, level)
        words.setdefault(_said(layout), level)
    if len(words) > 1:
        (one, level), (other, twin) = list(words.items())[:2]
        yield Question(
            "concepts",
            f"level {level} says {one[:60]!r}, level {twin} {other[:60]!r}, and no method "
            "concepts(layout) tells what a level is about: so nobody knows what is held out",
            case.place_of("layout"),
        )


def _said(layout: Layout) -> str:
    """All that a level says in words; measures, such as 1.5, are no words."""
    told = layout.instruction
    texts = [told] if isinstance(told, str) else [*told]
    texts += [sign.text for sign in layout.signs.values()]
    texts += [sound.text for sound in layout.sounds.values()]
    return re.sub(r"\d+\.\d+", "#", " | ".join(text for text in texts if text))


def company(case: Case) -> Iterator[Finding]:
    """Behaviours act as they may; some are held out of training, none for both other splits.

    Such as: none of its 3 behaviours is held out of training, by splits=. If it is meant, say
    why in the spec: answers={"company": "..."}
    """
    simulation = case.simulate()
    behaviours = simulation.task.behaviours()
    for name, behaviour in behaviours.items():
        if {"validation", "test"} <= set(behaviour.splits) and "train" not in behaviour.splits:
            yield case.failure(
                f'the behaviour "{name}" is held out of training and met in validation and test: '
                "what is chosen on validation has met it",
                "behaviours",
            )
    for name in behaviours:
        _let_act(case, name)
    held = [name for name, each in behaviours.items() if _is_held_out(each)]
    case.notes["company"] = f"{len(behaviours)} behaviours, {len(held)} held out"
    if len(behaviours) > 1 and not held and case.spec.max_avatars > 1:
        yield Question(
            "company",
            f"none of its {len(behaviours)} behaviours is held out of training, by splits=: "
            "so nobody knows how agents get on with strangers",
            case.place_of("behaviours"),
        )


def _let_act(case: Case, name: str) -> None:
    """Lets a behaviour drive whom it can for some steps: whatever it does wrong is raised."""
    simulation = case.simulate(background=name)
    roles = simulation.task.behaviours()[name].roles
    driven = [not roles or role in roles for role in simulation.roles]
    try:
        simulation.give_to_company(np.array([driven]))
        simulation.reset([_SEED])
        rest = simulation.codec.encode(simulation.acting.new_commands(), simulation.observers)
        for _ in range(min(_ACTS, case.options.steps)):
            simulation.advance(rest)
    finally:
        simulation.close()


def _is_held_out(behaviour: Behaviour) -> bool:
    return bool(behaviour.splits) and "train" not in behaviour.splits
