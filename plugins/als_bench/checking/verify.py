"""Verifies bundles: every claimed episode is simulated again, step by step.

Nothing in a bundle is trusted. Its files have to be those of its manifest, its suite, code and
libraries those that are installed here; then every episode is played again from its seed and its
actions. What holds earns the tier "replayed": the episodes happened as claimed. Whether the agent
plays like that is another question, which `execution` answers.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from als_bench.checking.bundle import PAIRED, Bundle, entry_of
from als_bench.checking.manifest import Manifest, PlayerRecord, Scores, UnitRecord, score
from als_bench.identity import (
    PERCEPTION,
    alike,
    claimed_digest,
    content_digest,
    imitated,
    why_mislabelled,
    why_no_label,
)
from als_bench.provenance import machine, run_record
from als_bench.records import EVALUATION_SEED
from als_bench.running.playing import Setting, Stage, replay, world_seeds
from als_engine.agents.saving import RECORD, WEIGHTS, AgentRecord
from als_engine.errors import ALSError, SavedFileError
from als_engine.models import MAX_RECORD
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SuiteEntry, SuiteSpec
from als_engine.system.safe_files import MAX_HEADER

__all__ = ["Verdict", "verify", "verify_bundle"]

Report = Callable[[int, int], None]

MAX_LINE: Final = 500
"""Characters of a refusal: a stranger's text may be in it."""

MAX_STEP: Final = 64
"""Bytes of a log for one step of one avatar: action, reward and link are less."""

MAX_EPISODE: Final = 1 << 13
"""Bytes of a log for the results of one episode: a thousand metrics."""


@dataclass(frozen=True)
class Verdict:
    """The result of a check.

    Attributes:
        bundle: its hash.
        manifest: what it claims; None when it could not be read.
        refusals: what does not hold, one line each; empty when all does.
        opened: what was checked; None when it could not be read. Whoever goes on with the bundle
            takes this and opens no folder again: what it gives are the bytes that were checked.
    """

    bundle: str
    manifest: Manifest | None
    refusals: tuple[str, ...]
    opened: Bundle | None = None

    @property
    def holds(self) -> bool:
        """Whether everything that can be checked by replaying is true."""
        return not self.refusals

    def lines(self) -> list[str]:
        """The verdict as text; the same for the same bundle."""
        if self.manifest is None or self.refusals:
            return [f"refused: {line}" for line in self.refusals]
        episodes = sum(unit.episodes for unit in self.manifest.units)
        count = len(self.manifest.units)
        failures = len(self.manifest.failures)
        units = f"{count} unit{'s' * (count != 1)}"
        failed = f"; {failures} without a result" if failures else ""
        return [f"accepted: {episodes:,} episodes of {units}, replayed{failed}"]

    def notes(self) -> list[str]:
        """Innocent reasons that may explain a refusal."""
        if self.manifest is None or not any(", step " in line for line in self.refusals):
            return []
        theirs, ours = self.manifest.machine, machine()
        names = ("architecture", "processor", "simd")
        if all(theirs.get(name) == ours[name] for name in names):
            return []
        return [
            f"It was made on another kind of processor ({theirs.get('processor')}, this one is "
            f"{ours['processor']}): the last bit of a sine may depend on that."
        ]


def verify(
    folder: Path,
    suite: SuiteSpec | None = None,
    workers: int = 1,
    on_progress: Report = lambda done, total: None,
) -> Verdict:
    """Checks a bundle in a folder.

    Args:
        folder: the bundle.
        suite: what it has to be a run of; by default the installed suite of the same id.
        workers: processes that replay.
        on_progress: called with the episodes that were replayed, and how many there are.
    """
    try:
        bundle = Bundle.open(folder)
    except SavedFileError as error:
        return Verdict("", None, (str(error),))
    if workers <= 1 or len(bundle.manifest.units) == 1:
        return verify_bundle(bundle, suite, on_progress)
    refusals = list(_claims(bundle.manifest, suite))
    if not refusals:
        refusals = _in_processes(folder, bundle, workers, on_progress)
    return Verdict(bundle.hash, bundle.manifest, tuple(refusals), bundle)


