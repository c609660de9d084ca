"""Films of agents: one episode each, on a level that nobody was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from als_bench.board.parts import Filmed, number
from als_bench.contestants import Contestant
from als_bench.identity import HUMAN
from als_bench.records import EVALUATION_SEED, Unit
from als_bench.running.cells import printable
from als_bench.running.playing import world_seeds
from als_bench.running.tasks import Seat, open_seat
from als_bench.standings import Standing, Standings
from als_engine.agents.saving import RECORD, AgentRecord
from als_engine.plugins.registry import registry
from als_engine.render.video import write_video
from als_engine.simulation import simulate

if TYPE_CHECKING:
    from als_bench.results.store import Store
    from als_engine.plugins.specs import SuiteEntry

__all__ = ["film_agent"]

MAX_FRAMES: Final = 300
"""Longer episodes are cut: twenty seconds say how an agent moves."""


def film_agent(
    path: Path, file: str, store: Store, found: Standings, row: Standing
) -> Filmed | str:
    """Films an agent in the first entry in which it can play.

    Of its training seeds the one in the middle is filmed, and not the best.

    Args:
        path: the GIF to write.
        file: what the pages call it.
        store: that has the agent's folder.
        found: the table.
        row: whose line it is.

    Returns:
        The film, or why there is none.
    """
    if row.player == HUMAN:
        return "persons are not filmed"
    reason = "the store has no folder of it"
    for entry in found.suite.entries:
        seed = _middle_seed(row, entry.name)
        try:
            trained = store.training(Unit(row.run, entry.name, row.agent, seed))
            files = trained.files if trained else {}
            if files or row.is_yardstick or _is_scripted(row):
                return _film(path, file, row, entry, files, seed)
        # Whatever an agent trips over, the board is written without its film.
        except Exception as error:
            reason = printable(" ".join(str(error).split())[:200]) or type(error).__name__
            path.unlink(missing_ok=True)
    return reason


def _is_scripted(row: Standing) -> bool:
    """Whether it is an agent that does not learn, of which there is nothing to keep in a folder."""
    return bool(row.player) and not registry.agent(row.player).trainable


def _middle_seed(row: Standing, entry: str) -> int:
    scores = row.cells[entry].scores
    ordered = sorted(scores, key=lambda seed: (scores[seed], seed))
    return ordered[len(ordered) // 2] if ordered else 0


def _film(
    path: Path,
    file: str,
    row: Standing,
    entry: SuiteEntry,
    files: Mapping[str, bytes],
    seed: int,
) -> Filmed:
    from als_engine.evaluation.film import Film

    contestant, arguments = _contestant(row, files)
    arguments = {**entry.arguments, **arguments, **entry.held_out}
    with (
        open_seat(Seat(contestant, files), entry.scenario, arguments) as agent,
        closing(
            simulate(entry.scenario, 1, entry.observers, **arguments, split=entry.split)
        ) as sim,
    ):
        film = Film(sim, agent)
        frames = write_video(
            path, islice(film.episodes([world_seeds(EVALUATION_SEED)(0)]), MAX_FRAMES)
        )
        level = int(sim.state.level[0])
    trained = f", training seed {seed}" if files else ""
    where = f"{entry.name}, level {level} of the {entry.split} split{trained}"
    if not film.takes:
        return Filmed(file, f"{where}. The first {frames} steps.")
    (take,) = film.takes
    success = "success" if take.metrics.get("success") else "no success"
    return Filmed(file, f"{where}. Return {number(take.mean_return)}, {success}.")


def _contestant(row: Standing, files: Mapping[str, bytes]) -> tuple[Contestant, dict[str, Any]]:
    """Who plays, and the scenario's arguments that come with it."""
    if not files:
        played = row.player or row.agent
        modes = registry.agent(played).action_modes
        return Contestant(row.label, played), {"action_mode": modes[0]}
    record = AgentRecord.model_validate_json(files[RECORD])
    return Contestant(row.label, record.agent, config=record.config), record.arguments
