"""A task: what a scenario's worlds hold, what counts as good, and a proof that it can be solved.

A scenario is a subclass of `Task`. `layout` returns one level as data; everything else reads a
`WorldState` whose first axis is the world, and answers for all worlds at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.errors import ArgumentError, LayoutError, TaskError
from als_engine.world.arrays import Body, BoolArray, FloatArray
from als_engine.world.layout import Layout
from als_engine.world.speech import Verb, Vocabulary
from als_engine.world.state import Quantity, WorldState

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands, Possible
    from als_engine.sensors.base import Sensor

Split = Literal["train", "validation", "test"]
LEVELS: Final[Mapping[str, range]] = {
    "train": range(10_000),
    "validation": range(20_000, 30_000),
    "test": range(10_000, 20_000),
}
"""The levels of each split.

`train` is learnt from. What is chosen (hyperparameters, when to stop, which weights to keep, what
to take back) is chosen on `validation`. `test` is for reporting: nothing is ever chosen on it.
"""


_DRAWN: Final = 15
"""Bits of a number that say which level was drawn."""
_EACH, MOST_EDITS = 9, 4
"""Bits of each edit, and how many edits a number holds: 51 bits, exact in any program's numbers."""
EDITS: Final = 1 << _EACH
"""How many different edits there are of a level."""
LAST_LEVEL: Final = (1 << _DRAWN + _EACH * MOST_EDITS) - 1


def split_of(level: int) -> Split:
    """The split that a level belongs to, by `LEVELS`; an edited one to that of what was edited.

    Raises:
        ArgumentError: it belongs to none.
    """
    drawn = drawn_level(level)
    for split, levels in LEVELS.items():
        if drawn in levels:
            return cast(Split, split)
    raise ArgumentError(f"level {level} is in no split")


def drawn_level(level: int) -> int:
    """The level that was drawn before anything was edited in it; itself where nothing was."""
    return level & (1 << _DRAWN) - 1 if 0 <= level <= LAST_LEVEL else level


def edited_level(level: int, edit: int) -> int:
    """The number of a level with one more edit: another level of the same split.

    A number says which level was drawn and which edits were made of it, one after the other; see
    `Task.edit`.

    Args:
        level: of any split, with fewer than `MOST_EDITS` edits.
        edit: from 1 to `EDITS` - 1.

    Raises:
        ArgumentError: there is no such edit, or there are too many.
    """
    edits = level >> _DRAWN
    if not 1 <= edit < EDITS:
        raise ArgumentError(f"edit must be from 1 to {EDITS - 1}, got {edit}")
    if edits >> _EACH * (MOST_EDITS - 1):
        raise ArgumentError(f"level {level} has {MOST_EDITS} edits already")
    return drawn_level(level) | (edits << _EACH | edit) << _DRAWN


def unedited_level(level: int) -> int | None:
    """The level of which the last edit made this one; None for a level that was drawn."""
    edits = level >> _DRAWN
    return drawn_level(level) | edits >> _EACH << _DRAWN if edits else None


