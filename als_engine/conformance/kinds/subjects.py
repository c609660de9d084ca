"""Finds what a word on the command line names, and makes cases of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final

from als_engine.conformance.case import Case, Options
from als_engine.conformance.kinds import agents, encoders, sensors, suites
from als_engine.conformance.kit import CHECKS as SCENARIO_CHECKS
from als_engine.conformance.places import Own
from als_engine.conformance.report import Report, Result
from als_engine.conformance.running import Check, check_names, run_all
from als_engine.errors import UnknownIdError, unknown
from als_engine.plugins.discovery import BUNDLED, Plugin, normalized
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import (
    AgentSpec,
    EncoderSpec,
    ScenarioSpec,
    SensorSpec,
    Spec,
    SuiteSpec,
)
from als_engine.sensors import SENSORS

__all__ = [
    "CHECKS",
    "Job",
    "Thing",
    "find",
    "needs_own_process",
    "of_package",
    "own_of",
    "own_of_plugins",
    "run",
]

CHECKS: Final[Mapping[str, Mapping[str, Check[Any]]]] = {
    "scenario": SCENARIO_CHECKS,
    "agent": agents.CHECKS,
    "sensor": sensors.CHECKS,
    "encoder": encoders.CHECKS,
    "suite": suites.CHECKS,
}
"""Kind to its checks by name, in the order in which they run."""

_KINDS: Final[Mapping[type[Spec], str]] = {
    ScenarioSpec: "scenario",
    SensorSpec: "sensor",
    AgentSpec: "agent",
    EncoderSpec: "encoder",
    SuiteSpec: "suite",
}

_CASES: Final[Mapping[str, Callable[[str, str, Options], Any]]] = {
    "agent": agents.AgentCase.of,
    "sensor": sensors.SensorCase.of,
    "encoder": encoders.EncoderCase.of,
    "suite": suites.SuiteCase.of,
}


@dataclass(frozen=True)
class Thing:
    """Something that can be checked: its kind and its id."""

    kind: str
    id: str


@dataclass(frozen=True)
class Job:
    """What is to be checked, and how.

    Attributes:
        thing: what.
        options: how hard to look.
        arguments: of the scenario.
        on: the scenario in which agents, sensors and encoders are looked at; empty for the first.
    """

    thing: Thing
    options: Options
    arguments: Mapping[str, Any] = field(default_factory=dict)
    on: str = ""

    def names(self) -> list[str]:
        """The checks of this kind that are asked for; others may be meant for other kinds."""
        checks, options = CHECKS[self.thing.kind], self.options
        only = None if options.only is None else [n for n in options.only if n in checks]
        if options.only and not only:
            return []
        return check_names(checks, only, [name for name in options.skip if name in checks])


def find(word: str) -> tuple[str, list[Thing]]:
    """The package that a word names, or `''`, and the things of that package and of that name.

    Raises:
        UnknownIdError: nothing has that name.
    """
    named: dict[str, list[str]] = {
        "scenario": [spec.id for spec in registry.scenarios()],
        "agent": [spec.id for spec in registry.agents() if not spec.made_by],
        "sensor": [*SENSORS, *(spec.id for spec in registry.sensors())],
        "encoder": [spec.id for spec in registry.encoders()],
        "suite": [spec.id for spec in registry.suites()],
    }
    things = [Thing(kind, word) for kind, ids in named.items() if word in ids]
    packages = sorted({plugin.distribution for plugin in registry.plugins()})
    if normalized(word) in packages:
        offered = of_package(normalized(word))
        return normalized(word), [*offered, *(thing for thing in things if thing not in offered)]
    if things:
        return "", things
    known = [*(name for ids in named.values() for name in ids), *packages]
    what = "scenario, agent, sensor, encoder, suite or package"
    raise UnknownIdError(unknown(what, word, known))


def of_package(distribution: str) -> list[Thing]:
    """Everything that a distribution offers, as far as it can be checked."""
    found = [
        Thing(_KINDS[type(spec)], spec.id)
        for plugin in registry.plugins()
        if plugin.distribution == distribution
        for spec in plugin.specs
        if type(spec) in _KINDS and not getattr(spec, "made_by", "")
    ]
    return [*found, *(Thing("sensor", key) for key in SENSORS if distribution == BUNDLED)]


def own_of(thing: Thing) -> Own:
    """The code of the distribution that offers a thing, which need not have been imported."""
    offering = [
        plugin
        for plugin in registry.plugins()
        if any((_KINDS.get(type(s)), s.id) == (thing.kind, thing.id) for s in plugin.specs)
    ]
    return own_of_plugins(offering)


def own_of_plugins(plugins: Sequence[Plugin]) -> Own:
    """The code of the modules that entry points and specs name."""
    modules = [plugin.module.partition(":")[0] for plugin in plugins]
    modules += [
        str(getattr(spec, name)).partition(":")[0]
        for plugin in plugins
        for spec in plugin.specs
        for name in ("task", "agent", "sensor", "encoder", "shape")
        if hasattr(spec, name)
    ]
    roots = []
    for top in tops(modules):
        found = find_spec(top)
        if found is not None:
            roots += list(found.submodule_search_locations or ()) or [found.origin or ""]
    return Own([], packages=tops(modules), roots=roots)


def tops(modules: Sequence[str]) -> list[str]:
    """The packages that modules lie in, each once."""
    return [top for top in dict.fromkeys(name.partition(".")[0] for name in modules) if top]


def needs_own_process(thing: Thing) -> bool:
    """Whether something is looked at in a process of its own: it is installed, and not ours."""
    added = {added.plugin.distribution for added in registry.added}
    return all(
        plugin.distribution != BUNDLED and plugin.distribution not in added
        for plugin in registry.plugins()
        for spec in plugin.specs
        if (_KINDS.get(type(spec)), spec.id) == (thing.kind, thing.id)
    ) and thing.id not in (*SENSORS,)


def run(
    job: Job,
    names: Sequence[str] | None = None,
    on_result: Callable[[Result], None] = lambda result: None,
    on_begin: Callable[[str], None] = lambda name: None,
) -> Report:
    """Checks a thing in this process.

    Args:
        job: what.
        names: of the checks; None for those that the options ask for.
        on_result: called after each check.
        on_begin: called before each check, with its name.

    Raises:
        UnknownIdError: there is no such thing, or no such scenario.
        ArgumentError: an argument is unknown or its value is not allowed.
    """
    thing = job.thing
    if thing.kind == "scenario":
        case: Any = Case.of(registry.scenario(thing.id), job.options, dict(job.arguments))
        case.simulate().close()  # A wrong argument is the caller's mistake, not the scenario's.
    else:
        case = _CASES[thing.kind](thing.id, job.on or _scenario_for(thing), job.options)
        if thing.kind == "agent":
            case.given = job.arguments
    wanted = job.names() if names is None else names
    return run_all(thing.kind, case, CHECKS[thing.kind], wanted, on_result, on_begin)


def _scenario_for(thing: Thing) -> str:
    """Where something is looked at: in its own package's scenario, or in the first of all."""
    for plugin in registry.plugins():
        if any(_KINDS.get(type(s)) == thing.kind and s.id == thing.id for s in plugin.specs):
            for spec in plugin.specs:
                if isinstance(spec, ScenarioSpec):
                    return spec.id
    return registry.scenarios()[0].id
