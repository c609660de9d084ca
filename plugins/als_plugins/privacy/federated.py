"""Federated imitation: sites learn from their own data, and only weights leave them.

Federated averaging (McMahan et al. 2017). Each site is a process of its own that opens its dataset
and nobody else's. In each round it gets the weights, learns from its data for some epochs, and
sends its weights back; their mean, weighted by how many steps a site has, is where the next round
begins. What is drawn in a round follows from the seed, the site and the round, and a site begins
each round with a new optimizer: a run that was interrupted comes to the same weights as one that
was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from als_engine.agents.run_folder import RunFolder
from als_engine.agents.saving import (
    AgentRecord,
    PrivacyRecord,
    TrainingRecord,
    load_agent,
    make_agent,
    save_agent,
    write_agent,
)
from als_engine.agents.training import absolute, arguments_for
from als_engine.envs.processes import Failure, Process
from als_engine.errors import ALSError, ArgumentError, SavedFileError, WorkerError
from als_engine.models import Model, checked_fields, read_model
from als_engine.seeding import Generators, spread
from als_engine.system.interrupts import interruptible
from als_engine.system.safe_files import pack_tensors, unpack_tensors
from als_plugins.experience.records import RECORD
from als_plugins.imitation.imitation import Imitation
from als_plugins.imitation.parameters import ImitationParameters, divided
from als_plugins.imitation.private import (
    PrivateImitation,
    check_private,
    learns_from_actions,
    study_privately,
)
from als_plugins.imitation.recorded import Recorded, open_recorded, sources_for
from als_plugins.learners.hyperparameters import parse
from als_plugins.learners.network_learner import NetworkLearner
from als_plugins.learners.setup import adam, few_threads
from als_plugins.learners.student import Student

__all__ = ["Federated", "FederationFolder", "FederationJob", "average", "federate", "go_on"]

Tensors = Mapping[str, NDArray[Any]]
SITES: Final = 64
ROUNDS: Final = 100_000


class FederationJob(Model):
    """The settings of a federation; kept as `federation.json`.

    Attributes:
        scenario, agent: registered ids.
        sites: folders of datasets, one for each.
        rounds: how often weights are averaged.
        epochs: passes of each site over its data in a round.
        seed: of weights and batches.
        arguments: of the scenario.
        config: hyperparameters of the learner. imitation: of how it imitates.
    """

    scenario: str
    agent: str = "mappo"
    sites: Annotated[list[str], Field(min_length=2, max_length=SITES)]
    rounds: int = Field(default=10, ge=1, le=ROUNDS)
    epochs: int = Field(default=1, ge=1, le=1_000)
    seed: int = Field(default=0, ge=0, lt=1 << 31)
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    config: dict[str, JsonValue] = Field(default_factory=dict)
    imitation: dict[str, JsonValue] = Field(default_factory=dict)


@dataclass(frozen=True)
class Federated:
    """What came of it.

    Attributes:
        folder: of the saved agent; None when it was stopped.
        round: how many there were. rounds: how many there will be.
        steps: of each site.
        losses: of each site in the last round of this run; NaN before any.
        seconds: of wall-clock time, of this run alone.
    """

    folder: Path | None
    round: int
    rounds: int
    steps: tuple[int, ...]
    losses: tuple[float, ...]
    seconds: float

    @property
    def stopped(self) -> bool:
        """Whether there is more to do."""
        return self.folder is None


class FederationFolder(RunFolder):
    """The folder of a federation."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, "federation.json", "a federation", owns=["agent"])
        self.agent = self.path / "agent"

    def job(self) -> FederationJob:
        """The settings."""
        self.require()
        return read_model(self.record, FederationJob)


OnRound = Callable[[int, int], None]


def federate(
    scenario: str,
    sites: Sequence[Path | str],
    folder: Path | str,
    *,
    agent: str = "mappo",
    rounds: int = 10,
    epochs: int = 1,
    seed: int = 0,
    arguments: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    on_round: OnRound = lambda done, total: None,
) -> Federated:
    """Trains an agent from the datasets of several sites, which stay there.

    Args:
        scenario: its id.
        sites: folders of datasets, two or more.
        folder: a new or empty one for the agent and its checkpoints.
        agent: the learner's id.
        rounds: how often weights are averaged.
        epochs: passes of each site over its data in a round.
        seed: of weights and batches.
        arguments: of the scenario.
        config: hyperparameters of the learner, and `imitation_rate` and `imitation_batch`.
        on_round: told how many of how many rounds are over.

    Raises:
        ArgumentError: an argument is not allowed, or a site's data do not fit it, or its persons
            have not agreed to it.
        SavedFileError: a dataset is damaged, or the folder holds something.
    """
    own, others = divided(config or {})
    for site in sites:
        if not (Path(site) / RECORD).is_file():
            raise ArgumentError(f"{site} is no dataset; `als collect` makes one")
    with checked_fields():
        job = FederationJob(
            scenario=scenario,
            agent=agent,
            sites=[str(Path(site).resolve()) for site in sites],
            rounds=rounds,
            epochs=epochs,
            seed=seed,
            arguments=arguments_for(agent, scenario, arguments or {}),
            config=absolute(agent, others),
            imitation=own,
        )
    _parameters(job)
    place = FederationFolder(folder)
    learner = _learner(job)
    if _parameters(job).epsilon is not None:
        check_private(learner.student(), learner.action_space)
    for site in job.sites:
        sources_for(site, scenario, learner)
    with place.new(job.model_dump_json(indent=2) + "\n"):
        return _run(job, place, learner, 0, 0.0, on_round)


