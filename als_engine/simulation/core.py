"""The one object that every view holds: N worlds of a task, and the only `step` there is.

When a world's episode ends is decided here; when it is reset is decided by the view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.bodies import interaction
from als_engine.bodies.repertoire import with_arrays
from als_engine.checks import at_least_one, check_seed, chosen_rows, whole_number
from als_engine.errors import ArgumentError, ResetNeededError, SnapshotError
from als_engine.plugins.registry import registry
from als_engine.simulation.acting import Acting
from als_engine.simulation.arguments import Arguments
from als_engine.simulation.company import Company
from als_engine.simulation.levels import Levels, check_level
from als_engine.simulation.moving import Moving
from als_engine.simulation.observing import Observing
from als_engine.simulation.scoring import Scoring
from als_engine.simulation.snapshots import Snapshots
from als_engine.system.compiling import announce
from als_engine.system.ownership import DeepCopied, refuse_copy
from als_engine.system.watched import place_to_look
from als_engine.task import Act, Task, check_roles, vocabulary_of
from als_engine.world.body import effectors_of
from als_engine.world.layout import Layout
from als_engine.world.snapshot import Snapshot
from als_engine.world.speech import joined
from als_engine.world.state import WorldState

__all__ = ["Simulation"]


class Simulation(DeepCopied):
    """N worlds of a task with A avatars each; the first F avatars are the caller's, and observe.

    It may be copied and pickled before its first reset: a copy is made of the same arguments.

    Attributes:
        scenario: the id, also the root of every level's seed.
        task: what the worlds are about.
        state: the worlds as arrays.
        levels, company, acting, moving, scoring, observing, snapshots: the parts of a step, and of
            what comes before and after.
        codec: checks actions and turns them into commands.
        action_names: what each discrete action, or each axis or part of another, does.
        action_choices: part of an action to what each of its choices does.
        action_space, observation_space: of one avatar.
        rewards: (worlds, avatars). terminated, truncated: (worlds,) bool, of the last step.
        terms: (worlds, avatars, terms), what `rewards` is the sum of, named by `reward_names`.
        returns: (worlds, avatars), the sum of rewards since the episode began.
        ready: (worlds,) bool, which worlds may be stepped.
        physics: the engine that moves the bodies, by name.
        roles: one name per avatar.
        agents: one unique name per avatar, role and number: `chaser_0`.
    """

    def __init__(self, task: Task, **arguments: Any) -> None:
        """Allocates everything; the first `reset` builds the worlds.

        Args:
            task: the task, made with its own arguments.
            **arguments: the fields of `Arguments`; `scenario` has to be among them.

        Raises:
            ArgumentError: an argument is not allowed; the message says what is.
        """
        announce()
        self.arguments = given = Arguments(**arguments)
        self.scenario, self.task, self.num_avatars = given.scenario, task, task.num_avatars
        self.num_worlds = at_least_one("num_worlds", given.num_worlds)
        self.observers = self.num_avatars
        if given.observers is not None:
            self.observers = whole_number("observers", given.observers, 1, self.num_avatars)
        roles = check_roles(self.scenario, task)
        bodies = [role.body for role in roles]
        self.roles = tuple(role.name for role in roles)
        self.agents = _number(self.roles)
        self.levels = Levels(task, given)
        self.company = Company(task, given, self.roles, self.observers, self.levels)
        self.state = WorldState(
            self.num_worlds,
            bodies,
            self.levels.example(),
            with_arrays(task.quantities(), effectors_of(bodies), self.num_avatars),
            joined(vocabulary_of(task, role) for role in roles),
            max_episode_steps=at_least_one("max_episode_steps", given.max_episode_steps),
            first_world=given.first_world,
        )
        self.acting = Acting(task, given, self.state, self.agents, self.observers)
        self.moving = Moving(given.physics, self.state)
        self.scoring = Scoring(task, self.scenario, self.state)
        self.observing = Observing(task, given, self.state, self.observers)
        self.snapshots = Snapshots(
            given, task, self.state,
            self.levels, self.company, self.acting, self.moving, self.scoring, self.observing,
        )  # fmt: skip
        # Worlds that belong to no run cannot be watched, and nobody is asked.
        self._onlookers = registry.watch(self) if place_to_look() is not None else []
        self._show()

    def _show(self) -> None:
        """Names what the parts hold, for whoever uses the simulation; arrays are the parts' own."""
        self.split, self.level = self.levels.split, self.levels.fixed
        self.codec, self.commands = self.acting.codec, self.acting.commands
        self.action_mode, self.action_names = self.codec.mode, self.codec.names
        self.action_space, self.action_choices = self.codec.space, self.codec.choices
        self.observation_space = self.observing.space
        self.physics, self.ready = self.moving.name, self.moving.ready
        scoring = self.scoring
        self.rewards, self.returns, self.terms = scoring.rewards, scoring.returns, scoring.terms
        self.reward_names, self.has_terms = scoring.reward_names, scoring.has_terms
        self.terminated, self.truncated = scoring.terminated, scoring.truncated

    # -- resets ---------------------------------------------------------------------------------

    def reset(
        self,
        seeds: Sequence[int | None] | None = None,
        worlds: ArrayLike | None = None,
        level: int | None = None,
    ) -> None:
        """Starts a new episode in some worlds; call `observe` to see them.

        Args:
            seeds: one per reset world; None goes on with the world's own generator.
            worlds: indices or a mask; None for all.
            level: the level to lay out, this once; None draws one.
        """
        self.check_open()
        level = self.level if level is None else check_level(level)
        which = np.arange(self.num_worlds) if worlds is None else self.state.which(worlds)
        chosen = [None] * len(which) if seeds is None else [*map(check_seed, seeds)]
        if len(chosen) != len(which):
            raise ArgumentError(f"{len(chosen)} seeds for {len(which)} worlds")
        self.moving.open()
        # Until all is well: a layout that cannot be built leaves half a world behind.
        self.ready[which] = False
        for world, seed in zip(which.tolist(), chosen, strict=True):
            self._reset_world(world, seed, level)
        self.scoring.begin(which)
        self.scoring.watch.begin()
        self.task.after_reset(self.state, which)
        self.scoring.watch.check("after_reset")
        self.acting.begin(which)
        self.company.find_drivers(self.state)
        self.ready[which] = True

    def _reset_world(self, world: int, seed: int | None, level: int | None) -> None:
        drawn, key = self.levels.draw(world, seed)
        level = drawn if level is None else level
        layout = self.levels.lay_out(level)
        with self.levels.naming(level):
            self.state.load(world, layout, level, key)
        self.state.behaviour[world] = self.company.draw(level, self.company.avatars[world])
        self.moving.open().build(world, self.state)

    def lay_out(self, level: int) -> Layout:
        """A level's content: a function of scenario, the task's arguments, level and `level_key`.

        Raises:
            LayoutError: the task cannot lay it out; names scenario and level.
        """
        return self.levels.lay_out(level)

    @property
    def level_key(self) -> int | None:
        """None for the levels that everybody knows, or a number of any size.

        Under a key every level is another one of the same split: whoever does not know the key
        cannot look it up. No argument sets it; the board does, where it runs strangers' agents.
        """
        return self.levels.key

    @level_key.setter
    def level_key(self, key: int | None) -> None:
        self.levels.key = key

    # -- stepping -------------------------------------------------------------------------------

    def step(self, actions: ArrayLike) -> None:
        """Advances every world by one step and observes it.

        Args:
            actions: (worlds, observers, ...) as `action_space` has it.

        Raises:
            ActionError: an action is not in the action space.
            ResetNeededError: a world has not been reset, or the simulation is closed.
            PhysicsError: a world's physics is broken.
        """
        self.advance(actions)
        self.observe()

    def advance(self, actions: ArrayLike) -> None:
        """`step` without the observations, for a view that resets some worlds before it looks.

        After an exception in the middle, be it a task's or Ctrl-C, the next step needs a reset:
        half a step is never gone on from.
        """
        state, acting, drivers = self.state, self.acting, self.company.now()
        self.moving.check_ready()
        # First of all: a wrong action changes nothing.
        acting.decode(actions, bool(drivers), self.company.taken)
        self.ready[:] = False
        self.scoring.note_who_acts()
        if drivers:
            self.scoring.watch.begin()
            acting.ask(drivers)
            self.scoring.watch.check("behaviours")
        broken = self.moving.move(acting.drive())
        interaction.resolve(state, acting.commands)
        acting.work()
        state.step += 1
        self.scoring.watch.begin()
        self.task.after_step(state)
        self.scoring.watch.check("after_step")
        self.scoring.score(must_be_finite=broken is None)
        self.ready[:] = True
        if broken is not None:
            self.ready[np.array(broken.worlds) - state.first_world] = False
            raise broken
        for onlooker in self._onlookers:
            onlooker.look()

    def give_to_company(self, observers: ArrayLike) -> None:
        """Lets scripted behaviours drive some of the caller's avatars from their next reset on.

        Whatever the caller does with such an avatar counts for nothing.

        Args:
            observers: (worlds, observers) bool; False gives an avatar back.

        Raises:
            ArgumentError: it has another shape.
        """
        given, shape = np.asarray(observers), (self.num_worlds, self.observers)
        if given.shape != shape or given.dtype != np.bool_:
            raise ArgumentError(
                f"company takes a bool array {shape}, got {given.dtype} {given.shape}"
            )
        self.company.take(given)

    def seat(self, guest: Act | None, avatars: ArrayLike) -> None:
        """Lets a guest, such as a person, drive avatars from the next step on: `Company.seat`."""
        self.company.seat(guest, avatars)

    def spoil(self) -> None:
        """Lets no world be stepped before its reset: what the caller did with them broke off."""
        self.ready[:] = False

    def set_time_limit(self, max_episode_steps: int) -> None:
        """Changes the time limit from the next step on."""
        self.state.max_episode_steps = at_least_one("max_episode_steps", max_episode_steps)

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """Returns the expert's actions, (worlds, observers, ...) as `action_space` has it.

        Args:
            rule: the heuristic to ask in the expert's place; empty for the task's first.

        Raises:
            NoExpertError: the task has none.
        """
        return self.acting.expert_actions(rule)

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are possible now, (worlds, observers, n); see `Codec.masks`.

        A full hand cannot pick up, an empty one cannot put down, and the task may say more.

        Raises:
            NoMasksError: continuous actions have none.
        """
        return self.acting.masks()

    def metrics(self) -> dict[str, NDArray[Any]]:
        """The metrics in `info`: (worlds,) arrays, `success` and `level` first.

        Numbers are bool, int64 or float64, whatever the task's own arrays are, so that every view
        gives the same type.
        """
        return self.scoring.metrics()

    # -- looking --------------------------------------------------------------------------------

    def observe(self, worlds: ArrayLike | None = None) -> None:
        """Lets every sensor write `observations` anew.

        Args:
            worlds: the only ones, a mask or indices, that have changed since; None for all.
        """
        self.observing.read(None if worlds is None else self.state.which(worlds))

    @property
    def observations(self) -> dict[str, NDArray[Any]]:
        """Key to (worlds, observers, ...), overwritten by every `step` and `observe`."""
        return self.observing.observations

    @property
    def truncated_instructions(self) -> int:
        """How many instructions were cut off in the `text` observation, see `Task.text_tokens`."""
        return self.observing.truncated_instructions

    def use(self, observations: Mapping[str, NDArray[Any]]) -> None:
        """Lets the sensors write into these arrays from now on: shared memory, for instance."""
        self.observing.observations = dict(observations)

    @property
    def flat_layout(self) -> dict[str, slice]:
        """Where each observation lies in the vector that `flatten=True` gives; empty without it.

        Keys come in alphabetical order, the numbers of each in C order, unchanged but for their
        type.
        """
        return self.observing.flat_layout

    @property
    def state_space(self) -> gymnasium.spaces.Box:
        """The space of one world's state vector."""
        return deepcopy(self.observing.state_vector.space)

    @property
    def state_layout(self) -> dict[str, slice]:
        """Where each part lies in a state vector, by name: `avatars.position`, `task.score`, ..."""
        return dict(self.observing.state_vector.slices)

    def state_vector(self) -> NDArray[np.float32]:
        """The worlds as they are now, (worlds, numbers), for critics that see it all.

        Positions are metres in the world's frame, velocities metres per second, headings a cosine
        and a sine, what is held or said one-hot, and `task.` the task's own quantities. Walls and
        words are not in it.
        """
        self.check_open()
        if not self.ready.all():
            raise ResetNeededError("call reset() before state()")
        return self.observing.state_vector.read(self.state)

    def render(self, world: int = 0) -> NDArray[np.uint8]:
        """A third-person picture of one world, (480, 640, 3)."""
        from als_engine.sensors.camera import third_person

        self.check_open()
        if not self.ready[world]:
            raise ResetNeededError("call reset() before render()")
        return third_person(self.state, world)

    # -- snapshots ------------------------------------------------------------------------------

    def snapshot(self, worlds: ArrayLike | None = None) -> Snapshot:
        """The moment of some worlds, to be restored here, in a fork or in another process.

        Args:
            worlds: indices or a mask; None for all.

        Raises:
            ResetNeededError: a world is not reset, or its last step broke off in the middle.
            PhysicsError: the physics cannot keep the moment; the message says why.
        """
        return self.snapshots.take(chosen_rows(worlds, self.num_worlds))

    def restore(self, snapshot: Snapshot, worlds: ArrayLike | None = None) -> None:
        """Puts worlds back to a moment: from there on the same actions give the same bits.

        Call `observe` to see them. With Bullet it takes about as long as the steps since the reset.

        Args:
            snapshot: of worlds of the same scenario and arguments, as many as are restored.
            worlds: indices or a mask; None for all.

        Raises:
            SnapshotError: the snapshot does not fit; nothing has changed.
            PhysicsError: the snapshot is damaged; nothing has changed.
        """
        self.check_open()
        self.snapshots.restore(snapshot, chosen_rows(worlds, self.num_worlds))

    def fork(self, num_worlds: int, world: int = 0) -> Simulation:
        """A simulation of its own of so many worlds, each at the moment of one world of this.

        Raises:
            ResetNeededError: that world is not reset, or its last step broke off in the middle.
        """
        count = at_least_one("num_worlds", num_worlds)
        moment = self.snapshots.take(self.state.which(world))
        if moment.num_worlds != 1:
            raise SnapshotError(f"one world is to be forked, got {moment.num_worlds}")
        # A task of its own; what the old one keeps of these worlds is left behind.
        task = deepcopy(self.task, {id(self.state): None})
        given = replace(self._given(), num_worlds=count, first_world=0)
        twin = _remake(type(self), task, given, self.level_key, closed=False)
        try:
            twin.restore(moment.select([0] * count))
        except BaseException:
            twin.close()
            raise
        return twin

    # -- the end --------------------------------------------------------------------------------

    def close(self) -> None:
        """Frees the physics; calling it twice is fine."""
        for onlooker in self._onlookers:
            onlooker.close()
        self.moving.close()

    def check_open(self) -> None:
        """Refuses to go on with what is closed, or belongs to another process.

        Raises:
            ResetNeededError: it is closed.
            CopyError: this process was forked from the one that reset it.
        """
        self.moving.check_open()

    def _given(self) -> Arguments:
        return replace(self.arguments, max_episode_steps=self.state.max_episode_steps)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.moving.physics is not None:
            refuse_copy("an environment that has been reset")
        if self.company.hired:
            refuse_copy("an environment in which an agent keeps company")
        return _remake, (type(self), self.task, self._given(), self.level_key, self.moving.closed)


def _remake(
    kind: type[Simulation], task: Task, given: Arguments, level_key: int | None, closed: bool
) -> Simulation:
    """What a copied, forked or pickled simulation comes back as."""
    simulation = kind(task, **vars(given))
    simulation.level_key = level_key
    if closed:
        simulation.close()
    return simulation


def _number(roles: Sequence[str]) -> tuple[str, ...]:
    """Unique agent names: each role with the avatar's number within it."""
    return tuple(f"{role}_{roles[:i].count(role)}" for i, role in enumerate(roles))
