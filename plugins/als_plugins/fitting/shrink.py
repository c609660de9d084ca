"""Makes a trained agent small, and says what that has cost and saved."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from als_engine.agents.agent import Agent, acting
from als_engine.agents.masks import with_masks
from als_engine.agents.saving import (
    WEIGHTS,
    AgentRecord,
    OpenedAgent,
    agent_folder,
    load_agent,
    open_agent,
    save_agent,
)
from als_engine.evaluation.protocol import evaluate
from als_engine.evaluation.splits import CHOOSING
from als_engine.evaluation.statistics import Interval
from als_engine.seeding import row_seeds, spread
from als_engine.simulation import simulate
from als_plugins.fitting.linear import Bits
from als_plugins.fitting.small import SmallAgent, network_of

__all__ = ["Measured", "measure", "shrink_agent", "time_action"]

_ACTIONS: Final = 200


@dataclass(frozen=True)
class Measured:
    """What an agent takes, and what it earns.

    Attributes:
        agent: the folder.
        weights: numbers that are stored of its network and are no marks of where others are 0.
        bytes: of its file of weights.
        milliseconds: of one action in one row, on this machine, the median of many.
        mean_return: over episodes of the validation split; None where none were played.
    """

    agent: str
    weights: int
    bytes: int
    milliseconds: float
    mean_return: Interval | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def shrink_agent(reference: Path | str, out: Path, bits: Bits = 8, kept: float = 1.0) -> SmallAgent:
    """Makes a small agent of a trained one, and saves it.

    Args:
        reference: the folder of the trained one.
        out: where the small one goes: a new or empty folder, or one that holds a saved agent.
        bits: of each weight of a linear layer, 8 or 32.
        kept: the part of each linear layer's weights that is kept, the largest ones.

    Raises:
        ArgumentError: it has no network, or there is nothing to make small.
        SavedFileError: it is no saved agent, or the folder cannot be written.
    """
    agent, before = load_agent(reference)
    small = SmallAgent.of(network_of(agent, reference), bits, kept)
    record = AgentRecord(
        agent="small",
        scenario=before.scenario,
        arguments=before.arguments,
        observers=before.observers,
        training=before.training,
    )
    save_agent(small, out, record)
    return small


def measure(
    folder: Path | str,
    episodes: int = 0,
    seed: int = 0,
    on_episode: Callable[[int], None] = lambda ended: None,
) -> Measured:
    """Measures a saved agent.

    Args:
        folder: where it is.
        episodes: that it plays; 0 for none.
        seed: of the episodes, which are of the validation split.
        on_episode: hears how many have ended.
    """
    opened = open_agent(folder)
    found = None
    if episodes:
        found = evaluate(
            opened.agent,
            opened.scenario,
            episodes,
            split=CHOOSING,
            seed=seed,
            observers=opened.observers,
            arguments=opened.arguments,
            on_episode=on_episode,
        ).mean_return
    small = opened.agent if isinstance(opened.agent, SmallAgent) else None
    policy = small.policy if small else network_of(opened.agent, folder).policy
    state = policy.state_dict()
    marks = [name for name in state if name.endswith(".where")]
    return Measured(
        agent=str(folder),
        weights=sum(tensor.numel() for name, tensor in state.items() if name not in marks),
        bytes=(agent_folder(folder) / WEIGHTS).stat().st_size,
        milliseconds=round(1_000.0 * time_action(opened, seed), 3),
        mean_return=found,
    )


def time_action(opened: OpenedAgent, seed: int = 0, actions: int = _ACTIONS) -> float:
    """Seconds for one action of an agent in one row: the median of many in a seed's world."""
    agent: Agent = opened.agent
    arguments = {**opened.arguments, "split": CHOOSING}
    simulation = simulate(opened.scenario, num_worlds=1, observers=1, **arguments)
    try:
        simulation.reset([spread("timing", seed)])
        simulation.observe()
        sensed = {key: array[:, 0] for key, array in simulation.observations.items()}
        seen = with_masks(agent, sensed, lambda: simulation.action_masks()[:, 0])
        state = agent.restart(None, np.ones(1, np.bool_), row_seeds(0, 1))
        best = acting(agent) == "best"
        taken = []
        for _ in range(actions):
            began = time.perf_counter()
            _, state = agent.act(seen, state, best)
            taken.append(time.perf_counter() - began)
    finally:
        simulation.close()
    return statistics.median(taken)
