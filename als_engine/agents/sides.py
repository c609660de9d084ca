"""Rows of one side: a learner drives some avatars of each world, and other agents drive the rest.

All avatars of the worlds are rows of `Rows`. `SideRows` wraps them: the learner sees the avatars of
its own side alone, and never learns from what the others do. In some worlds scripted behaviours of
the scenario drive them, in the others agents that a `Cast` draws for each episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.agents.agent import Agent, acting
from als_engine.agents.masks import with_masks
from als_engine.bodies.codec import as_array
from als_engine.checks import one_of
from als_engine.envs.batch import Arrays
from als_engine.envs.recent import Recent
from als_engine.envs.rows import Rows, RowsWrapper
from als_engine.errors import ActionError, ArgumentError
from als_engine.seeding import spread
from als_engine.simulation import simulate
from als_engine.system.notices import warn_once
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from als_engine.plugins.specs import ScenarioSpec
    from als_engine.simulation import Simulation

__all__ = ["Cast", "Player", "Seats", "SideRows", "take_seats"]

SCRIPTED: Final = -1
"""Who plays where behaviours of the scenario do; players are counted from 0."""

S = TypeVar("S", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Player:
    """An agent that drives others than the learner.

    Attributes:
        number: tells it from all others of a training.
        agent: how it acts: as everywhere, by its own `act` and the rule of `acting`.
    """

    number: int
    agent: Agent


class Cast(Protocol):
    """Who there is to play with."""

    def draw(self, role: str, count: int) -> Sequence[Player]:
        """Draws who plays with a learner of that role in so many episodes that begin."""

    def note(self, role: str, who: int | str, value: float) -> None:
        """Called with the learner's return in an episode that has ended.

        Args:
            role: of the learner.
            who: the player's number, or the name of a scripted behaviour.
            value: its return, the mean over the avatars that it drove.
        """


@dataclass(frozen=True, eq=False)
class Seats:
    """Who sits where in every world.

    Attributes:
        roles: those that the learner plays.
        side: (worlds,), which of them.
        own: (worlds, driven), the avatars that the learner drives.
        others: (worlds, avatars) bool, all that it does not drive.
        scripted: (worlds,) bool, whether behaviours of the scenario drive these.
    """

    roles: tuple[str, ...]
    side: IntArray
    own: NDArray[np.intp]
    others: BoolArray
    scripted: BoolArray


def take_seats(
    scenario: str | ScenarioSpec,
    arguments: Mapping[str, Any],
    learner: Agent,
    *,
    worlds: int,
    drive: int = 1,
    scripted: float = 0.0,
    roles: Sequence[str] | None = None,
) -> Seats:
    """Shares out the avatars of all worlds, role after role, and checks that it can be done.

    Args:
        scenario: its id, or a spec.
        arguments: of the scenario.
        learner: who learns.
        worlds: how many.
        drive: avatars of its role that the learner drives in each world, the first ones.
        scripted: the part of the worlds in which behaviours drive the others.
        roles: that it plays; by default all that there are, in as many worlds each.

    Raises:
        ArgumentError: there is nobody else, the others cannot be driven by such an agent, or there
            are too few avatars of a role or too few worlds.
    """
    one = simulate(scenario, 1, None, **arguments)
    one.close()
    _check(one, learner)
    there = tuple(dict.fromkeys(one.roles))
    played = there if roles is None else tuple(one_of("role", role, there) for role in roles)
    if worlds < len(played):
        raise ArgumentError(f"one world for each role is needed, {len(played)}; got {worlds}")
    if len(played) > 1 and not {"role", "text"} & set(one.observation_space.spaces):
        warn_once(
            (one.scenario, "role"),
            f"{one.scenario}: who plays {' and '.join(played)} in turn does not see which it is: "
            "add role to the sensors",
        )
    avatars = {role: np.flatnonzero([role == each for each in one.roles]) for role in played}
    for role, members in avatars.items():
        if not drive <= len(members):
            raise ArgumentError(
                f"a learner cannot drive {drive} avatars of the role {role}: {one.scenario} has "
                f"{len(members)}"
            )
    side = np.arange(worlds, dtype=np.int32) % len(played)
    own = np.stack([avatars[played[i]][:drive] for i in side.tolist()])
    others = np.ones((worlds, one.num_avatars), np.bool_)
    others[np.arange(worlds)[:, None], own] = False
    # Spread over the worlds, so that every worker gets its part of them.
    turn = np.arange(worlds) // len(played)
    with_script = np.floor((turn + 1) * scripted) > np.floor(turn * scripted)
    return Seats(played, side, own, others, with_script)


def _check(one: Simulation, learner: Agent) -> None:
    """Refuses a scenario whose other avatars an agent like the learner cannot drive."""
    if one.num_avatars < 2:
        raise ArgumentError(
            f"{one.scenario} with these arguments has one avatar, and nobody to play against: "
            "give num_avatars, if it takes more"
        )
    for what, has, there in (
        ("observations", learner.observation_space, one.observation_space),
        ("actions", learner.action_space, one.action_space),
    ):
        if has != there:
            raise ArgumentError(
                f"{one.scenario}: its other avatars have other {what} than the learner, which "
                "therefore cannot play against itself"
            )


class SideRows(RowsWrapper):
    """The rows of the learner's side; see the module.

    Row `world * observers + i` is the i-th avatar that the learner drives in a world. `recent`
    counts the worlds in which it plays the first of its roles: success means that side's success.

    Attributes:
        seats: who sits where.
        observers: avatars that the learner drives in each world. num_rows: in all worlds.
        recent: of the learner, not of the others.
    """

    def __init__(self, rows: Rows, seats: Seats, cast: Cast, seed: int) -> None:
        """Takes worlds whose avatars are all rows.

        Args:
            rows: the worlds; they belong to this view from now on.
            seats: who sits where in them.
            cast: who drives the others where no behaviour does.
            seed: of whatever the players draw.
        """
        super().__init__(rows)
        self.seats, self._cast, self._seed = seats, cast, seed
        count, self.observers = seats.own.shape
        self.num_rows = count * self.observers
        self.recent = Recent(count)
        first = np.arange(count) * rows.observers
        self._own = (first[:, None] + seats.own).reshape(-1)
        played = seats.others & ~seats.scripted[:, None]
        self._others = np.flatnonzero(played)
        self._world_of = self._others // rows.observers
        self._first: BoolArray = seats.side == 0
        self._only: BoolArray | None = None
        self._returns: FloatArray = np.zeros(count)
        # Who plays in each world now, by number.
        self._who: NDArray[np.int64] = np.full(count, SCRIPTED)
        self._behaviours: list[tuple[str, ...]] = [()] * count
        self._players: dict[int, Player] = {}
        self._states: dict[int, Any] = {}
        self._rng = np.random.default_rng(seed)
        simulation = rows.worlds.simulation
        nothing = simulation.acting.resting()
        self._actions: NDArray[Any] = np.broadcast_to(
            nothing, (rows.num_rows, *nothing.shape)
        ).copy()
        if seats.scripted.any():
            rows.give_to_company(seats.others & seats.scripted[:, None])

    # -- resets and steps -------------------------------------------------------------------------

    def reset(self, levels: Sequence[int | None] | None = None) -> Arrays:
        """Starts an episode in every world, and draws who plays in it; see `Rows.reset`."""
        self.inner.reset(levels)
        self.recent.reset()
        self._returns[:] = 0.0
        self._begin(np.ones(self.num_worlds, np.bool_))
        return self.observations

    def step(self, actions: ArrayLike) -> Arrays:
        """Lets the others act, and advances every world by one step.

        Args:
            actions: (rows, ...), of the learner's side.

        Returns:
            `observations`.

        Raises:
            ActionError: an action is not in the action space; no world has changed.
            ResetNeededError: the last step or reset broke off in the middle.
        """
        self.inner.check_whole()
        given = as_array(actions)
        if given.shape != (shape := (self.num_rows, *self._actions.shape[1:])):
            raise ActionError(f"actions have shape {given.shape}, expected {shape}")
        self._let_others_act()
        together = self._actions.astype(np.result_type(self._actions, given), copy=True)
        together[self._own] = given
        self.inner.step(together)
        try:
            self._count()
        except BaseException:
            self.inner.spoil()
            raise
        return self.observations

    def _let_others_act(self) -> None:
        """Asks each player once, for all its rows together."""
        seen = {key: array[self._others] for key, array in self.inner.observations.items()}
        who = self._who[self._world_of]
        for number, player in self._players.items():
            agent = player.agent
            sensed = {key: seen[key] for key in agent.observation_space.spaces}
            full = with_masks(agent, sensed, lambda: self.inner.action_masks()[self._others])
            best = acting(agent) == "best"
            actions, self._states[number] = agent.act(full, self._states[number], best)
            mine = who == number
            self._actions[self._others[mine]] = actions[mine]

    def _count(self) -> None:
        self._returns += self.rewards.reshape(self.num_worlds, -1).mean(axis=1)
        ended = self.inner.ended_worlds
        success = self.inner.worlds.final_metrics["success"]
        counting = self._first if self._only is None else self._first & self._only
        self.recent.step(ended, self._returns, success, counting)
        if not ended.any():
            return
        for world in np.flatnonzero(ended).tolist():
            role, value = self.seats.roles[self.seats.side[world]], float(self._returns[world])
            number = int(self._who[world])
            for who in self._behaviours[world] if number == SCRIPTED else (number,):
                self._cast.note(role, who, value)
        self._returns[ended] = 0.0
        self._begin(ended)

    def _begin(self, worlds: BoolArray) -> None:
        """Draws who plays in the episodes that begin in some worlds."""
        seats = self.seats
        for i, role in enumerate(seats.roles):
            these = np.flatnonzero(worlds & ~seats.scripted & (seats.side == i)).tolist()
            for world, player in zip(these, self._cast.draw(role, len(these)), strict=True):
                self._who[world] = player.number
                if player.number not in self._players:
                    self._enter(player)
        self._name_behaviours(np.flatnonzero(worlds & seats.scripted).tolist())
        # Drawn for all rows, so that who ends when makes no difference to the others.
        seeds = self._rng.integers(1 << 40, size=len(self._others))
        begun, who = worlds[self._world_of], self._who[self._world_of]
        for number in [*self._players]:
            mine = who == number
            if not mine.any():
                del self._players[number], self._states[number]
            elif (rows := begun & mine).any():
                agent, state = self._players[number].agent, self._states[number]
                self._states[number] = agent.restart(state, rows, seeds[rows].tolist())

    def _enter(self, player: Player) -> None:
        self._players[player.number], self._states[player.number] = player, None
        player.agent.seed(spread("player", self._seed, player.number))
        player.agent.attach(_OfOthers(self))

    def _name_behaviours(self, worlds: list[int]) -> None:
        """Notes which behaviours drive the others: the level alone says so."""
        company, levels = self.inner.worlds.simulation.company, self.inner.worlds.metrics["level"]
        names = [*company.behaviours]
        for world in worlds:
            drawn = company.draw(int(levels[world]), self.seats.others[world])
            found = dict.fromkeys(names[i] for i in drawn.tolist() if i != NOTHING)
            self._behaviours[world] = tuple(found)

    def others_expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """What the scenario's expert, or a heuristic, would do in the rows of the others."""
        return self.inner.expert_actions(rule)[self._others]

    def count_only(self, worlds: BoolArray | None) -> None:
        """See `Rows.count_only`; worlds of other roles than the first do not count anyway."""
        self._only = worlds

    def _mine(self, array: NDArray[S]) -> NDArray[S]:
        found: NDArray[S] = array[self._own]
        return found

    # -- what there is now, in the learner's rows -------------------------------------------------

    @property
    def observations(self) -> Arrays:
        """Key to (rows, ...)."""
        return {key: self._mine(array) for key, array in self.inner.observations.items()}

    @property
    def final_observations(self) -> Arrays:
        """Key to (rows, ...): the last ones of the episodes that the last step has ended."""
        return {key: self._mine(array) for key, array in self.inner.final_observations.items()}

    @property
    def rewards(self) -> FloatArray:
        """(rows,)."""
        return self._mine(self.inner.rewards)

    @property
    def terms(self) -> FloatArray:
        """(rows, terms): what the rewards of the last step are the sum of."""
        return self._mine(self.inner.terms)

    @property
    def ended(self) -> BoolArray:
        """(rows,): whether the last step ended the episode."""
        return self._mine(self.inner.ended)

    @property
    def terminated(self) -> BoolArray:
        """(rows,): whether nothing follows; an episode whose time is up would go on."""
        return self._mine(self.inner.terminated)

    @property
    def final_returns(self) -> FloatArray:
        """(worlds, observers): sums over the episodes that the last step has ended."""
        return np.take_along_axis(self.inner.final_returns, self.seats.own, axis=1)

    @property
    def final_term_returns(self) -> FloatArray:
        """(worlds, observers, terms): likewise, of each term of the reward."""
        own = self.seats.own[..., None]
        return np.take_along_axis(self.inner.final_term_returns, own, axis=1)

    @property
    def roles(self) -> dict[str, IntArray]:
        """The rows of each role that the learner plays, by its name."""
        sides = np.repeat(self.seats.side, self.observers)
        named = enumerate(self.seats.roles)
        return {role: np.flatnonzero(sides == i).astype(np.int32) for i, role in named}

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """What the scenario's expert, or the heuristic `rule`, would do now, (rows, ...)."""
        return self._mine(self.inner.expert_actions(rule))

    def action_masks(self) -> BoolArray:
        """Which actions are possible now, (rows, n)."""
        return self._mine(self.inner.action_masks())


class _OfOthers:
    """The worlds as an expert among the players is asked: an action for each of its rows."""

    def __init__(self, rows: SideRows) -> None:
        self._rows = rows

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        return self._rows.others_expert_actions(rule)
