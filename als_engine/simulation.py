"""The simulation: N worlds of one task, advanced in lock-step by the only `step` there is.

Every view of an environment (single, vector, PettingZoo, SB3) holds one `Simulation` and reads its
buffers. When a world's episode ends is decided here; when it is reset is decided by the view.
"""

from __future__ import annotations

import inspect
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Final, NoReturn

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine import snapshots
from als_engine.answers import Answers
from als_engine.bodies import interaction
from als_engine.bodies.avatar import Codec, Commands, drive
from als_engine.checks import at_least_one, check_seed, one_of, whole_number
from als_engine.errors import (
    ArgumentError,
    LayoutError,
    NoExpertError,
    PhysicsError,
    ResetNeededError,
    unexpected,
)
from als_engine.limits import check_memory
from als_engine.physics.base import Physics
from als_engine.physics.engines import DEFAULT, check_physics, make_physics
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SPLITS, EpisodeRecord, ScenarioSpec
from als_engine.sensors import make_sensors
from als_engine.sensors.base import Setup
from als_engine.sensors.flat import FLAT, FlatObservations, StateVector
from als_engine.system.compiling import announce
from als_engine.system.ownership import DeepCopied, Owner, refuse_copy
from als_engine.task import LEVELS, Behaviour, Split, Task, add_terms, split_of
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray
from als_engine.world.layout import Layout
from als_engine.world.snapshot import Snapshot
from als_engine.world.state import WorldState, chosen_rows

MAX_FRAME: Final = 1024

_WORLD_BYTES: Final = 1 << 18
"""What a world takes beside its observations, about: its state, and the engine's."""

Background = str | Mapping[str, str] | None


