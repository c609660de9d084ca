"""Learns scenarios one after the other, and evaluates all of them after each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import gymnasium
import numpy as np
import torch

from als_engine.agents.run_folder import claimed
from als_engine.agents.saving import AgentRecord, TrainingRecord, load_agent, spaces, write_agent
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.protocol import evaluate, reference
from als_engine.models import read_model
from als_engine.seeding import Generators, spread
from als_engine.system.files import make_folder, write_text
from als_engine.system.interrupts import interruptible
from als_engine.system.locking import locked
from als_engine.system.safe_files import is_file, replace_folder
from als_plugins.continual.keeping import Keeping, make_keeping
from als_plugins.continual.records import Scores, SequenceJob
from als_plugins.continual.showing import Shown, show
from als_plugins.encoders.saving import make_encoder
from als_plugins.learners.setup import few_threads
from als_plugins.mappo.learner import Mappo
from als_plugins.mappo.student import MappoStudent

__all__ = ["Result", "learn_sequence"]

JOB: Final = "sequence.json"
SCORES: Final = "scores.json"

Reporter = Callable[[str, int, int], None]
"""Hears what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Result:
    """What a sequence has found.

    Attributes:
        job: what was asked for.
        found: after each scenario.
    """

    job: SequenceJob
    found: list[Scores]

    @property
    def matrix(self) -> list[list[float]]:
        """Scores after each scenario (rows) in each so far (columns)."""
        return [each.scores for each in self.found]

    @property
    def mean(self) -> float:
        """The mean score of all scenarios in the end."""
        return float(np.mean(self.found[-1].scores))

    @property
    def backward_transfer(self) -> float | None:
        """How much better earlier scenarios are in the end than when they had just been learnt.

        Below 0 is what was forgotten (Lopez-Paz and Ranzato 2017, "Gradient episodic memory").
        None for a single scenario.
        """
        last = self.found[-1].scores
        if len(last) < 2:
            return None
        return float(np.mean([last[i] - self.found[i].scores[i] for i in range(len(last) - 1)]))

    def forward_transfer(self, alone: Result) -> float | None:
        """How much better later scenarios are learnt than by an encoder of their own.

        Args:
            alone: the same sequence with the method `alone`.
        """
        both = zip(self.found, alone.found, strict=True)
        gains = [ours.scores[-1] - theirs.scores[-1] for ours, theirs in both][1:]
        return float(np.mean(gains)) if gains else None

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "job": self.job.model_dump(mode="json"),
            "matrix": self.matrix,
            "mean": self.mean,
            "backward_transfer": self.backward_transfer,
            "weights": self.found[-1].weights,
            "seconds": sum(each.seconds for each in self.found),
            "found": [each.model_dump(mode="json") for each in self.found],
        }


def learn_sequence(
    job: SequenceJob, folder: Path | str, on_progress: Reporter = lambda what, done, of: None
) -> Result:
    """Learns the scenarios of a job, or goes on with it where it stopped.

    After scenario `i` the folder `after-i` holds an agent for each scenario so far, under
    `agents/0` and so on, which acts like any other, and `scores.json`.

    Args:
        job: what to learn.
        folder: where to write; new, empty, or of the same job.
        on_progress: hears how far it is.

    Raises:
        ArgumentError: a scenario has other sensors than the first, or none that is asked for.
        SavedFileError: the folder is of another job, holds something else, or cannot be written.
        KeyboardInterrupt: it was interrupted; the same call goes on from the last scenario.
    """
    folder = Path(folder)
    students = _Students(job)  # Whatever is wrong with the scenarios is said before anything else.
    with _own(folder, job), interruptible() as interrupted:
        found = list(_finished(folder, job))
        students.catch_up(folder, len(found))
        for number in range(len(found), len(job.scenarios)):
            began = time.perf_counter()

            def report(what: str, done: int, of: int, name: str = job.scenarios[number]) -> None:
                on_progress(f"{name}: {what}", done, of)

            students.learn(number, interrupted, report)
            seconds = time.perf_counter() - began
            scores = students.scores(interrupted, report, seconds)
            place = folder / f"after-{number}"
            replace_folder(place, partial(students.write, scores))
            found.append(scores)
    return Result(job, found)