def block_of(level: int, size: int) -> int:
    """The number of the block that a level belongs to: `size` levels of a split in a row.

    For tasks in which something hidden stays the same over several levels. Blocks are numbered
    through all splits, and none lies in two of them; the last one of a split may be smaller.

    Args:
        level: of any split.
        size: levels of a block, at least 1.
    """
    levels, level = LEVELS[split_of(level)], drawn_level(level)
    each = -(-len(levels) // size)
    return levels.start // len(levels) * each + (level - levels.start) // size


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What has become of the people in worlds, for `als fairness`; never an observation.

    Attributes:
        what: the outcome, such as "examination"; more is better.
        names: of the groups that people can be in.
        group: (worlds, people), whole numbers: an index into `names`, -1 where nobody is.
        value: (worlds, people).
    """

    what: str
    names: Sequence[str]
    group: NDArray[Any]
    value: FloatArray


@dataclass(frozen=True, slots=True)
class Role:
    """A part that avatars play; it names PettingZoo's agents (`chaser_0`) and sets their body.

    Attributes:
        name: of the role.
        body: what its avatars can do.
        sensors: what its avatars observe when the user does not say, beside what their effectors
            tell; None for the task's default.
        utterances: what its avatars can say; None for the task's.
    """

    name: str = "avatar"
    body: Body = field(default_factory=Body)
    sensors: Sequence[str] | None = None
    utterances: Vocabulary | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.body, Body):
            raise ArgumentError(f'the body of role "{self.name}" must be a Body, got {self.body!r}')
        if isinstance(self.sensors, str):
            raise ArgumentError(
                f'the sensors of role "{self.name}" must be a list of names, such as '
                f'["{self.sensors}"]'
            )


def check_roles(scenario: str, task: Task) -> Sequence[Role]:
    """Returns the role of each avatar.

    Raises:
        ArgumentError: they are not one for each avatar, or no roles.
    """
    roles = task.roles()
    for role in roles:
        if not isinstance(role, Role):
            raise ArgumentError(f"{scenario}: a role must be a Role, got {role!r:.80}")
    if len(roles) != task.num_avatars:
        raise ArgumentError(f"{scenario} has {len(roles)} roles for {task.num_avatars} avatars")
    return roles


def vocabulary_of(task: Task, role: Role) -> Vocabulary:
    """What avatars of a role can say."""
    return task.utterances if role.utterances is None else role.utterances


class Act(Protocol):
    """Writes the commands of the avatars in `who`, (worlds, avatars), from the state."""

    def __call__(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Writes into `commands` where `who` says."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A scripted way to drive avatars that the caller does not.

    Attributes:
        act: writes commands for all worlds at once.
        roles: the roles that can behave so; empty for every role.
        splits: where it is met. One that is held out of training has ("validation",) or ("test",):
            whoever is met in both is not new in the test split to what was chosen on validation.
            In a split that none of a role's behaviours names, those of training are met.
    """

    act: Act
    roles: tuple[str, ...] = ()
    splits: tuple[Split, ...] = ("train", "validation", "test")


class Task(ABC):
    """Base of every scenario.

    A subclass adds its own typed keyword arguments to `__init__` and passes `num_avatars` on. It
    must not keep anything about a world in itself: a quantity declared in `quantities` is an array
    that reset, replay and hashing take care of.

    Attributes:
        num_avatars: avatars in each world.
        default_sensors: what is observed when the user does not say.
        utterances: what avatars can say: phrases, and verbs with slots, such as
            `Verb("assign", ("skill 0", "skill 1"))`; see `WorldState.speech`.
        text_tokens: how many tokens a text observation holds, 128 to 4,096; all but 32 of them may
            be an instruction's.
        extra_sensors: sensors of the scenario's own, by observation key.
        reward_names: the terms of the reward, in the order in which they are added up.
        stages: arguments of the scenario from the easiest to the hardest, for a difficulty that
            follows the player; a stage keeps what it does not name of the one before.
    """

    default_sensors: ClassVar[tuple[str, ...]] = ("rgb", "audio", "text", "touch", "proprioception")
    utterances: ClassVar[Sequence[str | Verb]] = ("yes", "no", "help", "wait", "thanks", "sorry")
    text_tokens: ClassVar[int] = 128
    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {}
    reward_names: ClassVar[tuple[str, ...]] = ("reward",)
    stages: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def __init__(self, num_avatars: int = 1) -> None:
        self.num_avatars = num_avatars

    def roles(self) -> Sequence[Role]:
        """One role per avatar; the caller drives the first ones."""
        return [Role()] * self.num_avatars

    def quantities(self) -> Mapping[str, Quantity]:
        """The task's own arrays, by name, read and written as `state["name"]`."""
        return {}

    @abstractmethod
    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """One level's content; `rng` is seeded by the scenario and the level alone."""

    def edit(self, layout: Layout, rng: np.random.Generator) -> Layout:
        """A level's content with one thing changed, for `als make levels`.

        Args:
            layout: of a level of this task, edited or not.
            rng: seeded by the scenario and the number of the edited level.

        Raises:
            LayoutError: the task has no such method.
        """
        raise LayoutError("levels of this scenario are not edited: its task has no method edit")

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Called once these worlds have been laid out and before the first observation."""

    def after_step(self, state: WorldState) -> None:
        """Called once per step, before reward and termination: update the task's quantities."""

    def reward(self, state: WorldState) -> FloatArray:
        """(worlds, avatars) for the step just taken; changes nothing.

        By default the sum of `reward_terms`: a task has one of the two methods, or both.
        """
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """The terms whose sum is the reward: (worlds, avatars) for each of `reward_names`.

        Terms pull in different directions, such as what is reached and what it costs; learners
        that serve several trade-offs weigh them. By default the whole reward is the only one.

        Raises:
            TaskError: the task has neither this method nor `reward`.
        """
        if type(self).reward is Task.reward:
            raise TaskError(f"{type(self).__name__} needs a method reward, or reward_terms")
        return {"reward": self.reward(state)}

    def terminated(self, state: WorldState) -> BoolArray:
        """(worlds,): the task itself has come to its end; changes nothing."""
        return np.zeros(state.num_worlds, np.bool_)

    def success(self, state: WorldState) -> BoolArray:
        """(worlds,): the task is solved, as of now; changes nothing. By default: it has ended."""
        return self.terminated(state)

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """Metrics in `info` beside `success` and `level`: (worlds,) arrays by name."""
        return {}

    def outcomes(self, state: WorldState) -> Outcomes | None:
        """What has become of whom at the end of an episode, by group; changes nothing.

        Groups come from the true state and are for measuring alone. None where there are none.
        """
        return None

    def action_mask(self, state: WorldState, possible: Possible) -> None:
        """Sets to False in `possible` what avatars cannot do now; everything else is True.

        It is told to agents and changes nothing else: an impossible action is what it would be
        without. A task that has this method shows masks in `info["action_mask"]`.
        """

    def behaviours(self) -> Mapping[str, Behaviour]:
        """The scripted behaviours that can drive background avatars, by name."""
        from als_engine.bodies.avatar import nobody

        return {"idle": Behaviour(nobody)}

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Drives the avatars in `who` well, with everything that the state knows.

        Raises:
            NotImplementedError: this task has no expert.
        """
        raise NotImplementedError(f"{type(self).__name__} has no expert")

    def heuristics(self) -> Mapping[str, Act]:
        """Simple rules of the scenario's field, by name: yardsticks between random and the expert.

        A rule drives the avatars in `who` as `expert` does, but acts on nothing that somebody in
        its place could not know. The agent `heuristic` plays the first, `heuristic:rule=NAME` any.
        """
        return {}

    def everyone(self, values: ArrayLike) -> FloatArray:
        """Gives each avatar its world's value: (worlds,) to (worlds, avatars)."""
        each = np.asarray(values, np.float64)
        return np.repeat(each[:, None], self.num_avatars, axis=1)


def add_terms(terms: Mapping[str, FloatArray]) -> FloatArray:
    """The sum of a reward's terms, from the first to the last: the same bits everywhere."""
    return reduce(np.add, terms.values())