class Simulation(DeepCopied, Owner):
    """N worlds of a task with A avatars each; the first F avatars are the caller's, and observe.

    It may be copied and pickled before its first reset: a copy is made of the same arguments.

    Attributes:
        scenario: the id, also the root of every level's seed.
        task: what the worlds are about.
        state: the worlds as arrays.
        codec: checks actions and turns them into commands.
        action_space, observation_space: of one avatar.
        observations: key to (worlds, observers, ...), overwritten by every `step` and `observe`.
        rewards: (worlds, avatars). terminated, truncated: (worlds,) bool, of the last step.
        terms: (worlds, avatars, terms), what `rewards` is the sum of, named by `reward_names`.
        returns: (worlds, avatars), the sum of rewards since the episode began.
        physics: the engine that moves the bodies, by name.
        roles: one name per avatar.
        agents: one unique name per avatar, role and number: `chaser_0`.
        level_key: None for the levels that everybody knows. Under a key, which is a number of any
            size, every level is another one of the same split: whoever does not know the key
            cannot look it up. No argument sets it; the board does, where it runs strangers' agents.
    """

    def __init__(
        self,
        task: Task,
        *,
        scenario: str,
        num_worlds: int = 1,
        observers: int | None = None,
        sensors: Sequence[str] | None = None,
        frame_size: int | tuple[int, int] = 64,
        flatten: bool = False,
        action_mode: str = "discrete",
        clip_actions: bool = False,
        split: str = "train",
        level: int | None = None,
        background: Background = None,
        max_episode_steps: int = 1_000,
        first_world: int = 0,
        physics: str = DEFAULT,
        task_arguments: Mapping[str, Any] | None = None,
    ) -> None:
        """Allocates everything; the first `reset` builds the worlds.

        Args:
            task: the task, made with its own arguments.
            scenario: id that seeds the levels.
            num_worlds: how many worlds.
            observers: how many avatars of each world the caller drives; None for all.
            sensors: observation keys; None for the task's default.
            frame_size: height and width of pictures, pixels; one number for square.
            flatten: one float32 vector in place of the named arrays; see `flat_layout`.
            action_mode: "discrete" or "continuous".
            clip_actions: continuous values beyond -1 and 1 count as -1 and 1, and are no error.
            split: "train", "validation" or "test": where levels are drawn from.
            level: always this level instead.
            background: the behaviour of avatars that the caller does not drive, by name, or a name
                for each role; None draws one for each episode from those of the level's split.
            max_episode_steps: the time limit.
            first_world: the number of world 0 in error messages, when this is a part of a batch.
            physics: the engine that moves the bodies, "bullet" or "mujoco".
            task_arguments: what the task was made with; a snapshot fits worlds of the same.

        Raises:
            ArgumentError: an argument is not allowed; the message says what is.
        """
        super().__init__()
        announce()
        self.scenario, self.task = scenario, task
        self.num_worlds = at_least_one("num_worlds", num_worlds)
        self.num_avatars = task.num_avatars
        max_episode_steps = at_least_one("max_episode_steps", max_episode_steps)
        self.observers = self.num_avatars
        if observers is not None:
            self.observers = whole_number("observers", observers, 1, self.num_avatars)
        self.split = one_of("split", split, SPLITS)
        self.level = _check_level(level)
        self.level_key: int | None = None
        self.given: Mapping[str, Any] = {
            "scenario": scenario, "num_worlds": num_worlds, "observers": observers,
            "sensors": sensors, "frame_size": frame_size, "flatten": flatten,
            "action_mode": action_mode, "clip_actions": clip_actions,
            "split": split, "level": level, "background": background, "first_world": first_world,
            "physics": physics, "task_arguments": dict(task_arguments or {}),
        }  # fmt: skip

        roles = task.roles()
        if len(roles) != self.num_avatars:
            raise ArgumentError(f"{scenario} has {len(roles)} roles for {self.num_avatars} avatars")
        self.roles = tuple(role.name for role in roles)
        self.agents = _number(self.roles)
        self.behaviours = dict(task.behaviours())
        self._background = self._check_background(background)

        clip = _is_flag("clip_actions", clip_actions)
        self.codec = Codec(action_mode, task.utterances, clip)
        self.action_mode, self.action_names = action_mode, self.codec.names
        self.action_space = self.codec.space
        self.commands = Commands(self.num_worlds, self.num_avatars)
        self._expert_commands = Commands(self.num_worlds, self.num_avatars)
        self._force: FloatArray = np.zeros((self.num_worlds, self.num_avatars, 3))

        example = self.lay_out(self.level if self.level is not None else LEVELS[split].start)
        self.state = WorldState(
            self.num_worlds,
            [role.body for role in roles],
            example,
            task.quantities(),
            task.utterances,
            max_episode_steps=max_episode_steps,
            first_world=first_world,
        )
        self._answers = Answers(scenario, type(task).__name__, self.state)
        self._stepped = False
        self._make_sensors(sensors, _frame(frame_size), _is_flag("flatten", flatten))
        self._state_vector = StateVector(self.state)
        self.rewards: FloatArray = np.zeros((self.num_worlds, self.num_avatars))
        self.returns: FloatArray = np.zeros((self.num_worlds, self.num_avatars))
        self.reward_names = tuple(task.reward_names)
        # The only term of a reward is the reward itself, which need not be copied.
        self.has_terms = len(self.reward_names) > 1
        self.terms: FloatArray = (
            np.zeros((*self.rewards.shape, len(self.reward_names)))
            if self.has_terms
            else self.rewards[..., None]
        )
        self.terminated: BoolArray = np.zeros(self.num_worlds, np.bool_)
        self.truncated: BoolArray = np.zeros(self.num_worlds, np.bool_)
        self.generators: list[Any] = [None] * self.num_worlds
        self._drivers: list[tuple[Behaviour, BoolArray]] = []
        # Which worlds may be stepped: none that is in the middle of a step or a reset.
        self.ready: BoolArray = np.zeros(self.num_worlds, np.bool_)
        self.physics = check_physics(physics)
        self._physics: Physics | None = None
        self._closed = False

    def _make_sensors(
        self, names: Sequence[str] | None, frame_size: tuple[int, int], flatten: bool
    ) -> None:
        setup = Setup(
            num_worlds=self.num_worlds,
            num_avatars=self.num_avatars,
            observers=self.observers,
            frame_size=frame_size,
            utterances=tuple(self.task.utterances),
            time_step=self.state.time_step,
            max_episode_steps=self.state.max_episode_steps,
        )
        is_list = isinstance(names, Iterable) and not isinstance(names, (str, Mapping))
        if not (names is None or (is_list and all(isinstance(name, str) for name in names))):
            example = names if isinstance(names, str) else "rgb"
            raise ArgumentError(f'sensors must be a list of names, such as ["{example}"]')
        chosen = self.task.default_sensors if names is None else names
        offered = {spec.id: spec for spec in registry.sensors()}
        self._sensors = make_sensors(chosen, setup, self.task.extra_sensors, offered)
        spaces = {key: space for sensor in self._sensors for key, space in sensor.spaces().items()}
        named = gymnasium.spaces.Dict({key: spaces[key] for key in sorted(spaces)})
        one = sum(math.prod(s.shape or ()) * s.dtype.itemsize for s in spaces.values() if s.dtype)
        check_memory(
            f"{self.num_worlds} worlds with these sensors",
            self.num_worlds * (_WORLD_BYTES + 2 * self.observers * one),
        )
        self._flat = FlatObservations(named) if flatten else None
        self._parts = self._allocate(named) if flatten else {}
        self.observation_space = (
            named if self._flat is None else gymnasium.spaces.Dict({FLAT: self._flat.space})
        )
        self.observations = self._allocate(self.observation_space)

    def _allocate(self, spaces: gymnasium.spaces.Dict) -> dict[str, NDArray[Any]]:
        return {
            key: np.zeros((self.num_worlds, self.observers, *(space.shape or ())), space.dtype)
            for key, space in spaces.items()
        }

    @property
    def flat_layout(self) -> dict[str, slice]:
        """Where each observation lies in the vector that `flatten=True` gives; empty without it.

        Keys come in alphabetical order, the numbers of each in C order, unchanged but for their
        type.
        """
        return dict(self._flat.slices) if self._flat is not None else {}

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
        level = self.level if level is None else _check_level(level)
        which = np.arange(self.num_worlds) if worlds is None else self.state.which(worlds)
        chosen = [None] * len(which) if seeds is None else [*map(check_seed, seeds)]
        if len(chosen) != len(which):
            raise ArgumentError(f"{len(chosen)} seeds for {len(which)} worlds")
        self.open()
        # Until all is well: a layout that cannot be built leaves half a world behind.
        self.ready[which] = False
        for world, seed in zip(which.tolist(), chosen, strict=True):
            self._reset_world(world, seed, level)
        self.rewards[which] = self.returns[which] = 0.0
        self.terms[which] = 0.0
        self.terminated[which] = self.truncated[which] = False
        self.task.after_reset(self.state, which)
        self.find_drivers()
        self.ready[which] = True

    def open(self) -> Physics:
        """The physics; it is opened when somebody first wants to see a world: that takes 45 ms."""
        self.check_open()
        if self._physics is None:
            self._physics = make_physics(self.physics, self.num_worlds)
            self.own()
        return self._physics

    def find_drivers(self) -> None:
        """Sees which behaviour drives whom."""
        self._drivers = [
            (behaviour, who)
            for i, behaviour in enumerate(self.behaviours.values())
            if (who := self.state.behaviour == i).any()
        ]

    def _reset_world(self, world: int, seed: int | None, level: int | None) -> None:
        assert self._physics is not None
        rng = self.generators[world]
        if seed is not None or rng is None:
            rng = self.generators[world] = np.random.default_rng(seed)
        levels = LEVELS[self.split]
        drawn = int(rng.integers(levels.start, levels.stop))
        key = int(rng.integers(1 << 63))
        level = drawn if level is None else level
        layout = self.lay_out(level)
        with self._naming(level):
            self.state.load(world, layout, level, key)
        self.state.behaviour[world] = self._draw_background(level)
        self._physics.build(world, self.state)

    def lay_out(self, level: int) -> Layout:
        """A level's content: a function of scenario, the task's arguments, level and `level_key`.

        Raises:
            LayoutError: the task cannot lay it out; names scenario and level.
        """
        rng = self._level_rng(level)
        with self._naming(level):
            return self.task.layout(rng, level)

    def _level_rng(self, level: int, *stream: int) -> np.random.Generator:
        """The generator of whatever a level decides; the only one that is made of its number."""
        root = (zlib.crc32(self.scenario.encode()), level, *stream)
        key = () if self.level_key is None else (self.level_key,)
        return np.random.default_rng(np.random.SeedSequence(root, spawn_key=key))

    @contextmanager
    def _naming(self, level: int) -> Iterator[None]:
        """Adds the scenario and the level to what is wrong with a layout."""
        try:
            yield
        except LayoutError as error:
            raise LayoutError(f"{self.scenario}, level {level}: {error}") from None

    def _draw_background(self, level: int) -> NDArray[np.int32]:
        """Which behaviour drives each avatar in this level; NOTHING where the caller does."""
        rng = self._level_rng(level, 1)
        names = list(self.behaviours)
        drawn = np.full(self.num_avatars, NOTHING, np.int32)
        for avatar in range(self.observers, self.num_avatars):
            role = self.roles[avatar]
            name = self._background.get(role)
            if name is None:
                fits = self._met(split_of(level), role)
                if not fits:
                    raise ArgumentError(f'{self.scenario}: no behaviour is for the role "{role}"')
                name = fits[int(rng.integers(len(fits)))]
            drawn[avatar] = names.index(name)
        return drawn

    def _met(self, split: Split, role: str) -> list[str]:
        """The behaviours that a role can have in a split, by name."""
        fits = {name: one for name, one in self.behaviours.items() if _can(one, role)}
        met = [name for name, one in fits.items() if split in one.splits]
        # A task that holds nothing out for choosing has training's company there.
        return met or [name for name, one in fits.items() if "train" in one.splits]

    def _check_background(self, background: Background) -> dict[str, str]:
        """The user's choice as role to behaviour, for the roles that have one."""
        if background is None:
            return {}
        if not isinstance(background, (str, Mapping)):
            raise ArgumentError(
                f"background must be a name, or a name for each role, got {background!r}"
            )
        names = [background] if isinstance(background, str) else list(background.values())
        for name in names:
            one_of("background", name, self.behaviours)
        if isinstance(background, str):
            chosen = {
                role: background for role in self.roles if _can(self.behaviours[background], role)
            }
        else:
            chosen = dict(background)
            for role, name in chosen.items():
                one_of("role", role, sorted(set(self.roles)))
                if not _can(self.behaviours[name], role):
                    raise ArgumentError(f"background {name!r} is not for the role {role!r}")
        return chosen

    # -- snapshots ------------------------------------------------------------------------------

    def snapshot(self, worlds: ArrayLike | None = None) -> Snapshot:
        """The moment of some worlds, to be restored here, in a fork or in another process.

        Args:
            worlds: indices or a mask; None for all.

        Raises:
            ResetNeededError: a world is not reset, or its last step broke off in the middle.
            PhysicsError: the physics cannot keep the moment; the message says why.
        """
        return snapshots.take(self, chosen_rows(worlds, self.num_worlds))

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
        snapshots.restore(self, snapshot, chosen_rows(worlds, self.num_worlds))

    def fork(self, num_worlds: int, world: int = 0) -> Simulation:
        """A simulation of its own of so many worlds, each at the moment of one world of this."""
        return snapshots.fork(self, num_worlds, world)

    def open_physics(self, what: str, worlds: NDArray[np.intp]) -> Physics:
        """The physics of worlds that are whole.

        Raises:
            ResetNeededError: one is not reset, or broke off in the middle; names `what`.
        """
        self.check_open()
        if self._physics is None or not self.ready[worlds].all():
            world = self.state.first_world + int(worlds[int(self.ready[worlds].argmin())])
            raise ResetNeededError(
                f"call reset() before {what}: world {world} is not reset, or its last step or "
                "reset broke off in the middle"
            )
        return self._physics

    def remake(self, task: Task, **changed: Any) -> Simulation:
        """A simulation of the same arguments, not yet reset."""
        given = {**self.given, "max_episode_steps": self.state.max_episode_steps, **changed}
        return _remake(type(self), task, given, self.level_key, closed=False)

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
        self.check_open()
        if self._physics is None or not self.ready.all():
            self._refuse_step()
        state, task, commands = self.state, self.task, self.commands
        if self._drivers:
            commands.clear()
        # First of all: a wrong action changes nothing.
        self.codec.decode(actions, commands, self.observers, state.first_world)
        self.ready[:] = False
        for behaviour, who in self._drivers:
            behaviour.act(state, who, commands)
        drive(state, commands, self._force)
        broken = self._move()
        interaction.resolve(state, commands)
        state.step += 1
        task.after_step(state)
        running = ~(self.terminated | self.truncated) if registry.listens_to_episodes else None
        self.terminated[:] = self._answers.flags(task.terminated(state), "terminated")
        # Both may be true in one step, as with Gymnasium's own TimeLimit: what an algorithm asks
        # is whether it terminated.
        self.truncated[:] = state.step >= state.max_episode_steps
        self._reward(must_be_finite=broken is None)
        # A world that ended before is told of once, though it may be stepped on until its reset.
        if running is not None and (ended := (self.terminated | self.truncated) & running).any():
            self._report_episodes(ended)
        self.ready[:] = True
        if broken is not None:
            self.ready[np.array(broken.worlds) - state.first_world] = False
            raise broken

    def spoil(self) -> None:
        """Lets no world be stepped before its reset: what the caller did with them broke off."""
        self.ready[:] = False

    def _refuse_step(self) -> NoReturn:
        if self._physics is None or all(rng is None for rng in self.generators):
            raise ResetNeededError("call reset() before step()")
        world = self.state.first_world + int(self.ready.argmin())
        raise ResetNeededError(
            f"call reset() before step(): world {world} is not reset, or its last step or reset "
            "broke off in the middle"
        )

    def _move(self) -> PhysicsError | None:
        """Moves the bodies; a world in which that failed stands still, and the others go on."""
        assert self._physics is not None
        try:
            self._physics.step(self.state, self._force)
        except PhysicsError as error:
            props = self.state.props
            broken = np.array(error.worlds) - self.state.first_world
            props.position[broken] = props.velocity[broken] = 0.0
            props.orientation[broken] = (0.0, 0.0, 0.0, 1.0)
            return error
        return None

    def _reward(self, must_be_finite: bool) -> None:
        """Asks for the reward; where physics has broken, that is what is wrong, and is said."""
        answers = self._answers
        if self.has_terms:
            terms = answers.terms(self.task.reward_terms(self.state), self.reward_names)
            for i, values in enumerate(terms.values()):
                self.terms[..., i] = values
            self.rewards[:] = add_terms(terms)
        else:
            self.rewards[:] = answers.reward(self.task.reward(self.state))
        if must_be_finite:
            answers.finite("reward", self.rewards)
            if not self._stepped:
                self._stepped = True
                self.check_metrics()
        self.returns += self.rewards

    def check_metrics(self) -> None:
        """Refuses metrics that are not finite; asked at the first step, and by `als check` at all.

        Raises:
            TaskError: names the metric.
        """
        for name, values in self.metrics().items():
            self._answers.finite(f'metrics["{name}"]', values)

    def observe(self) -> None:
        """Lets every sensor write `observations` anew."""
        parts = self.observations if self._flat is None else self._parts
        for sensor in self._sensors:
            sensor.read(self.state, parts)
        if self._flat is not None:
            self._flat.join(parts, self.observations[FLAT])

    @property
    def state_space(self) -> gymnasium.spaces.Box:
        """The space of one world's state vector."""
        return deepcopy(self._state_vector.space)

    @property
    def state_layout(self) -> dict[str, slice]:
        """Where each part lies in a state vector, by name: `avatars.position`, `task.score`, ..."""
        return dict(self._state_vector.slices)

    def state_vector(self) -> NDArray[np.float32]:
        """The worlds as they are now, (worlds, numbers), for critics that see it all.

        Positions are metres in the world's frame, velocities metres per second, headings a cosine
        and a sine, what is held or said one-hot, and `task.` the task's own quantities. Walls and
        words are not in it.
        """
        self.check_open()
        if not self.ready.all():
            raise ResetNeededError("call reset() before state()")
        return self._state_vector.read(self.state)

    def metrics(self) -> dict[str, NDArray[Any]]:
        """What goes into `info`: (worlds,) arrays, `success` and `level` first.

        Numbers are bool, int64 or float64, whatever the task's own arrays are, so that every view
        gives the same type.
        """
        success = self._answers.flags(self.task.success(self.state), "success")
        own = self._answers.metrics(self.task.metrics(self.state))
        metrics = {"success": success, "level": self.state.level, **own}
        return {name: _widest(values) for name, values in metrics.items()}

    def named_terms(self, avatar: int) -> dict[str, float]:
        """What goes into the `info` of an avatar of world 0: `reward_NAME`; empty for one term."""
        if not self.has_terms:
            return {}
        values = self.terms[0, avatar].tolist()
        return dict(zip(map(term_key, self.reward_names), values, strict=True))

    def expert_actions(self) -> NDArray[Any]:
        """What the task's expert does now, (worlds, observers, ...) as `action_space` has it.

        Raises:
            NoExpertError: the task has none.
        """
        who = np.zeros((self.num_worlds, self.num_avatars), np.bool_)
        who[:, : self.observers] = True
        self._expert_commands.clear()
        try:
            self.task.expert(self.state, who, self._expert_commands)
        except NotImplementedError as error:
            reason = str(error) or f"{type(self.task).__name__} has no expert"
            raise NoExpertError(f"{self.scenario}: {reason}") from None
        return self.codec.encode(self._expert_commands, self.observers)

    def use(self, observations: Mapping[str, NDArray[Any]]) -> None:
        """Lets the sensors write into these arrays from now on: shared memory, for instance."""
        self.observations = dict(observations)

    def set_time_limit(self, max_episode_steps: int) -> None:
        """Changes the time limit from the next step on."""
        self.state.max_episode_steps = at_least_one("max_episode_steps", max_episode_steps)

    def render(self, world: int = 0) -> NDArray[np.uint8]:
        """A third-person picture of one world, (480, 640, 3)."""
        from als_engine.sensors.camera import third_person

        self.check_open()
        if not self.ready[world]:
            raise ResetNeededError("call reset() before render()")
        return third_person(self.state, world)

    def close(self) -> None:
        """Frees the physics; calling it twice is fine."""
        self._closed = True
        if self._physics is not None:
            self._physics.close()
            self._physics = None

    def check_open(self) -> None:
        """Refuses to go on with what is closed, or belongs to another process.

        Raises:
            ResetNeededError: it is closed.
            CopyError: this process was forked from the one that reset it.
        """
        if self._closed:
            raise ResetNeededError("the environment is closed; make a new one")
        if self._physics is not None:
            self.check_owner()

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._physics is not None:
            refuse_copy("an environment that has been reset")
        given = {**self.given, "max_episode_steps": self.state.max_episode_steps}
        return _remake, (type(self), self.task, given, self.level_key, self._closed)

    def _report_episodes(self, ended: BoolArray) -> None:
        metrics = self.metrics()
        for world in np.flatnonzero(ended).tolist():
            level = int(self.state.level[world])
            registry.episode_end(
                EpisodeRecord(
                    scenario=self.scenario,
                    split=split_of(level),
                    level=level,
                    length=int(self.state.step[world]),
                    returns=tuple(self.returns[world].tolist()),
                    terminated=bool(self.terminated[world]),
                    metrics={name: float(array[world]) for name, array in metrics.items()},
                )
            )


