"""Lets a saved agent learn from a dataset, in a process of its own, and measures what that did."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from als_engine.envs.processes import Failure, Process
from als_engine.errors import ALSError, WorkerError

__all__ = ["Update", "Updater"]

UPDATES: Final = 500
"""Gradient steps, however little there is to learn from: a person waits for them."""
BATCH: Final = 64
"""Steps in each; a few hundred are all that a person has shown."""


@dataclass(frozen=True)
class Update:
    """What came of it.

    Attributes:
        folder: of the agent that has learnt.
        steps: it has learnt from.
        before, after: how far the agent agrees with what persons did, 0 to 1, on the levels that
            it has learnt from.
        held_before, held_after: the same on levels that were held out; None without any.
    """

    folder: Path
    steps: int
    before: float
    after: float
    held_before: float | None
    held_after: float | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; without where the folder is."""
        values = {k: v for k, v in asdict(self).items() if k != "folder"}
        short = {k: round(v, 3) if isinstance(v, float) else v for k, v in values.items()}
        return {**short, "name": self.folder.name}


class Updater:
    """One update after the other, each of the last one's agent."""

    def __init__(self, folder: Path, agent: Path) -> None:
        """Takes the dataset, and the agent to begin from.

        Args:
            folder: of the dataset; agents go to `agents` in it.
            agent: a saved one's folder, which stays as it is.
        """
        self._folder, self._agent = folder, agent
        self._process: Process | None = None

    def update(self) -> Update:
        """Learns, and returns what came of it.

        Raises:
            ALSError: the agent, or the dataset, cannot be learnt with.
        """
        every = self._folder / "agents"
        number = 1 + max((int(p.name) for p in every.glob("[0-9]*") if p.name.isdigit()), default=0)
        target = every / f"{number:04d}"
        process = self._process = Process(_work, self._folder, self._agent, target)
        try:
            answer = process.pipe.recv()
        except (EOFError, OSError):
            raise WorkerError("the process that learns has ended") from None
        finally:
            process.close()
        if isinstance(answer, Failure):
            answer.throw()
        found: Update = answer
        self._agent = found.folder
        return found

    def close(self) -> None:
        """Ends what is still learning."""
        if self._process is not None:
            with suppress(OSError):
                self._process.kill()


def _work(pipe: Connection, folder: Path, agent: Path, target: Path) -> None:
    try:
        answer: Update | Failure = _learn(folder, agent, target)
    except ALSError as error:
        answer = Failure.of(error)
    with suppress(OSError):
        pipe.send(answer)


def _learn(folder: Path, agent: Path, target: Path) -> Update:
    from als_engine.agents.saving import load_agent
    from als_plugins.experience.dataset import open_experience
    from als_plugins.imitation.imitate import imitate
    from als_plugins.serve.teaching.agreement import agreement_with

    old, record = load_agent(agent)
    experience = open_experience(folder, list(old.observation_space.spaces))
    learnt, held = experience.part("train"), experience.part("validation")
    passes = UPDATES * BATCH / max(learnt.steps, 1)
    trained = imitate(
        record.scenario, str(folder), "bc", begin=agent, folder=target, device="cpu",
        observers=record.observers, config={"imitation_batch": BATCH, "passes": passes},
    )  # fmt: skip
    both = [(agreement_with(old, part), agreement_with(trained.agent, part))
            for part in (learnt, held)]  # fmt: skip
    before, after = (each or 0.0 for each in both[0])
    return Update(target, trained.progress.steps, before, after, *both[1])
