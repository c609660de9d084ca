"""The checks of a benchmark suite that a plugin offers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from als_engine.conformance.case import Options
from als_engine.conformance.places import Own
from als_engine.conformance.running import Check, Finding, Subject
from als_engine.errors import ALSError
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SuiteEntry, SuiteSpec
from als_engine.simulation import simulate

__all__ = ["CHECKS", "SuiteCase"]


@dataclass
class SuiteCase(Subject):
    """A suite under examination.

    Attributes:
        spec: the suite.
        options: how hard to look.
    """

    spec: SuiteSpec = field(kw_only=True)
    options: Options = field(kw_only=True)

    @classmethod
    def of(cls, id: str, scenario: str, options: Options) -> SuiteCase:
        """A case of a suite."""
        return cls(id, Own([]), spec=registry.suite(id), options=options)


def entries(case: SuiteCase) -> Iterator[Finding]:
    """Every entry can be made: its scenario is there, and takes its arguments.

    Such as: entry "a", arguments: unknown scenario "Parts/Wlak-v0"; did you mean
    "Parts/Walk-v0"?
    """
    for entry in case.spec.entries:
        for what, given in (("arguments", {}), ("held_out", entry.held_out)):
            arguments = {**entry.arguments, **given, "split": entry.split}
            try:
                simulate(entry.scenario, 1, entry.observers, **arguments).close()
            except ALSError as error:
                yield f'entry "{entry.name}", {what}: {error}'
                break


def agents(case: SuiteCase) -> Iterator[Finding]:
    """Every agent that it names is there.

    Such as: there is no folder parts/nobody
    """
    for word in case.spec.agents:
        try:
            # LABEL=AGENT:key=value, of which only the agent has to be there.
            registry.agent_or_path(word.partition(":")[0].rpartition("=")[2])
        except ALSError as error:
            yield str(error)


def split(case: SuiteCase) -> Iterator[Finding]:
    """It reports on the test split: nobody has learnt from it or chosen on it.

    Such as: entry "a" is played on the train split, not on test
    """
    tested = {entry.scenario for entry in case.spec.entries if entry.split == "test"}
    for entry in case.spec.entries:
        # Beside the test split another one shows by how much agents get worse on what is new.
        if entry.split != "test" and entry.scenario not in tested:
            yield f'entry "{entry.name}" is played on the {entry.split} split, not on test'


def yardsticks(case: SuiteCase) -> Iterator[Finding]:
    """Random and expert are both frozen, or neither, and the expert is clearly better.

    Such as: entry "a" freezes one yardstick, and not expert
    """
    known = 0
    for entry in case.spec.entries:
        if entry.random is None and entry.expert is None:
            continue
        known += 1
        if entry.random is None or entry.expert is None:
            lacking = "random" if entry.random is None else "expert"
            yield f'entry "{entry.name}" freezes one yardstick, and not {lacking}'
        elif entry.expert - entry.random < 1e-6 * max(1.0, abs(entry.random)):
            yield (
                f'entry "{entry.name}": the expert earns {entry.expert}, random {entry.random}: '
                "between them there is nothing to measure"
            )
    case.notes["yardsticks"] = f"{known} of {len(case.spec.entries)} entries have frozen ones"


def duplicates(case: SuiteCase) -> Iterator[Finding]:
    """No two entries are the same episodes under two names.

    Such as: entries "a" and "b" are the same
    """
    seen: dict[Any, str] = {}
    for entry in case.spec.entries:
        key = _played(entry)
        if key in seen:
            yield f'entries "{seen[key]}" and "{entry.name}" are the same'
        seen.setdefault(key, entry.name)


def _played(entry: SuiteEntry) -> str:
    """What an entry plays, whatever it is called."""
    arguments = sorted({**entry.arguments, **entry.held_out}.items())
    return repr((entry.scenario, arguments, entry.split, entry.observers, entry.cross_play))


CHECKS: Final[Mapping[str, Check[SuiteCase]]] = {
    "entries": entries,
    "agents": agents,
    "split": split,
    "yardsticks": yardsticks,
    "duplicates": duplicates,
}
"""Name to check of a suite, in the order in which they run."""