ARGUMENTS: Final = (
    "num_avatars",
    "sensors",
    "frame_size",
    "flatten",
    "action_mode",
    "clip_actions",
    "split",
    "level",
    "background",
    "max_episode_steps",
    "physics",
)
"""The keyword arguments that every scenario takes; its task's own come on top."""


def check_arguments(
    scenario: str | ScenarioSpec, arguments: Iterable[str], *own: str
) -> ScenarioSpec:
    """Refuses keyword arguments that a scenario does not take; returns its spec.

    Args:
        scenario: the id, or the spec.
        arguments: the names that were given.
        *own: what the caller itself takes, to be listed and suggested as well.

    Raises:
        UnknownIdError: there is no such scenario.
        UnexpectedArgumentError: an argument is unknown.
    """
    spec = scenario if isinstance(scenario, ScenarioSpec) else registry.scenario(scenario)
    allowed = tuple(dict.fromkeys((*ARGUMENTS, *_own_arguments(spec))))
    for name in arguments:
        if name not in allowed:
            raise unexpected(spec.id, name, (*own, *allowed))
    return spec


def _own_arguments(spec: ScenarioSpec) -> list[str]:
    parameters = inspect.signature(registry.load(spec)).parameters
    return [name for name in parameters if name != "num_avatars"]