def go_on(folder: Path | str, *, on_round: OnRound = lambda done, total: None) -> Federated:
    """Goes on with a federation after its last whole round.

    Raises:
        ArgumentError: all its rounds are over.
        SavedFileError: there is none, or it or a dataset is damaged.
    """
    place = FederationFolder(folder)
    with place.going_on():
        job, checkpoint = place.job(), place.checkpoints.newest()
        done = 0 if checkpoint is None else int(checkpoint.name)
        if done >= job.rounds:
            raise ArgumentError(f"{folder} has come through all its {job.rounds} rounds")
        learner, earlier = _learner(job), 0.0
        if checkpoint is not None:
            found, record = load_agent(checkpoint)
            if (record.agent, record.scenario) != (job.agent, job.scenario):
                raise SavedFileError(f"{checkpoint} is of another agent than {place.record}")
            assert isinstance(found, NetworkLearner)
            learner.policy.load_state_dict(found.policy.state_dict())
            earlier = record.training.seconds if record.training else 0.0
        return _run(job, place, learner, done, earlier, on_round)


def average(weights: Sequence[Tensors], counts: Sequence[int]) -> dict[str, NDArray[Any]]:
    """The mean of weights, each as heavy as its count, in the arrays' own types."""
    parts = np.asarray(counts, np.float64) / sum(counts)
    return {
        name: np.asarray(
            sum(
                (
                    part * each[name].astype(np.float64)
                    for part, each in zip(parts, weights, strict=True)
                ),
                start=np.zeros(array.shape),
            )
        ).astype(array.dtype)
        for name, array in weights[0].items()
    }


def _run(
    job: FederationJob, place: FederationFolder, learner: NetworkLearner, done: int,
    earlier: float, tell: OnRound,
) -> Federated:  # fmt: skip
    began, losses = time.monotonic(), (float("nan"),) * len(job.sites)
    with ExitStack() as stack:
        interrupted = stack.enter_context(interruptible())
        sites = [stack.enter_context(_site(job, number)) for number in range(len(job.sites))]
        steps = tuple(int(_answer(site, name)) for site, name in zip(sites, job.sites, strict=True))
        while done < job.rounds and not interrupted():
            weights = pack_tensors(_arrays(learner))
            for site in sites:
                site.pipe.send_bytes(done.to_bytes(8, "little") + weights)
            answers = [_answer(site, name) for site, name in zip(sites, job.sites, strict=True)]
            losses = tuple(loss for loss, _, _ in answers)
            found = [
                _checked(unpack_tensors(data, name), learner, name)
                for (_, data, _), name in zip(answers, job.sites, strict=True)
            ]
            told = [each for _, _, each in answers if each is not None]
            mean = average(found, steps)
            learner.policy.load_state_dict({k: torch.from_numpy(a) for k, a in mean.items()})
            done += 1
            record = _record(job, steps, done, earlier + time.monotonic() - began, told)
            place.checkpoints.save(done, partial(write_agent, learner, record=record))
            tell(done, job.rounds)
        seconds = time.monotonic() - began
        if done < job.rounds:
            interrupted.answered()
            return Federated(None, done, job.rounds, steps, losses, seconds)
        save_agent(learner, place.agent, record)
    return Federated(place.agent, done, job.rounds, steps, losses, seconds)


def _record(
    job: FederationJob, steps: Sequence[int], done: int, seconds: float, told: list[PrivacyRecord]
) -> AgentRecord:
    """The record of the agent after some rounds; `told` is what each site has told so far."""
    learnt = sum(steps) * job.epochs * done
    return AgentRecord(
        agent=job.agent,
        scenario=job.scenario,
        arguments=job.arguments,
        training=TrainingRecord(
            steps=learnt,
            demonstrated=learnt,
            seed=job.seed,
            seconds=round(seconds, 1),
            privacy=told,
        ),
    )


