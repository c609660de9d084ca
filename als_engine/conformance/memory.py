"""Checks that a task keeps nothing of what happens outside of the state.

What it keeps in itself, in a class, in a module or in a default argument is not in snapshots, is
not put back by a reset, and is shared by all worlds: it may act after a thousand steps, when no
comparison of two short runs sees it. So it is looked at what changes there, not at what it does.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from hashlib import blake2b
from types import FunctionType, MethodType
from typing import Any, Final
from unittest import mock

import numpy as np

from als_engine.conformance.case import Case, Player
from als_engine.conformance.places import Own
from als_engine.conformance.running import Finding, Question
from als_engine.simulation import Simulation

__all__ = ["generators", "memory"]

_SEED: Final = 23
_STEPS: Final = 16
_DEEPEST: Final = 8

_METHODS: Final = (
    *("layout", "after_reset", "after_step", "terminated", "reward", "reward_terms", "success"),
    *("metrics", "action_mask", "expert"),
)
"""The methods of a task that are asked who it was."""

_GENERATORS: Final[Mapping[str, Callable[[], Any]]] = {
    "NumPy's global generator": np.random.get_state,
    "the global generator of random": random.getstate,
}

_OF_MODULES: Final = (type, FunctionType, type(np), type(functools))
"""Types of a module's members that are looked at elsewhere, or not at all."""


def memory(case: Case) -> Iterator[Finding]:
    """What happens is kept in the state alone, and not in the task, in a class or in a module.

    Such as: LateLeaver.steps changes while it plays, in after_step, and is not in the state:
    declare it in quantities()
    """
    simulation = case.simulate(2, observers=1)  # Company plays as well.
    try:
        _play(case, simulation)  # What is only made once has been made then.
        before = dict(_digests(case, simulation))
        _play(case, simulation)
        after = dict(_digests(case, simulation))
        changed = [name for name in after if before.get(name) != after[name]]
        writers = _writers(case, simulation, changed) if changed else {}
    finally:
        simulation.close()
    for name in changed:
        method = writers.get(name, "")
        what = f"{name} changes while it plays" + (f", in {method}" if method else "")
        if name in _GENERATORS:
            yield case.failure(
                f"{what}: draw from the generator that layout is given, or state.uniform", method
            )
        else:
            yield Question(
                "memory",
                f"{what}, and is not in the state: declare it in quantities()",
                case.place_of(method) if method else "",
            )


def _play(case: Case, simulation: Simulation) -> None:
    player = Player(_SEED)
    simulation.reset([_SEED, _SEED + 1])
    for _ in range(min(_STEPS, case.options.steps)):
        simulation.step(player.act(simulation))
        simulation.metrics()
        if simulation.acting.has_masks:
            simulation.action_masks()
        if (ended := simulation.terminated | simulation.truncated).any():
            simulation.reset(worlds=ended)


def _digests(
    case: Case, simulation: Simulation, only: Iterable[str] | None = None
) -> Iterator[tuple[str, Any]]:
    known = {id(each) for each in simulation.state.memories}
    for name, value in _kept(case, simulation):
        if only is None or name in only:
            yield name, _digest(value(), case.own, {*known}, 0)


def _kept(case: Case, simulation: Simulation) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Everything that could be kept outside of the state: a name, and what to call for it."""
    task, lazy = simulation.task, functools.partial
    for name, value in list(vars(task).items()):
        made_once = inspect.getattr_static(type(task), name, None)
        if not isinstance(made_once, functools.cached_property):
            yield f"{type(task).__name__}.{name}", lazy(_itself, value)
    for each in case.own.classes(type(task)):
        for name, value in list(vars(each).items()):
            if isinstance(value, FunctionType):
                real = inspect.unwrap(value)
                yield f"a default argument of {each.__name__}.{name}", lazy(_defaults, real)
            elif not name.startswith("__"):
                yield f"{each.__name__}.{name}", lazy(_itself, value)
    for module in case.own.modules():
        for name, value in list(vars(module).items()):
            if not name.startswith("__") and not isinstance(value, _OF_MODULES):
                yield f"{module.__name__}.{name}", lazy(_itself, value)
    for name, state in _GENERATORS.items():
        yield name, state


def generators() -> str:
    """The state of the process's global generators, as a text to be compared."""
    return repr({name: state() for name, state in _GENERATORS.items()})


def _itself(value: Any) -> Any:
    return value


def _defaults(function: FunctionType) -> Any:
    return function.__defaults__, function.__kwdefaults__, function.__dict__


def _writers(case: Case, simulation: Simulation, names: list[str]) -> dict[str, str]:
    """In which method each of these changes, as far as that is seen."""
    found: dict[str, str] = {}
    seen = dict(_digests(case, simulation, names))

    def spied(method: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return real(*args, **kwargs)
            finally:
                for name, value in _digests(case, simulation, names):
                    if seen.get(name) != value:
                        seen[name] = value
                        found.setdefault(name, method)

        return call

    kind = type(simulation.task)
    with ExitStack() as stack:
        for method in _METHODS:
            spy = spied(method, getattr(kind, method))
            stack.enter_context(mock.patch.object(kind, method, spy))
        _play(case, simulation)
    return found


def _digest(value: Any, own: Own, seen: set[int], depth: int) -> Any:
    """A value as something that is equal where it holds the same; what is not data is its type."""
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, range)):
        return value if value == value else "NaN"
    if isinstance(value, np.ndarray):
        data = value.tolist() if value.dtype.hasobject else blake2b(value.tobytes()).digest()
        return value.shape, value.dtype.str, str(data) if value.dtype.hasobject else data
    if isinstance(value, np.generic):
        return value.tobytes()
    if id(value) in seen or depth > _DEEPEST:
        return "seen"
    seen.add(id(value))
    parts = _parts(value, own)
    if parts is None:
        return type(value).__name__
    digests = [_digest(part, own, seen, depth + 1) for part in parts]
    if isinstance(value, (set, frozenset)):
        return frozenset(map(repr, digests))
    return type(value).__name__, tuple(digests)


def _parts(value: Any, own: Own) -> Iterable[Any] | None:
    """What a value consists of; None for what is no data."""
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return list(value)
    if isinstance(value, np.random.Generator):
        return [value.bit_generator.state]
    if isinstance(value, random.Random):
        return [value.getstate()]
    if isinstance(value, itertools.count):
        return [repr(value)]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, MethodType):
        return [value.__self__]
    if isinstance(value, FunctionType) and own.has(value.__module__ or ""):
        return [_contents(cell) for cell in value.__closure__ or ()]
    if own.has(type(value).__module__) and not isinstance(value, type):
        return [*vars(value).values()] if hasattr(value, "__dict__") else _slots(value)
    return None


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # Empty.
        return None


def _slots(value: Any) -> list[Any]:
    names = [n for base in type(value).__mro__ for n in getattr(base, "__slots__", ())]
    return [getattr(value, name, None) for name in names]