def simulate(
    scenario: str | ScenarioSpec,
    num_worlds: int = 1,
    observers: int | None = None,
    first_world: int = 0,
    **arguments: Any,
) -> Simulation:
    """Makes the simulation of a scenario.

    Args:
        scenario: the id of a registered one, or a spec, which need not be registered.
        num_worlds: how many worlds.
        observers: how many avatars of each world the caller drives; None for all.
        first_world: the number of world 0 in error messages.
        **arguments: some of `ARGUMENTS`, and of the task's own.

    Raises:
        UnknownIdError: there is no such scenario.
        ArgumentError: an argument is unknown or its value is not allowed.
    """
    spec = check_arguments(scenario, arguments)
    num_avatars = arguments.pop("num_avatars", None)
    count = spec.num_avatars if num_avatars is None else num_avatars
    low, high = spec.min_avatars, spec.max_avatars
    count = whole_number(f"{spec.id}: num_avatars", count, low, high)
    own = _own_arguments(spec)
    for_task = {name: arguments.pop(name) for name in own if name in arguments}
    task = registry.load(spec)(num_avatars=count, **{**spec.kwargs, **for_task})
    arguments.setdefault("max_episode_steps", spec.max_episode_steps)
    if arguments["max_episode_steps"] is None:
        arguments["max_episode_steps"] = spec.max_episode_steps
    return Simulation(
        task,
        scenario=spec.id,
        num_worlds=num_worlds,
        observers=observers,
        first_world=first_world,
        task_arguments={**spec.kwargs, **for_task},
        **arguments,
    )