@contextmanager
def _own(folder: Path, job: SequenceJob) -> Iterator[None]:
    """Keeps others out of the folder of a sequence, which is made, or is of the same job."""
    if is_file(folder / JOB):
        with claimed(folder):
            if read_model(folder / JOB, SequenceJob) != job:
                raise SavedFileError(
                    f"{folder} holds another sequence, see {folder / JOB}: name another folder"
                )
            yield
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise SavedFileError(f"{folder} holds other files: name a new or empty folder")
    make_folder(folder)
    with locked(folder):
        write_text(folder / JOB, job.model_dump_json(indent=2) + "\n")
        yield


def _finished(folder: Path, job: SequenceJob) -> Iterator[Scores]:
    """What was found before, as far as it is whole."""
    for number in range(len(job.scenarios)):
        path = folder / f"after-{number}" / SCORES
        if not is_file(path):
            return
        scores = read_model(path, Scores)
        if len(scores.scores) != number + 1:
            raise SavedFileError(f"{path} is not of this sequence")
        yield scores


class _Students:
    """An agent for each scenario so far; what they share is one and the same module."""

    def __init__(self, job: SequenceJob) -> None:
        self._job = job
        shared: gymnasium.spaces.Dict | None = None
        self._arguments: dict[str, Any] = {
            "sensors": list(job.sensors),
            "action_mode": job.action_mode,
        }
        for name in job.scenarios:
            here, _ = spaces(name, self._arguments)
            shared = shared or here
            for key, space in here.spaces.items():
                if space != shared[key]:
                    raise ArgumentError(
                        f'{name} has another "{key}" than {job.scenarios[0]}: choose sensors that '
                        "are the same in all scenarios"
                    )
        assert shared is not None
        with Generators(spread("continual weights", job.seed)):
            self._keeping: Keeping = make_keeping(job, make_encoder(job.encoder, shared, {}))
        self._agents: list[Mappo] = []
        self._students: list[MappoStudent] = []

    def learn(self, number: int, should_stop: Callable[[], bool], report: Reporter) -> None:
        """Learns a scenario from its expert."""
        job = self._job
        shown = self._shown(number, should_stop, report)
        self._begin(number)
        student, keeping = self._students[number], self._keeping
        weights = keeping.learns(self._students)
        optimizer = torch.optim.Adam(weights, job.learning_rate)
        rng = self._rng("continual batches", number)
        torch_draws = Generators(spread("continual learning", job.seed, number))
        with torch_draws, few_threads(student.learner.observation_space):
            for each in self._students:
                each.train(True)
            for update in range(job.updates):
                if should_stop():
                    raise KeyboardInterrupt
                for group in optimizer.param_groups:
                    group["lr"] = job.learning_rate * (1.0 - update / job.updates)
                batch = shown.batch(rng.integers(len(shown.actions), size=job.batch))
                # What is added comes first: a student remembers what it has judged last.
                added = keeping.loss(self._students, rng)
                logs, _, _ = student.judge(batch)
                loss = -logs.mean() if added is None else added - logs.mean()
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(weights, 0.5)
                optimizer.step()
                student.fit_deviation(batch)
                report("learning", update + 1, job.updates)
            for each in self._students:
                each.train(False)
            keeping.remember(student, shown, self._rng("continual memory", number))

    def scores(self, should_stop: Callable[[], bool], report: Reporter, seconds: float) -> Scores:
        """Evaluates all scenarios so far."""
        job = self._job
        lows, highs, returns, scores = [], [], [], []
        for number, agent in enumerate(self._agents):
            if should_stop():
                raise KeyboardInterrupt
            played = evaluate(
                agent, job.scenarios[number], job.episodes, split=job.split,
                seed=spread("continual evaluation", job.seed), arguments=self._arguments,
                num_worlds=min(16, job.episodes),
            )  # fmt: skip
            yardsticks = reference(played)
            if yardsticks.expert is None:
                raise ArgumentError(f"{job.scenarios[number]} has no expert to learn from")
            low = float(yardsticks.random.returns.mean())
            high = float(yardsticks.expert.returns.mean())
            returns.append(float(played.returns.mean()))
            scores.append((returns[-1] - low) / (high - low))
            lows.append(low)
            highs.append(high)
            report("playing", number + 1, len(self._agents))
        return Scores(
            scores=scores, returns=returns, random=lows, expert=highs,
            weights=self._weights(), seconds=seconds,
        )  # fmt: skip

    def write(self, scores: Scores, folder: Path) -> None:
        """Writes an agent for each scenario, and what was found."""
        job = self._job
        for number, agent in enumerate(self._agents):
            place = folder / "agents" / str(number)
            place.mkdir(parents=True)
            training = TrainingRecord(
                steps=job.steps, demonstrated=job.steps, seed=job.seed, seconds=scores.seconds
            )
            record = AgentRecord(
                agent="mappo", scenario=job.scenarios[number], arguments=self._arguments,
                training=training,
            )  # fmt: skip
            write_agent(agent, place, record)
        (folder / SCORES).write_text(scores.model_dump_json(indent=2) + "\n", encoding="utf-8")

    def catch_up(self, folder: Path, finished: int) -> None:
        """Becomes what it was after so many scenarios.

        Raises:
            SavedFileError: an agent is missing, or is not of this sequence.
        """
        for number in range(finished):
            self._begin(number)
            self._load(folder / f"after-{number}", number)
            shown = self._shown(number, lambda: False, lambda what, done, of: None)
            rng = self._rng("continual memory", number)
            self._keeping.remember(self._students[number], shown, rng)
        for number in range(finished - 1):  # With a shared encoder, as the last one has left it.
            self._load(folder / f"after-{finished - 1}", number)

    def _load(self, folder: Path, number: int) -> None:
        saved, record = load_agent(folder / "agents" / str(number))
        if record.agent != "mappo" or record.scenario != self._job.scenarios[number]:
            raise SavedFileError(f"{folder} is not of this sequence")
        assert isinstance(saved, Mappo)
        self._agents[number].policy.load_state_dict(saved.policy.state_dict())

    def _begin(self, number: int) -> None:
        """Makes the agent of a scenario, which reads through what the method says."""
        job = self._job
        observation_space, action_space = spaces(job.scenarios[number], self._arguments)
        config: dict[str, Any] = {"encoder": job.encoder, "lora_rank": job.rank}
        if job.method == "lora" and number > 0:
            config["tuning"] = "lora"
        with Generators(spread("continual heads", job.seed, number)):
            agent = Mappo(observation_space, action_space, **config)
            agent.begin()
            agent.policy.encoder = self._keeping.encoder_for(number)
        agent.policy.eval()
        self._agents.append(agent)
        self._students.append(MappoStudent(agent))

    def _shown(self, number: int, should_stop: Callable[[], bool], report: Reporter) -> Shown:
        job = self._job
        return show(
            job.scenarios[number],
            self._arguments,
            job.steps,
            spread("continual steps", job.seed, number),
            should_stop,
            lambda steps: report("watching the expert", steps, job.steps),
        )

    def _rng(self, use: str, number: int) -> np.random.Generator:
        return np.random.default_rng(spread(use, self._job.seed, number))

    def _weights(self) -> int:
        """Numbers that are stored; what is shared counts once."""
        all_weights: Mapping[int, torch.Tensor] = {
            id(weight): weight for agent in self._agents for weight in agent.policy.parameters()
        }
        return sum(weight.numel() for weight in all_weights.values())
