"""`als verify --execute`: runs the agents of a bundle that holds, on seeds of the board's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from als_bench.running.cells import decimals
from als_engine.cli.console import say

if TYPE_CHECKING:
    from als_bench.checking.bundle import Bundle
    from als_bench.checking.executed import Executed

__all__ = ["execute", "prepare"]


def prepare(
    secret: Path | None, store: Path | None, episodes: int | None, unconfined: bool
) -> bytes:
    """Refuses what cannot be executed before anything is done; returns the secret.

    Raises:
        ArgumentError: there is no secret, or agents could read it or the store, or what is to be
            kept would not rank.
        SavedFileError: the secret cannot be read, or others can read it, too.
        ConfinementError: this machine cannot confine agents, and that was not accepted.
    """
    from als_bench.checking.execution import (
        check_hidden,
        read_secret,
        require_confinement,
    )
    from als_engine.errors import ArgumentError

    if secret is None:
        raise ArgumentError("--execute needs --secret FILE: the seeds are made of it")
    found = read_secret(secret)
    if store is not None and episodes is not None:
        raise ArgumentError("what is kept has as many episodes as the suite: leave --episodes out")
    if unconfined:
        if store is not None:
            raise ArgumentError("an agent that is not confined does not rank: leave --store out")
    else:
        require_confinement()
        check_hidden([secret] if store is None else [secret, store])
    return found


def execute(
    folder: Path,
    bundle: Bundle,
    secret: bytes,
    episodes: int | None,
    workers: int,
    store: Path | None,
    unconfined: bool,
) -> None:
    """Runs the agents, keeps what they do where there is a store, and prints it with the seeds.

    Raises:
        ALSError: as `execute_bundle` does.
    """
    from als_bench.checking.bundle_execution import execute_bundle
    from als_bench.checking.executed import run_key
    from als_bench.checking.execution import secret_seed
    from als_bench.sandbox.confinement import Confinement
    from als_engine.cli.bars import counting_bar

    force = Confinement(0, False, "") if unconfined else None
    with counting_bar("units executed") as show:
        found = execute_bundle(
            folder,
            secret,
            checked=bundle,
            store=store,
            episodes=episodes,
            workers=workers,
            force=force,
            on_progress=show,
        )
    for one in found:
        say(_line(one))
    seed = secret_seed(secret, bundle.hash)
    force = found[0].execution.force
    how = f"confined by {force}" if force.complete else "NOT confined: this does not rank"
    say(f"executed: {len(found)} unit{'s' * (len(found) != 1)}, {how}")
    say(f'seeds: episode i is the world that is reset with spread("benchmark", {seed}, i)')
    for one in found:
        say(f"level key of {one.unit.name}: {one.level_key:032x}")
    if store is not None:
        say(f"run {run_key(bundle)}")


def _line(one: Executed) -> str:
    """A unit in words."""
    played = sum(len(chunk.results) for chunk in one.execution.chunks)
    mean, score = _number(one.mean), _number(one.score)
    failure = f"; failed: {one.execution.failure}" if one.execution.failure else ""
    return f"{one.unit.name}: {played} episodes, return {mean}, normalized {score}{failure}"


def _number(value: float | None) -> str:
    return "-" if value is None else decimals(value, 4)
