"""Measures whether an agent tells which episodes it has learnt from: membership inference.

The attacker has episodes of which it does not know whether the agent has learnt from them, and
says so of those whose actions the agent finds likely (a threshold on the loss, Yeom et al. 2018).
Members are the episodes of a dataset's train part, others those of its validation and test parts:
levels fall into parts by chance, so that nothing else tells them apart.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from als_engine.agents.saving import PrivacyRecord, load_agent
from als_engine.errors import ArgumentError
from als_engine.evaluation.statistics import Interval
from als_engine.seeding import spread
from als_plugins.imitation.recorded import Recorded, open_recorded
from als_plugins.learners.network_learner import NetworkLearner
from als_plugins.learners.setup import few_threads
from als_plugins.learners.student import Student

if TYPE_CHECKING:
    from als_plugins.forecast.forecaster import Forecaster
    from als_plugins.forecast.tracks import Tracks

__all__ = ["Membership", "area_under", "forecaster_membership", "membership"]

RESAMPLES: Final = 1_000
AT_ONCE: Final = 2_048
FEWEST: Final = 10


@dataclass(frozen=True)
class Membership:
    """How well members are told from others.

    Attributes:
        auc: the probability that a member's actions are found likelier than another episode's: 0.5
            tells nothing, 1 everything; with its 95 percent interval, by bootstrap over episodes.
        members, others: episodes.
        loss_members, loss_others: minus the logarithm of how likely a shown action is, on average.
        agreement: the part of the others' actions that the agent finds likeliest; NaN where actions
            are no choices.
        privacy: what the agent's record says of the privacy that it has learnt with.
    """

    auc: Interval
    members: int
    others: int
    loss_members: float
    loss_others: float
    agreement: float
    privacy: list[PrivacyRecord]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        found = asdict(self)
        found["privacy"] = [each.model_dump() for each in self.privacy]
        found["agreement"] = None if np.isnan(self.agreement) else self.agreement
        return found


def membership(agent: Path, dataset: Path, *, seed: int = 0) -> Membership:
    """Attacks a saved agent.

    Args:
        agent: its folder.
        dataset: that it has learnt from.
        seed: of the bootstrap.

    Raises:
        SavedFileError: the agent or the dataset is damaged.
        ArgumentError: it is no agent of ours with a network and without a memory, the dataset does
            not fit it, or there are too few episodes.
    """
    learner, record = load_agent(agent)
    if not isinstance(learner, NetworkLearner):
        raise ArgumentError(f"{agent} has no network that says how likely an action is")
    student = learner.student()
    if student.together > 1:
        raise ArgumentError(f"{agent} has a memory, which this attack does not follow")
    likely, agreed = [], math.nan
    for part in ("train", "validation", "test"):
        data = open_recorded(str(dataset), record.scenario, learner, part)
        with few_threads(learner.observation_space):
            likely.append(_likelihoods(student, data))
            if part == "validation":
                agreed = agreement(learner, data)
    privacy = record.training.privacy if record.training else []
    return _attacked(likely, agreed, privacy, f"episodes; {dataset}", seed)


def forecaster_membership(forecaster: Forecaster, tracks: Tracks, *, seed: int = 0) -> Membership:
    """Attacks a forecaster of paths: which scenes of tracks has it learnt from?

    Args:
        forecaster: a network.
        tracks: that it has learnt from. Of those of worlds chance says which scenes were learnt
            from; of a CSV file the earlier ones were, which may be other ones in other respects.
        seed: of the bootstrap.

    Raises:
        ArgumentError: it is no network of paths, or there are too few scenes.
    """
    from als_plugins.forecast.problems import window_arrays

    record, network = forecaster.record, forecaster.network
    if network is None or record.task != "path":
        raise ArgumentError("only networks of paths can be attacked")
    likely = []
    for part in ("train", "validation", "test"):
        scenes, arrays = window_arrays(record, tracks, part)
        with torch.no_grad():
            likely.append(
                np.array([
                    -float(network.loss(*(each[scenes == scene] for each in arrays)))  # type: ignore[operator]
                    for scene in np.unique(scenes)
                ])
            )  # fmt: skip
    privacy = [record.trained.privacy] if record.trained.privacy else []
    return _attacked(likely, math.nan, privacy, "scenes; the tracks", seed)


def _attacked(
    likely: list[NDArray[np.float64]], agreed: float, privacy: list[PrivacyRecord], what: str,
    seed: int,
) -> Membership:  # fmt: skip
    """What comes of how likely those of the train part are, and those of the other parts.

    Raises:
        ArgumentError: there are too few.
    """
    members, others = likely[0], np.concatenate(likely[1:])
    units, _, whose = what.partition("; ")
    if min(len(members), len(others)) < FEWEST:
        raise ArgumentError(
            f"an attack needs {FEWEST} {units} that were learnt from and as many others; "
            f"{whose} has {len(members)} and {len(others)}"
        )
    rng = np.random.default_rng(spread("membership", seed))
    return Membership(
        auc=_interval(members, others, rng),
        members=len(members),
        others=len(others),
        loss_members=-float(members.mean()),
        loss_others=-float(others.mean()),
        agreement=agreed,
        privacy=privacy,
    )


def _likelihoods(student: Student, data: Recorded) -> NDArray[np.float64]:
    """The mean logarithm of how likely its actions are, of each episode."""
    logs = np.empty(data.steps)
    student.train(False)
    with torch.no_grad():
        for first in range(0, data.steps, AT_ONCE):
            numbers = np.arange(first, min(first + AT_ONCE, data.steps))
            logs[numbers] = student.judge(data.at(numbers)).logs.cpu().numpy()
    return np.array([logs[numbers].mean() for numbers in data.units("episode")])


def agreement(learner: NetworkLearner, data: Recorded) -> float:
    """The part of a dataset's actions that are the likeliest ones; NaN where they are numbers."""
    right = total = 0
    for first in range(0, data.steps, AT_ONCE):
        batch = data.at(np.arange(first, min(first + AT_ONCE, data.steps)))
        if batch.actions.dtype.kind not in "iu":
            return math.nan
        chosen, _ = learner.act(batch.observation, None, deterministic=True)
        same = (chosen == batch.actions).reshape(len(chosen), -1).all(axis=1)
        right, total = right + int(same.sum()), total + len(same)
    return right / total if total else math.nan


def area_under(members: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """The probability that a member's score is above another's; equal ones count half."""
    from sklearn.metrics import roc_auc_score

    who = np.repeat([1, 0], [len(members), len(others)])
    return float(roc_auc_score(who, np.concatenate([members, others])))


def _interval(
    members: NDArray[np.float64], others: NDArray[np.float64], rng: np.random.Generator
) -> Interval:
    drawn = [
        area_under(rng.choice(members, len(members)), rng.choice(others, len(others)))
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(area_under(members, others), float(low), float(high))