def verify_bundle(
    bundle: Bundle,
    suite: SuiteSpec | None = None,
    on_progress: Report = lambda done, total: None,
    stage: Stage | None = None,
) -> Verdict:
    """Checks a bundle that is open, in this process; see `verify`.

    Args:
        bundle: the bundle.
        suite: as for `verify`.
        on_progress: as for `verify`.
        stage: where to replay; its worlds stay open for the next call.
    """
    manifest = bundle.manifest
    # What is cheap to find out comes first.
    refusals = list(_claims(manifest, suite))
    if not refusals:
        total = sum(unit.episodes for unit in manifest.units)
        done = 0
        used = stage or Stage()
        try:
            for unit in manifest.units:
                before = done

                def report(ended: int, before: int = before) -> None:
                    on_progress(before + ended, total)

                refusals += _unit(bundle, unit, used, report)
                done += unit.episodes
        finally:
            if stage is None:
                used.close()
    return Verdict(bundle.hash, manifest, tuple(refusals), bundle)


# -- what is claimed ----------------------------------------------------------------------------


def _claims(manifest: Manifest, suite: SuiteSpec | None) -> Iterator[str]:
    """What is wrong with a manifest before anything is replayed."""
    try:
        claimed = SuiteSpec.from_fields(manifest.suite)
        wanted = registry.suite(claimed.id) if suite is None else suite
    except ALSError as error:
        yield f"suite: {error}"
        return
    here = run_record(wanted)
    if manifest.suite != here.suite:
        yield f"suite {claimed.id} is not the one that is known here"
        return
    yield from _differences("code", "package", manifest.code, here.code)
    yield from _differences("versions", "library", manifest.versions, here.versions)
    if manifest.run != here.key:
        yield f"run {manifest.run} should be {here.key}, as suite, code and versions are here"
    yield from _units(manifest, wanted)
    yield from _files(manifest)


def _differences(
    what: str, kind: str, claimed: Mapping[str, str], here: Mapping[str, str]
) -> Iterator[str]:
    for name in sorted({*claimed, *here}):
        one, two = claimed.get(name, "none"), here.get(name, "none")
        if one != two:
            shown = (text[:12] for text in (one, two))
            yield "{}: {} {} was {}, and is {} here".format(what, kind, name, *shown)


def _units(manifest: Manifest, suite: SuiteSpec) -> Iterator[str]:
    names = [(unit.entry, unit.agent, unit.seed) for unit in manifest.units]
    failed = [(unit.entry, unit.agent, unit.seed) for unit in manifest.failures]
    if names != sorted(set(names)) or failed != sorted(set(failed)) or {*names} & {*failed}:
        yield "units: they are not in order, or one is there twice"
        return
    for unit in manifest.units:
        entry = entry_of(suite, unit.entry)
        if entry is None:
            yield f"{unit.name}: {suite.id} has no such entry"
            continue
        for problem in _unit_claims(unit, entry, suite):
            yield f"{unit.name}: {problem}"
    yield from _seeds([*names, *failed])
    yield from _one_agent_each(manifest)
    yield from _labels(manifest, suite)


def _unit_claims(unit: UnitRecord, entry: SuiteEntry, suite: SuiteSpec) -> Iterator[str]:
    paired = PAIRED in unit.entry
    for what, claimed, wanted in (
        ("episodes", unit.episodes, suite.episodes),
        ("scenario", unit.scenario, entry.scenario),
        ("split", unit.split, entry.split),
        ("observers", unit.observers, 2 if paired else entry.observers),
        ("first seed", unit.first_seed, world_seeds(EVALUATION_SEED)(0)),
        ("budget", unit.training.budget if unit.training else entry.steps, entry.steps),
    ):
        if claimed != wanted:
            yield f"{what} {claimed}, not {wanted} as the suite has it"
    if (unit.partner is not None) != paired:
        yield "a partner is there where none should be, or the other way round"
    fixed = {**entry.arguments, **entry.held_out}
    for name in sorted({*unit.arguments, *fixed}):
        chosen = name in PERCEPTION and name not in entry.held_out
        same = (name in fixed) == (name in unit.arguments) and (
            unit.arguments.get(name) == fixed.get(name)
        )
        if not (chosen or same):
            yield f'argument "{name}" is not as the suite has it'


