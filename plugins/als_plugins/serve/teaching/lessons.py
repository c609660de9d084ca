"""What is learnt from: the steps in which a person drove an agent's avatar, or found it good.

A lesson is a stretch of an episode: what the agent's sensors said in the states that were reached,
and the actions that a person took there (corrections, as in DAgger: Ross et al. 2011) or praised.
It is kept as an episode of a dataset, like those of `als collect`. What nobody says anything
about is forgotten with the episode after the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.saving import NOT_SAVED, versions
from als_engine.limits import check_memory
from als_engine.task import split_of
from als_plugins.adaptation.channel import DELAY
from als_plugins.experience.adding import Adding
from als_plugins.experience.episodes import Episode
from als_plugins.experience.labels import Labels
from als_plugins.experience.records import (
    PeopleRecord,
    SourceRecord,
    describe_actions,
    describe_sensors,
    source_id,
)
from als_plugins.serve.teaching.agreement import agreement

if TYPE_CHECKING:
    from als_engine.simulation import Simulation

__all__ = ["Clip", "Lessons", "Tally"]

PERSON, PRAISED = "person", "praised"
"""The policies of the two sources: what persons did, and what the agent did that they liked."""

RECENT: Final = 400
"""Corrected steps over which the agent's agreement is averaged."""


class Clip(NamedTuple):
    """Some steps of an avatar: from `first` to `last`, both included, of an episode."""

    episode: int
    first: int
    last: int


class _Moment(NamedTuple):
    """A step of the observers: what they sensed, what the agent proposed, and what was done."""

    seen: Mapping[str, NDArray[Any]]
    known: Mapping[str, NDArray[Any]]
    done: NDArray[Any]
    rewards: NDArray[np.float64]
    driven: frozenset[int]


@dataclass
class _Past:
    """An episode as it was.

    Attributes:
        number, seed, level: which.
        moments: its steps.
    """

    number: int
    seed: int
    level: int
    moments: list[_Moment] = field(default_factory=list)


@dataclass
class Tally:
    """How much there is to learn from.

    Attributes:
        corrections, corrected: stretches that persons have shown, and their steps.
        praised: steps that were found good.
        agreement: of the agent with the last corrections, 0 to 1; None before there is any.
    """

    corrections: int
    corrected: int
    praised: int
    agreement: float | None