def _remake(
    kind: type[Simulation],
    task: Task,
    given: Mapping[str, Any],
    level_key: int | None,
    closed: bool,
) -> Simulation:
    """What a copied or a pickled simulation comes back as."""
    simulation = kind(task, **given)
    simulation.level_key = level_key
    if closed:
        simulation.close()
    return simulation


def term_key(name: str) -> str:
    """The key in `info` of a term of the reward.

    Without a slash: HDF5, and so Minari, would make groups of it.
    """
    return f"reward_{name}"


def _widest(values: NDArray[Any]) -> NDArray[Any]:
    array = np.asarray(values)
    return array.astype(
        {"b": np.bool_, "f": np.float64}.get(array.dtype.kind, np.int64), copy=False
    )


def _can(behaviour: Behaviour, role: str) -> bool:
    return not behaviour.roles or role in behaviour.roles


def _number(roles: Sequence[str]) -> tuple[str, ...]:
    """Unique agent names: each role with the avatar's number within it."""
    return tuple(f"{role}_{roles[:i].count(role)}" for i, role in enumerate(roles))


def _is_flag(name: str, value: object) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def _check_level(level: int | None) -> int | None:
    last = max(levels.stop for levels in LEVELS.values()) - 1
    return None if level is None else whole_number("level", level, 0, last)


def _frame(size: int | Sequence[int]) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, (int, np.integer)) else size
    is_pair = isinstance(sides, Sequence) and len(sides) == 2
    if not is_pair or not all(map(_is_side, sides)):
        raise ArgumentError(
            f"frame_size must be one or two whole numbers of 8 to {MAX_FRAME} pixels, got {size!r}"
        )
    height, width = sides
    return int(height), int(width)


def _is_side(pixels: object) -> bool:
    return isinstance(pixels, (int, np.integer)) and 8 <= int(pixels) <= MAX_FRAME
