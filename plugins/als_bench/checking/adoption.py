"""Adds a verified bundle to a store, with the result of the verification."""

from __future__ import annotations

from als_bench.checking.bundle import Bundle
from als_bench.checking.manifest import Failure, Manifest, UnitRecord
from als_bench.records import TIERS, RunRecord, TrainedAgent, Unit
from als_bench.results.store import Store, StoreWriter
from als_engine.errors import StoreError

__all__ = ["adopt", "training_of"]


def adopt(bundle: Bundle, writer: StoreWriter) -> None:
    """Stores a bundle that was replayed and holds: its results, and that verdict on each agent.

    What is stored already is left as it is, so that the maker of a run can keep the verdict beside
    it, and a board the results beside others of the same run.

    Raises:
        StoreError: the store has other results under the same names, or cannot be written.
        SavedFileError: the bundle has changed since it was checked.
    """
    manifest = bundle.manifest
    _check_owners(manifest, writer)
    writer.add_run(
        RunRecord(
            key=manifest.run,
            suite=manifest.suite,
            code=manifest.code,
            versions=manifest.versions,
            machine=manifest.machine,
        )
    )
    for unit in manifest.units:
        where = _where(manifest, unit)
        if (trained := training_of(bundle, unit)) is not None:
            writer.add_training(where, trained)
        writer.add_claims(where, manifest.claims(unit))
        writer.add_chunk(where, bundle.log(unit))
    for failure in manifest.failures:
        writer.add_failure(_where(manifest, failure), failure.reason)
    for agent, detail in _details(manifest).items():
        writer.add_verdict(manifest.run, agent, TIERS[1], bundle.hash, detail)


def _check_owners(manifest: Manifest, writer: StoreWriter) -> None:
    """Raises a StoreError where the store has units of an agent that the bundle does not have.

    Under one label in one run, all units are of one author: nobody adds to another's, and least of
    all a failure.
    """
    with Store(writer.path) as store:
        stored, failed = store.units(manifest.run), store.failures(manifest.run)
    played = {_where(manifest, each) for each in manifest.units}
    given_up = {_where(manifest, each) for each in manifest.failures}
    labels = {unit.agent for unit in played | given_up}
    for unit in stored:
        same = unit in played or (unit in given_up and unit in failed)
        if unit.agent in labels and not same:
            raise StoreError(
                f'"{writer.path}" has another "{unit.agent}" in run {manifest.run}: keep this '
                "bundle in another store"
            )


def _where(manifest: Manifest, each: UnitRecord | Failure) -> Unit:
    return Unit(manifest.run, each.entry, each.agent, each.seed)


def training_of(bundle: Bundle, unit: UnitRecord) -> TrainedAgent | None:
    """The agent's folder and how it came about; None in cross-play, and where there is neither."""
    claimed = unit.training
    if claimed is None:
        # An agent in company is the one that plays alone, and kept there.
        if unit.partner is not None or not unit.player.files:
            return None
        return TrainedAgent(bundle.agent(unit.player))
    return TrainedAgent(
        files=bundle.agent(unit.player),
        curve=claimed.curve,
        steps=claimed.steps,
        seconds=claimed.seconds,
        attempts=claimed.attempts,
        demonstrated=claimed.demonstrated,
    )


def _details(manifest: Manifest) -> dict[str, str]:
    """What was replayed of each agent, in words."""
    counts: dict[str, tuple[int, int]] = {}
    for unit in manifest.units:
        episodes, units = counts.get(unit.agent, (0, 0))
        counts[unit.agent] = episodes + unit.episodes, units + 1
    return {
        agent: f"{episodes} episodes of {units} unit{'s' * (units != 1)} replayed"
        for agent, (episodes, units) in sorted(counts.items())
    }