class Lessons:
    """Watches a stage, and keeps what persons teach."""

    def __init__(
        self, folder: Path, simulation: Simulation, arguments: Mapping[str, Any], purpose: str
    ) -> None:
        """Opens the dataset.

        Args:
            folder: of the dataset; new, empty, or one that was begun before.
            simulation: one world, whose observers the agent drives.
            arguments: of the scenario, sensors and action mode included.
            purpose: what persons are told that it is for.

        Raises:
            SavedFileError: the folder holds something else.
            ArgumentError: two whole episodes do not fit into memory.
        """
        self._simulation = simulation
        row = sum(array[0].nbytes for array in simulation.observations.values())
        check_memory("two episodes", 2 * row * simulation.state.max_episode_steps)
        self._labels = Labels(simulation.state, simulation.observers)
        spaces = simulation.observation_space, simulation.action_space
        people = PeopleRecord(purpose=purpose)
        self._shown, self._praised = (
            Adding(folder, _source(simulation, policy, arguments, people), spaces)
            for policy in (PERSON, PRAISED)
        )
        self._pasts: list[_Past] = []
        self._since: dict[int, tuple[str, int]] = {}  # Avatar to who drives it, and since when.
        self._agreed: list[float] = []

    def begin(self, episode: int, seed: int) -> None:
        """An episode has begun; the one before it can still be judged."""
        level = int(self._simulation.state.level[0])
        self._pasts = [*self._pasts[-1:], _Past(episode, seed, level)]

    def observe(self, teachers: Mapping[int, str]) -> dict[str, NDArray[Any]]:
        """What the observers sense before a step, copied, (observers, ...).

        Args:
            teachers: avatar to the pseudonym of the person who drives it now.
        """
        self._close(teachers)
        self._labels.read()
        return {key: array[0].copy() for key, array in self._simulation.observations.items()}

    def step(
        self,
        seen: Mapping[str, NDArray[Any]],
        proposed: NDArray[Any],
        done: NDArray[Any],
        teachers: Mapping[int, str],
        driven: frozenset[int],
    ) -> None:
        """Keeps a step that was made.

        Args:
            seen: what `observe` gave.
            proposed: the agent's actions, (observers, ...).
            done: with those of persons in place of the agent's.
            teachers: as for `observe`.
            driven: avatars that a person drives, whether that is kept or not.
        """
        past = self._pasts[-1]
        for avatar, person in teachers.items():
            self._since.setdefault(avatar, (person, len(past.moments)))
            space = self._simulation.action_space
            self._agreed.append(agreement(space, proposed[avatar], done[avatar]))
        del self._agreed[:-RECENT]
        known = {key: array[0].copy() for key, array in self._labels.values.items()}
        rewards = self._simulation.rewards[0].astype(np.float64)
        past.moments.append(_Moment(seen, known, done.copy(), rewards, driven))

    def end(self) -> None:
        """The episode is over."""
        if self._pasts:
            self._close({})

    def _close(self, teachers: Mapping[int, str]) -> None:
        """Keeps what persons have shown who have handed their avatar back."""
        past = self._pasts[-1]
        for avatar, (person, first) in [*self._since.items()]:
            if teachers.get(avatar) == person and not self._is_over:
                continue
            del self._since[avatar]
            self._keep(self._shown, past, avatar, first, len(past.moments), person)

    @property
    def _is_over(self) -> bool:
        return bool(self._simulation.terminated[0] or self._simulation.truncated[0])

    # -- what persons say ------------------------------------------------------------------------

    @property
    def clock(self) -> tuple[int, int]:
        """The episode, and how many steps of it there are."""
        past = self._pasts[-1]
        return past.number, len(past.moments)

    def praise(self, avatar: int, person: str) -> None:
        """Keeps the steps that somebody means who has just said "good"."""
        past, step = self._pasts[-1], self._simulation.state.time_step
        last = len(past.moments) - round(DELAY[0] / step)
        first = len(past.moments) - round(DELAY[1] / step)
        self._like(past, avatar, first, last + 1, person)

    def has(self, clip: Clip) -> bool:
        """Whether a clip can still be looked up."""
        past = self._past(clip.episode)
        return past is not None and clip.first <= clip.last < len(past.moments)

    def like(self, avatar: int, clip: Clip, person: str) -> None:
        """Keeps a clip that was preferred to another one."""
        past = self._past(clip.episode)
        if past is not None:
            self._like(past, avatar, clip.first, clip.last + 1, person)

    def _past(self, episode: int) -> _Past | None:
        return next((past for past in self._pasts if past.number == episode), None)

    def _like(self, past: _Past, avatar: int, first: int, end: int, person: str) -> None:
        """Keeps those steps of some that the agent itself made."""
        first, start = max(first, 0), None
        for i in range(first, min(end, len(past.moments))):
            own = avatar not in past.moments[i].driven
            if own and start is None:
                start = i
            if start is not None and not own:
                self._keep(self._praised, past, avatar, start, i, person)
                start = None
        if start is not None:
            self._keep(self._praised, past, avatar, start, min(end, len(past.moments)), person)

    def _keep(
        self, target: Adding, past: _Past, avatar: int, first: int, end: int, person: str
    ) -> None:
        """Keeps steps of an avatar as an episode, with the observation that followed."""
        if end <= first:
            return
        moments = past.moments[first:end]
        if end < len(past.moments):
            after = past.moments[end].seen, past.moments[end].known
        elif past is self._pasts[-1]:
            self._labels.read()
            now = self._simulation.observations.items(), self._labels.values.items()
            after = tuple({key: array[0].copy() for key, array in each} for each in now)  # type: ignore[assignment]
        else:  # The world is another one by now.
            after = moments[-1].seen, moments[-1].known
        rows = [(moment.seen, moment.known) for moment in moments] + [after]
        level = np.full(len(rows), past.level, np.int64)
        target.add(
            Episode(
                observations={k: np.stack([seen[k][avatar] for seen, _ in rows]) for k in after[0]},
                infos={k: np.stack([known[k][avatar] for _, known in rows]) for k in after[1]}
                | {"level": level},
                actions=np.stack([moment.done[avatar] for moment in moments]),
                rewards=np.array([moment.rewards[avatar] for moment in moments]),
                terminated=False,
                attributes={
                    "seed": past.seed, "level": past.level, "split": split_of(past.level),
                    "policy": target.record.policy, "avatar": avatar, "first": first,
                    "person": person,
                },
            )
        )  # fmt: skip

    # -- the dataset -----------------------------------------------------------------------------

    def join(self, persons: list[str]) -> None:
        """Puts all that has been kept into the dataset, for whoever reads it now."""
        self._shown.join(persons)
        self._praised.join(persons)

    def forget_agreement(self) -> None:
        """Another agent acts from now on."""
        self._agreed.clear()

    def tally(self) -> Tally:
        """How much there is."""
        agreed = self._agreed
        mean = float(np.mean(agreed)) if agreed else None
        shown, praised = self._shown, self._praised
        return Tally(shown.episodes, shown.steps, praised.steps, mean)

    def close(self, persons: list[str]) -> None:
        """Keeps what is open, and joins all of it."""
        self.end()
        self.join(persons)
        self._shown.close()
        self._praised.close()


def _source(
    simulation: Simulation, policy: str, arguments: Mapping[str, Any], people: PeopleRecord
) -> SourceRecord:
    own = {name: value for name, value in arguments.items() if name not in NOT_SAVED}
    own |= {
        "sensors": list(simulation.observation_space.spaces),
        "action_mode": simulation.action_mode,
    }
    identity: dict[str, Any] = {
        "arguments": own,
        "agent": None,
        "observers": simulation.observers,
        "split": simulation.split,
        "seed": 0,
    }
    # Whoever agreed to one purpose has not agreed to another: another source.
    named = {**identity, "purpose": people.purpose}
    return SourceRecord(
        id=source_id(simulation.scenario, policy, named),
        scenario=simulation.scenario,
        policy=policy,
        observations=describe_sensors(simulation.observation_space),
        actions=describe_actions(simulation.action_space),
        versions=versions(),
        people=people,
        **identity,
    )
