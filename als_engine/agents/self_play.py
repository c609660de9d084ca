"""Self-play: a learner's opponents are its own past selves, and the scenario's behaviours.

A `Pool` holds what the learner was at its checkpoints. Who plays in an episode is drawn by
prioritised fictitious self-play (Vinyals et al. 2019), with returns in the place of win rates,
which not every scenario has: past selves that the learner gets least against come most often, and
the newest one in a fixed part of all episodes (Lanctot et al. 2017; Bansal et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from als_engine.agents.agent import Agent, Learner, RandomAgent
from als_engine.agents.saving import AgentRecord, load_agent, open_agent, read_record, write_agent
from als_engine.agents.sides import Player, SideRows, take_seats
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.limits import STEPS
from als_engine.models import Model, Name, read_model
from als_engine.seeding import spread

if TYPE_CHECKING:
    from als_engine.agents.training_folder import Job, SelfPlay
    from als_engine.envs.rows import Rows

__all__ = ["POOL", "Pool", "play_itself"]

POOL: Final = "pool"
"""The folder within a checkpoint that holds the pool."""
RECORD: Final = "pool.json"

LEAST: Final = 0.1
"""The weight of the past self that the learner gets most against; 1 is that of the hardest one."""
KEEPS: Final = 0.95
"""What a new episode leaves of a mean return, once there are 20."""


class Score(Model):
    """The learner's mean return against somebody.

    Attributes:
        episodes: how many there were. mean: over about the last 20 of them.
    """

    episodes: int = Field(default=0, ge=0, le=STEPS)
    mean: float = 0.0

    def with_one(self, value: float) -> Score:
        """The score after one more episode."""
        rate = max(1.0 - KEEPS, 1.0 / (self.episodes + 1))
        return Score(episodes=self.episodes + 1, mean=float(self.mean + rate * (value - self.mean)))


Scores = Annotated[dict[Name, Score], Field(max_length=1_000)]


Kind = Literal["past", "random", "rival"]
"""A past self; the random actions that a training begins with; a saved agent that stays."""


class _Member(Model):
    """Schema of one member in `pool.json`."""

    kind: Kind
    steps: int = Field(ge=0, le=STEPS)
    scores: Scores = Field(default_factory=dict)


class _Record(Model):
    """Schema of `pool.json`; `scripted` has, for each role, the score against each behaviour."""

    format: Literal[1] = 1
    members: list[_Member] = Field(min_length=1, max_length=200)
    scripted: Annotated[dict[Name, Scores], Field(max_length=100)] = Field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Member(Player):
    """A member of the pool.

    Attributes:
        kind: what it is.
        steps: that the learner had taken, if it is a past self; else 0.
        scores: the learner's against it, by the role that the learner played.
        record: of a rival.
    """

    kind: Kind
    steps: int
    scores: dict[str, Score]
    record: AgentRecord | None = None


class Pool:
    """Past selves of a learner, the oldest first, and before them rivals that stay.

    Attributes:
        members: the last of them is the newest past self. At first that is who the training began
            from, or random actions.
    """

    def __init__(
        self, settings: SelfPlay, learner: Learner, roles: Sequence[str], seed: int
    ) -> None:
        """Begins with rivals, and with random actions in the place of a past self.

        Args:
            settings: how large it is, whom it draws, and who the rivals are.
            learner: whose past selves they are.
            roles: that it plays.
            seed: of whom it draws.
        """
        self._settings, self._learner, self._roles = settings, learner, tuple(roles)
        self._rng = np.random.default_rng(seed)
        self._numbers = 0
        self.members = [self._member(self._random(), "random")]
        self._scripted: dict[str, dict[str, Score]] = {role: {} for role in roles}

    def add(self, steps: int) -> None:
        """Takes the learner as it is now into the pool.

        Where the pool is full, the one goes that the learner finds easiest; see `weights`.

        Args:
            steps: that it has taken.
        """
        if (self.members[-1].kind, self.members[-1].steps) == ("past", steps):
            return  # A training that ends with a checkpoint.
        with TemporaryDirectory() as folder:
            self._learner.save_weights(Path(folder))
            twin = self._twin(Path(folder))
        self.members.append(self._member(twin, "past", steps))
        leaving = [i for i, member in enumerate(self.members[:-1]) if member.kind != "rival"]
        if len(leaving) >= self._settings.size:
            weights = np.mean([self.weights(role) for role in self._roles], axis=0)
            del self.members[min(leaving, key=lambda i: float(weights[i]))]

    def begin_from_learner(self) -> None:
        """Puts the learner as it is now in the place of random actions."""
        self.add(0)
        self.members = [member for member in self.members if member.kind != "random"]

    def add_rivals(self, scenario: str, arguments: Mapping[str, Any]) -> None:
        """Opens the rivals that the settings name.

        Args:
            scenario: where they play.
            arguments: of the scenario, as the learner has them.

        Raises:
            UnknownIdError: there is no such agent.
            ArgumentError: one cannot act there, or sees what the learner does not.
            SavedFileError: a folder is no saved agent.
        """
        given = {key: value for key, value in arguments.items() if key != "sensors"}
        rivals = []
        for name in self._settings.rivals:
            opened = open_agent(name, scenario, given)
            record = opened.record or AgentRecord(
                agent=name, scenario=scenario, arguments=dict(arguments)
            )
            rivals.append(self._rival(opened.agent, record, name))
        self.members = [*rivals, *self.members]

    def _rival(
        self,
        agent: Agent,
        record: AgentRecord,
        name: str,
        scores: dict[str, Score] | None = None,
    ) -> Member:
        shown = self._learner.observation_space.spaces
        for key, space in agent.observation_space.spaces.items():
            if shown.get(key) != space:
                raise ArgumentError(f'{name} needs "{key}" as it knows it: add it to the sensors')
        agent.row_wise = False
        return self._member(agent, "rival", 0, scores, record)

    def _random(self) -> Agent:
        return RandomAgent(self._learner.observation_space, self._learner.action_space)

    def _twin(self, folder: Path) -> Agent:
        """An agent like the learner, with the weights in a folder."""
        learner = self._learner
        twin = type(learner)(learner.observation_space, learner.action_space, **learner.config)
        twin.load_weights(folder)
        twin.row_wise = False
        return twin

    def _member(
        self,
        agent: Agent,
        kind: Kind,
        steps: int = 0,
        scores: dict[str, Score] | None = None,
        record: AgentRecord | None = None,
    ) -> Member:
        self._numbers += 1
        return Member(self._numbers - 1, agent, kind, steps, dict(scores or {}), record)

    # -- whom it draws ----------------------------------------------------------------------------

    def weights(self, role: str) -> NDArray[np.float64]:
        """How hard the members are for a learner of some role: from `LEAST` to 1.

        In a straight line from the highest of the mean returns against them to the lowest. Who was
        not met yet counts as hardest.
        """
        scores = [member.scores.get(role, Score()) for member in self.members]
        means = np.array([score.mean for score in scores])
        met = np.array([score.episodes > 0 for score in scores])
        weights = np.ones(len(scores))
        if met.any() and (width := np.ptp(means[met])) > 0.0:
            weights[met] = LEAST + (1.0 - LEAST) * (means[met].max() - means[met]) / width
        return weights

    def draw(self, role: str, count: int) -> Sequence[Player]:
        """See `sides.Cast`: the newest in a part of the episodes, else as hard as they are."""
        weights = self.weights(role)
        chances = (1.0 - self._settings.newest) * weights / weights.sum()
        chances[-1] += self._settings.newest
        drawn = self._rng.choice(len(chances), size=count, p=chances / chances.sum())
        return [self.members[i] for i in drawn.tolist()]

    def note(self, role: str, who: int | str, value: float) -> None:
        """See `sides.Cast`; who has left the pool is forgotten."""
        if isinstance(who, str):
            known = self._scripted[role]
            known[who] = known.get(who, Score()).with_one(value)
            return
        for member in self.members:
            if member.number == who:
                member.scores[role] = member.scores.get(role, Score()).with_one(value)

    def numbers(self) -> dict[str, float]:
        """The learner's mean returns for the training's logs, by role and opponent."""
        found: dict[str, float] = {"self_play/pool": float(len(self.members))}
        for role in self._roles:
            for name, score in self._scripted[role].items():
                found[f"self_play/{role}_against_{name}"] = score.mean
            met = [m.scores[role].mean for m in self.members if role in m.scores]
            if met:
                found[f"self_play/{role}_against_pool"] = sum(met) / len(met)
        return found

    # -- saving -----------------------------------------------------------------------------------

    def save(self, checkpoint: Path) -> None:
        """Writes the pool into a checkpoint: a saved agent for each past self, and their scores.

        Args:
            checkpoint: where the learner itself is saved already.
        """
        record, folder = read_record(checkpoint), checkpoint / POOL
        folder.mkdir()
        members = []
        for place, member in enumerate(self.members):
            saved = _Member(kind=member.kind, steps=member.steps, scores=member.scores)
            members.append(saved)
            if saved.kind != "random":
                inner = folder / _name(saved, place)
                inner.mkdir()
                trained = record.training and record.training.model_copy(
                    update={"steps": member.steps, "mean_return": None, "success": None}
                )
                own = record.model_copy(update={"training": trained})
                write_agent(member.agent, inner, member.record or own)
        written = _Record(members=members, scripted=self._scripted)
        text = written.model_dump_json(indent=2) + "\n"
        (folder / RECORD).write_text(text, encoding="utf-8")

    def load(self, checkpoint: Path) -> None:
        """Reads the pool of a checkpoint.

        Raises:
            SavedFileError: there is none, or it is damaged.
        """
        path = checkpoint / POOL / RECORD
        record = read_model(path, _Record)
        steps = [member.steps for member in record.members if member.kind == "past"]
        if steps != sorted(set(steps)):
            raise SavedFileError(f"{path}: the past selves are not in their order")
        self.members = []
        for place, each in enumerate(record.members):
            folder = checkpoint / POOL / _name(each, place)
            if each.kind == "rival":
                agent, known = load_agent(folder)
                member = self._rival(agent, known, f"{folder}", each.scores)
            else:
                agent = self._random() if each.kind == "random" else self._twin(folder)
                member = self._member(agent, each.kind, each.steps, each.scores)
            self.members.append(member)
        for role in self._roles:
            self._scripted[role] = dict(record.scripted.get(role, {}))


def _name(member: _Member, place: int) -> str:
    """The folder of a member within that of the pool."""
    return f"rival-{place}" if member.kind == "rival" else f"{member.steps:012d}"


def play_itself(
    job: Job, learner: Learner, checkpoint: Path | None, make_rows: Callable[[Job], Rows]
) -> tuple[Rows, Pool]:
    """Sets a learner against a pool of its past selves.

    Args:
        job: the training's settings, with those of self-play.
        learner: as it was made, or at the checkpoint.
        checkpoint: where it goes on from; None at the beginning.
        make_rows: makes the worlds of a job.

    Returns:
        The rows of its own side, and the pool.

    Raises:
        ArgumentError: it cannot play against itself there; says why.
        SavedFileError: the checkpoint's pool is missing or damaged.
    """
    assert job.self_play is not None
    seats = take_seats(
        job.scenario,
        job.arguments,
        learner,
        worlds=job.worlds,
        drive=job.observers,
        scripted=job.self_play.scripted,
    )
    at = 0 if checkpoint is None else int(checkpoint.name)
    pool = Pool(job.self_play, learner, seats.roles, spread("pool", job.seed, at))
    if checkpoint is not None:
        pool.load(checkpoint)
    else:
        if job.begin is not None:
            pool.begin_from_learner()
        pool.add_rivals(job.scenario, job.arguments)
    everyone = job.model_copy(update={"observers": seats.others.shape[1]})
    rows = SideRows(make_rows(everyone), seats, pool, spread("players", job.seed, at))
    return cast("Rows", rows), pool