def _parameters(job: FederationJob) -> ImitationParameters:
    """How a site imitates.

    Raises:
        ArgumentError: a hyperparameter is not allowed, or has no meaning here.
    """
    if "passes" in job.imitation:
        raise ArgumentError("a federation counts in --rounds and --epochs: leave passes out")
    return parse("imitation", ImitationParameters, {**job.imitation, "passes": float(job.epochs)})


def _learner(job: FederationJob) -> NetworkLearner:
    """The learner with the weights that all sites begin with.

    Raises:
        ArgumentError: it cannot learn from demonstrations.
    """
    learner = make_agent(job.agent, job.scenario, job.arguments, job.config)
    if not isinstance(learner, NetworkLearner):
        raise ArgumentError(f"{job.agent} cannot learn from demonstrations: use mappo or ppo")
    with Generators(spread("federation", job.seed)):
        learner.student().begin()
    return learner


def _arrays(learner: NetworkLearner) -> dict[str, NDArray[Any]]:
    return {name: each.cpu().numpy() for name, each in learner.policy.state_dict().items()}


def _checked(found: Tensors, learner: NetworkLearner, site: str) -> Tensors:
    """What a site has sent, where it is what this network has.

    Raises:
        SavedFileError: it is something else.
    """
    own = {name: (a.shape, a.dtype) for name, a in _arrays(learner).items()}
    if {name: (a.shape, a.dtype) for name, a in found.items()} != own:
        raise SavedFileError(f"{site} has sent weights of another network")
    return found


@contextmanager
def _site(job: FederationJob, number: int) -> Iterator[Process]:
    process = Process(_work, job.model_dump_json(), number)
    try:
        yield process
    finally:
        process.close()


def _answer(site: Process, name: str) -> Any:
    try:
        answer = site.pipe.recv()
    except (EOFError, OSError):
        raise WorkerError(f"the process of {name} has ended") from None
    if isinstance(answer, Failure):
        answer.throw()
    return answer


# -- in a site's process ---------------------------------------------------------------------------


def _work(pipe: Connection, text: str, number: int) -> None:
    """Opens the site's data, and learns from it whenever weights come; ends with the pipe."""
    try:
        job = FederationJob.model_validate_json(text)
        learner = _learner(job)
        data = open_recorded(job.sites[number], job.scenario, learner)
        pipe.send(data.steps)
        while True:
            message = pipe.recv_bytes()
            done, weights = int.from_bytes(message[:8], "little"), message[8:]
            found = _checked(unpack_tensors(weights, "what was sent"), learner, "the federation")
            learner.policy.load_state_dict({k: torch.tensor(a) for k, a in found.items()})
            loss, told = _epochs(job, learner, data, number, done)
            pipe.send((loss, pack_tensors(_arrays(learner)), told))
    except EOFError:
        return
    except ALSError as error:
        pipe.send(Failure.of(error))


class _Losses:
    """Takes what an imitation writes of its losses, of which the last one counts."""

    last = float("nan")

    def add(self, values: dict[str, float], steps: int) -> None:
        self.last = values["imitation/policy_loss"]


def _epochs(
    job: FederationJob, learner: NetworkLearner, data: Recorded, number: int, done: int
) -> tuple[float, PrivacyRecord | None]:
    """Learns for a round.

    Returns:
        The last loss that was written, and what the site has told in all rounds so far. With
        privacy no loss leaves the site: NaN.
    """
    student, parameters = learner.student(), _parameters(job)
    seed = spread("a site's round", job.seed, number * ROUNDS + done)
    data.seed(np.random.default_rng(seed))
    log, first, end = _Losses(), done * data.steps, (done + 1) * data.steps
    with Generators(seed), few_threads(learner.observation_space):
        student.train(False)
        if parameters.epsilon is not None:
            return math.nan, _privately(job, student, parameters, data, seed, first, end)
        optimizer = adam(student.policy, parameters.imitation_rate, student.parameters.weight_decay)
        # The rate falls along all rounds; counted as if the site's data came once more in each.
        due = first * job.epochs / parameters.imitation_batch % 1.0
        imitation = Imitation(
            student, optimizer, parameters, log, job.rounds * data.steps, first, due, at_once=1
        )
        at_once = max(1, round(parameters.imitation_batch / imitation.passes))
        while imitation.steps < end:
            imitation.learn(min(at_once, end - imitation.steps), data)
    return log.last, None


def _privately(
    job: FederationJob, student: Student, parameters: ImitationParameters, data: Recorded,
    seed: int, first: int, end: int,
) -> PrivacyRecord:  # fmt: skip
    """Learns for a round so that little is told of any unit of the site, in all rounds together."""
    with learns_from_actions(student):
        optimizer = adam(student.policy, parameters.imitation_rate, student.parameters.weight_decay)
        private = PrivateImitation(
            student, optimizer, parameters, data, _Losses(),
            total=job.rounds * data.steps, steps=first, seed=seed,
        )  # fmt: skip
        study_privately(private, end=end)
    return private.record()