def _seeds(names: Sequence[tuple[str, str, int]]) -> Iterator[str]:
    """Training seeds count from 0 without a gap: nobody may leave out what went badly."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for entry, agent, seed in names:
        seeds.setdefault((entry, agent), []).append(seed)
    for (entry, agent), found in sorted(seeds.items()):
        missing = set(range(len(found))) - set(found)
        if missing:
            yield f"{entry}, {agent}: training seed {min(missing)} is missing"


def _one_agent_each(manifest: Manifest) -> Iterator[str]:
    """A label stands for one agent and one configuration, wherever it plays and beside whom."""
    known: dict[str, tuple[str, Any]] = {}
    for unit in manifest.units:
        for label, player in _players(unit):
            found = (player.agent, player.config)
            if known.setdefault(label, found) != found:
                yield f"{unit.name}: {label} is another agent than elsewhere"


def _players(unit: UnitRecord) -> Iterator[tuple[str, PlayerRecord]]:
    """Who plays in a unit, by label."""
    yield unit.agent, unit.player
    if unit.partner is not None:
        yield unit.entry.partition(PAIRED)[2], unit.partner


def _labels(manifest: Manifest, suite: SuiteSpec) -> Iterator[str]:
    """Labels take nobody in: they are decided by what is run."""
    for unit in manifest.units:
        entry = entry_of(suite, unit.entry)
        held_out = entry.held_out if entry else {}
        chosen = {name: value for name, value in unit.arguments.items() if name not in held_out}
        for label, player in _players(unit):
            problem = why_mislabelled(label, player.agent, player.config, chosen, player.files)
            if problem:
                yield f"{unit.name}: {problem}"
    for failure in manifest.failures:
        for label in filter(None, (failure.agent, failure.entry.partition(PAIRED)[2])):
            problem = why_no_label(label)
            if other := imitated(label, re.split("[@:]", label, maxsplit=1)[0]):
                problem = problem or f'"{label}" looks like "{other}"'
            if problem:
                yield f"{failure.entry}, {failure.agent}: {problem}"
    labels = {label for unit in manifest.units for label, _ in _players(unit)}
    for one, other in alike(sorted(labels | {failure.agent for failure in manifest.failures})):
        yield f'"{one}" and "{other}" look alike'


def _files(manifest: Manifest) -> Iterator[str]:
    """Exactly the logs and agents of the units have to be there."""
    wanted = {unit.log for unit in manifest.units}
    if len(wanted) != len(manifest.units):
        yield "units: two of them have the same log"
    for unit in manifest.units:
        for player in (unit.player, unit.partner):
            if player is None:
                continue
            wanted |= {f"{player.folder}/{name}" for name in player.files}
            if player.files and not {RECORD} <= set(player.files) <= {RECORD, WEIGHTS}:
                yield f"{unit.name}: a saved agent is {RECORD} and {WEIGHTS}"
    for name in sorted(wanted ^ set(manifest.files)):
        yield f"{name} is missing" if name in wanted else f"{name} belongs to no unit"


# -- what happened ------------------------------------------------------------------------------


def _unit(
    bundle: Bundle, unit: UnitRecord, stage: Stage, on_episode: Callable[[int], None]
) -> list[str]:
    """What does not hold of a unit whose claims fit the suite."""
    entry = bundle.entry(unit)
    try:
        for label, player in _players(unit):
            _check_agent(bundle, unit, label, player)
        if (size := bundle.manifest.files[unit.log].bytes) > (most := _largest_log(unit)):
            return [f"{unit.name}: {unit.log} has {size} bytes; {most} would be enough"]
        chunk = bundle.log(unit)
        found = [result.episode for result in chunk.results]
        if found != list(range(unit.episodes)):
            odd = next(i for i, n in enumerate([*found, -1]) if n != i or i >= unit.episodes)
            return [f"{unit.name}: episode {odd} is missing, or in another's place"]
        setting = Setting(
            _seated(entry, unit),
            unit.arguments,
            unit.split,
            bundle.manifest.origin(unit),
            scored=None if unit.partner is None else 1,
        )
        lines = replay(setting, chunk, on_episode=on_episode, stage=stage)
        # When the episodes are right, what they come to can be computed.
        lines = lines or list(_scores(unit, score(entry, chunk.results)))
    except ALSError as error:
        lines = [str(error)]
    # Whatever the scenario's own code trips over, it is this bundle's fault.
    except Exception as error:
        lines = [f"{type(error).__name__}: {error}"]
    return [f"{unit.name}: {' '.join(line.split())[:MAX_LINE]}" for line in lines]


def _scores(unit: UnitRecord, found: Scores) -> Iterator[str]:
    for name, ours in found:
        theirs = getattr(unit.scores, name)
        if repr(ours) != repr(theirs):
            yield f"mean {name} {ours}, not {theirs} as claimed"


def _largest_log(unit: UnitRecord) -> int:
    """Bytes that no honest log of a unit exceeds."""
    given = unit.arguments.get("max_episode_steps")
    limit = given if isinstance(given, int) else registry.scenario(unit.scenario).max_episode_steps
    return unit.episodes * (limit * unit.observers * MAX_STEP + MAX_EPISODE) + MAX_HEADER


def _seated(entry: SuiteEntry, unit: UnitRecord) -> SuiteEntry:
    """The entry with as many avatars as were driven: two in cross-play."""
    return dataclasses.replace(entry, observers=unit.observers)


def _check_agent(bundle: Bundle, unit: UnitRecord, label: str, player: PlayerRecord) -> None:
    """Raises a SavedFileError for a saved agent that is none, or another than is claimed."""
    registry.agent(player.agent)
    files = bundle.agent(player)
    if claimed_digest(label) not in ("", content_digest(files)):
        raise SavedFileError(f"{label} has other weights than its name says")
    if not files:
        return
    name = f"{player.folder}/{RECORD}"
    if len(files[RECORD]) > MAX_RECORD:
        raise SavedFileError(f"{name} is too large")
    try:
        record = AgentRecord.model_validate_json(files[RECORD])
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise SavedFileError(f"{name}: {reason}") from None
    config = {key: record.config.get(key) for key in player.config}
    if record.agent != player.agent or record.scenario != unit.scenario or config != player.config:
        raise SavedFileError(f"{name} is another agent than the manifest has")


# -- several processes --------------------------------------------------------------------------


def _in_processes(folder: Path, bundle: Bundle, workers: int, on_progress: Report) -> list[str]:
    from als_bench.running.executors import LocalExecutor

    units = bundle.manifest.units
    total = sum(unit.episodes for unit in units)
    executor = LocalExecutor(min(workers, len(units)))
    found: dict[int, list[str]] = {}
    try:
        tasks = {
            executor.submit(replay_unit, str(folder), bundle.hash, i): i for i in range(len(units))
        }
        waiting = set(tasks)
        while waiting:
            ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ended:
                found[tasks[future]] = future.result()
            on_progress(sum(units[i].episodes for i in found), total)
    finally:
        executor.close()
    return [line for i in range(len(units)) for line in found[i]]


def replay_unit(folder: str, hash: str, index: int) -> list[str]:
    """Replays one unit, in a worker process."""
    bundle = _opened(folder)
    if bundle.hash != hash:
        raise SavedFileError(f"{folder} was changed while it was read")
    return _unit(bundle, bundle.manifest.units[index], _stage(), lambda ended: None)


@functools.cache
def _opened(folder: str) -> Bundle:
    return Bundle.open(Path(folder))


@functools.cache
def _stage() -> Stage:
    return Stage()
