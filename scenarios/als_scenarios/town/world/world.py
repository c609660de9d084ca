"""`ALS/World-v0`: one helper in a town, who is asked to do any of the others' tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.checks import one_of, whole_number
from als_engine.errors import ArgumentError
from als_engine.navigation import Navigator
from als_engine.sensors.base import Sensor
from als_engine.task import Act, Behaviour, Role, Task, add_terms, split_of
from als_engine.world.arrays import NOTHING, Body, BoolArray, FloatArray
from als_engine.world.body import HANDS as HAND_COMMANDS
from als_engine.world.body import LOCOMOTION
from als_engine.world.layout import Layout, Spawn
from als_engine.world.layout import rgb as color_of
from als_engine.world.speech import Verb
from als_engine.world.state import Quantity, WorldState
from als_scenarios.town.world import errands, guidance, looks, measures, ways
from als_scenarios.town.world.block import POSTS, Block
from als_scenarios.town.world.day import RHYTHM
from als_scenarios.town.world.errands import (
    DONE,
    FIRST,
    LAID,
    MISSED,
    MISTAKES_NOW,
    OPEN,
    SECOND,
    SHUT,
    STATUS,
    TASK,
    TURNED,
    WITHDRAWN,
    WORDING,
    moment,
)
from als_scenarios.town.world.inhabitants import MANNERS, Manner, live_on
from als_scenarios.town.world.items import PLACES, ROLES, SIZES, TASKS
from als_scenarios.town.world.life import HOURS, first_body, live, measure
from als_scenarios.town.world.requests import ERRANDS, URGENT, draw
from als_scenarios.town.world.sensors import ErrandSensor
from als_scenarios.town.world.shaping import potential
from als_scenarios.town.world.turn import advance

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands, Possible

FEWEST, MOST = 7, len(ROLES)
"""Of inhabitants."""

MOST_HELPERS: Final = 2
PASS: Final = 2 / 3
"""The share of all errands that makes a day a success."""

REWARD: Final = 2.0
URGENT_REWARD: Final = 3.0
MISTAKE: Final = -0.5
MISS: Final = -0.5
WELL_BEING: Final = 2.0


class World(Task):
    """A helper in a town block is asked to do any of the others' tasks, and has to switch.

    ## Description

    A school room, a ward, an office, a museum and a yard lie along a street; a level says which is
    where. Seven to nine inhabitants (a teacher, a pupil, a nurse, a patient, a clerk, a visitor, a
    child, a guide, another visitor) go about their day by the hour, from 8 in the morning; a step
    is a minute. The helper, in red, does what they ask for. Four errands come one after the other
    and a fifth, urgent, in between; one of the four may be withdrawn. Who wants something calls,
    and a ball floats over its head (a red one if it is urgent); what it wants is understood by a
    helper who is within 2.3 m, in the same place, for 6 steps. Other requests stand on the board at
    the end of the street, which is read from 1.5 m. A request expires after 400 steps, an urgent
    one after 280. Each of the seven tasks is the kernel of another scenario's decision:

    | task | to be done | as in |
    | --- | --- | --- |
    | `answer` | use the board with the sum, while school is open | Classroom |
    | `treat` | read the chart beside the bed, take the medicine that suits temperature and pulse, \
use the pillow | Diagnosis |
    | `deliver` | take the right one of four parcels at the office, say "here you are" to whom it \
is for | Delivery |
    | `guide` | say "come along" to the visitor, use the exhibit with most of what it likes | \
Tour |
    | `find` | catch the child, which runs away, and bring it where it has to be | Tag |
    | `build` | use two posts in the yard, by colour and in the right order | Build |
    | `tell` | say to somebody where to go | Meeting |

    An act counts only for a request that the helper has understood. The second mistake in an errand
    spoils it. What happens in one place has effects in another:

    - The patient of "treat" falls ill before anybody asks. It stays on the ward, and since two who
      learn have to be there, no lesson takes place, and nobody asks "answer". It also infects
      whoever is in the same room, who then keeps to the ward.
    - In some levels a parcel has the museum's key: until it is delivered a gate keeps the museum
      shut, and no visitor asks to be guided.
    - An answer at school calms the child and the pupils: the child then runs half as fast.
    - Whoever was told goes there, and is missing where it was.
    - What is built in the yard is a table: without it the meal feeds half as well.

    Inhabitants are background: one keeps hours, one strolls, one hurries; in the validation split
    one also dawdles, in the test split one roams the street. Tiredness slows them.

    Splits: what is asked for is a pair (two operands, parcel and addressee, two colours, ...). Each
    split has pairs of its own, four of seven for training, one for validation, two for the test
    split, so that all values are met in training and are put together anew; `text` has wordings of
    its own in each split as well. `als_scenarios.town.world.items` has them all.

    The inside of people, in `life`, is the two-process model (tiredness), Wells and Riley's
    equation (infection), Bush and Mosteller's operator (knowledge) and the drive of homeostatic
    reinforcement learning, of which well-being is made. Its docstring has equations and sources.

    ## Observations

    By default `errand`, `entities` and `proprioception`; `rgb`, `text` and all others of the engine
    on request. `errand`, float32 (209,), is this scenario's own: the two foremost errands that
    this helper has understood, the time, which place is open, the way to each place, person and
    request, and the posts of the place where one is; see `sensors.ErrandSensor` for every column.
    What was not understood, and what goes on inside people, is in no observation. Inhabitants
    observe `entities`, `text` and `proprioception`.

    ## Actions

    The engine's discrete, continuous or factored actions, of hands only `use`. A helper says "come
    along", "here you are" and "go to the" with one of five places, to the nearest inhabitant within
    1.7 m; masks say when that can mean something. Inhabitants only walk.

    ## Rewards

    The same for everybody, the sum of

    | term | reward |
    | --- | --- |
    | `errands` | 2 for each that is done, 3 for the urgent one |
    | `missed` | -0.5 for each that expires or is spoilt |
    | `mistakes` | -0.5 each: a wrong post, medicine, parcel, person or place |
    | `well-being` | 2 times the change of the inhabitants' mean well-being |
    | `shaping` | change of the potential |

    The potential is 0.4 for each open errand that is understood and up to 0.4 for how far it has
    come, less 0.03 for each metre of each helper's way to where its foremost errand, or else the
    nearest request, goes on (Ng, Harada and Russell 1999). Which post is right is not in it. It is
    0 at the end. The expert's return is about 8.7, that of random actions about -2.7.

    ## Episode end

    Terminated when all errands are done, missed or withdrawn; truncated after 800 steps. It is a
    success when two thirds of all errands of the day, without those withdrawn, were done.

    ## Arguments

    - `num_avatars` (8): 8 to 10, helpers and seven to nine inhabitants.
    - `num_helpers` (1): 1 or 2; two need `num_avatars` of at least 9. A second helper that the
      caller does not drive does its share, two of the five errands, and leaves the others.
    - `tasks` (all seven): a list of those that may be asked for.

    ## Metrics

    - `success`: see above.
    - `done`: the share of errands done, of those asked for and not withdrawn.
    - `answer`, `treat`, `deliver`, `guide`, `find`, `build`, `tell`: the same of each task; 0 where
      none was asked for.
    - `asked_answer`, `asked_treat`, `asked_deliver`, `asked_guide`, `asked_find`, `asked_build`,
      `asked_tell`: how many were; over episodes, add up shares times these.
    - `steps_per_errand`: from the request until it is done.
    - `mistakes`: how many were made.
    - `well_being`: the inhabitants' mean, 0 to 1, now.

    ## Version history

    - v0: first version.
    """

    default_sensors: ClassVar[tuple[str, ...]] = ("errand", "entities", "proprioception")
    utterances: ClassVar[Sequence[str | Verb]] = (
        "come along", "here you are", Verb("go to the", PLACES),
    )  # fmt: skip
    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {"errand": ErrandSensor}
    reward_names: ClassVar[tuple[str, ...]] = (
        "errands", "missed", "mistakes", "well-being", "shaping",
    )  # fmt: skip

    def __init__(
        self, num_avatars: int = 8, num_helpers: int = 1, tasks: Iterable[str] = TASKS
    ) -> None:
        """Makes the town.

        Raises:
            ArgumentError: an argument is out of its range, or a task is unknown.
        """
        super().__init__(num_avatars)
        self.num_helpers = whole_number("num_helpers", num_helpers, 1, MOST_HELPERS)
        self.inhabitants = num_avatars - self.num_helpers
        if not FEWEST <= self.inhabitants <= MOST:
            low = FEWEST + self.num_helpers
            raise ArgumentError(
                f"with num_helpers={self.num_helpers}, num_avatars must be at least {low}, got "
                f"{num_avatars}"
            )
        self.tasks = _checked(tasks)
        self._clothes = np.array(looks.CLOTHES[: self.inhabitants], np.uint8)
        self._pupils: BoolArray = np.zeros((0, self.inhabitants), np.bool_)
        # A cache of the ways through each block; it never changes a result.
        self._navigator: Navigator | None = None

    def roles(self) -> Sequence[Role]:
        """Helpers come first, who are quick on their feet."""
        walk = LOCOMOTION[1:]
        helper = Body(
            speed=2.6,
            acceleration=12.0,
            turn_speed=4.0,
            turn_acceleration=24.0,
            color=looks.HELPER,
            commands=(*walk, HAND_COMMANDS[3]),
        )
        sensors = ("entities", "text", "proprioception")
        people = [
            Role(name, _body(name, color, walk), sensors, ())
            for name, color in zip(ROLES, looks.CLOTHES, strict=True)
        ]
        return [*[Role("helper", helper)] * self.num_helpers, *people[: self.inhabitants]]

    def quantities(self) -> Mapping[str, Quantity]:
        """The block, the errands, how everybody stands and feels, and the day so far."""
        return {
            **ways.quantities(),
            "gate_open": Quantity((3,)),
            "label": Quantity((len(PLACES), POSTS), np.int32),
            "strengths": Quantity((POSTS, SIZES)),
            **errands.quantities(self.num_helpers, self.inhabitants),
            "well_being": Quantity((self.inhabitants,)),
            "voiced": Quantity((), np.int32, NOTHING),
            **measures.quantities(),
            "content": Quantity(),
            "gained": Quantity(),
            "potential": Quantity(),
            "shaping": Quantity(),
        }

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """A block, its people, and a day of the level's split."""
        block = Block(rng)
        plan = draw(rng, split_of(level), self.tasks)
        book = np.zeros((ERRANDS, errands.HEARD_2 + 1), np.int32)
        book[:, : plan.rows.shape[1]] = plan.rows
        flags = np.zeros(5, np.int32)
        flags[SHUT] = plan.shut
        return Layout(
            walls=block.walls(),
            props=looks.props(block, plan.label, plan.shut),
            signs=block.signs(looks.labels(plan.label)),
            sounds=looks.voice(),
            spawns=self._spawns(rng, block),
            instruction=[
                *["do what people ask for; look at the board"] * self.num_helpers,
                *["live in the town"] * self.inhabitants,
            ],
            quantities={
                **ways.values(block),
                "gate_open": block.gate()[1],
                "book": book,
                "flags": flags,
                "label": plan.label,
                "strengths": plan.strengths,
                "body": first_body(rng, self.inhabitants),
            },
        )

    def _spawns(self, rng: np.random.Generator, block: Block) -> list[Spawn]:
        """Helpers in the street, and everybody else where the morning has them."""
        away = rng.uniform(-0.25, 0.25, (self.num_helpers, 2)).tolist()
        spawns = [Spawn((1.2 * h + x, 0.0), 6 * turn) for h, (x, turn) in enumerate(away)]
        spots = block.spots()
        for n, place in enumerate(RHYTHM[: self.inhabitants, 0].tolist()):
            spawns.append(Spawn(spots[place][n], block.inwards(place) + np.pi))
        return spawns

    def concepts(self, layout: Layout) -> set[str]:
        """What is asked for, and how it is worded: no two splits share one."""
        rows = np.asarray(layout.quantities["book"])[:, [TASK, FIRST, SECOND, WORDING]].tolist()
        asked = {
            f"{TASKS[t]} {sorted((i, j)) if TASKS[t] == 'answer' else (i, j)}"
            for t, i, j, _ in rows
        }
        return asked | {f"{TASKS[t]} in wording {k}" for t, _, _, k in rows}

    # -- what happens -----------------------------------------------------------------------------

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Dresses everybody and learns the ways."""
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state, clearance=0.28)
            self._pupils = np.zeros((state.num_worlds, self.inhabitants), np.bool_)
        self._navigator.refresh(worlds)
        state.avatars.color[worlds, : self.num_helpers] = color_of(looks.HELPER)
        state.avatars.color[worlds, self.num_helpers :] = self._clothes
        ways.places_now(state, state["where"])
        measure(worlds, state["body"], state["well_being"])
        state["content"][worlds] = state["well_being"][worlds].mean(1)

    def after_step(self, state: WorldState) -> None:
        """Errands go on, people live on, and signs show it."""
        assert self._navigator is not None
        ways.places_now(state, state["where"])
        acts = state.events.used, state.said_verb, state.said_slot
        advance(state.step, acts, moment(state), self._pupils)
        measures.count(state)
        live(
            state["where"][:, self.num_helpers :], state.step, state["flags"][:, LAID],
            self._pupils, (state["body"], state["folk"]), state["well_being"], HOURS,
        )  # fmt: skip
        looks.show(state, self._clothes, self._navigator)
        content = state["well_being"].mean(1)
        np.subtract(content, state["content"], out=state["gained"])
        state["content"][:] = content
        now = potential(state)
        np.subtract(now, state["potential"], out=state["shaping"])
        state["potential"][:] = now

    # -- what counts ------------------------------------------------------------------------------

    def reward(self, state: WorldState) -> FloatArray:
        """The same for everybody, (worlds, avatars)."""
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """What was done and missed, mistakes, how the town is, and shaping."""
        turned = state["book"][..., TURNED]
        done = turned == DONE
        worth = REWARD * done.sum(1) + (URGENT_REWARD - REWARD) * done[:, URGENT]
        return {
            "errands": self.everyone(worth),
            "missed": self.everyone(MISS * (turned == MISSED).sum(1)),
            "mistakes": self.everyone(MISTAKE * state["flags"][:, MISTAKES_NOW]),
            "well-being": self.everyone(WELL_BEING * state["gained"]),
            "shaping": self.everyone(state["shaping"]),
        }

    def terminated(self, state: WorldState) -> BoolArray:
        """Nothing is left to be asked for."""
        return np.asarray((state["book"][..., STATUS] > OPEN).all(1))

    def success(self, state: WorldState) -> BoolArray:
        """The day is over, and most of what it brought was done."""
        counted = (state["book"][..., STATUS] != WITHDRAWN).sum(1)
        over = self.terminated(state) | (state.step >= state.max_episode_steps)
        return np.asarray(over & ((state["book"][..., STATUS] == DONE).sum(1) >= PASS * counted))

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """The share done of each task, how long errands took, mistakes, and the town."""
        return measures.metrics(state)

    def action_mask(self, state: WorldState, possible: Possible) -> None:
        """A hand is of use at a post or the pillow, words where they can mean something."""
        measures.rule_out(state, possible)

    # -- who helps, and who lives there -----------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """The manners of inhabitants, two of them held out, and for a helper its rules."""
        people = tuple(dict.fromkeys(ROLES))
        manners = {
            name: Behaviour(partial(self._live_on, manner=manner), people, manner.splits)
            for name, manner in MANNERS.items()
        }
        helps = partial(self._help, rule=guidance.SHARES)
        return {**manners, "helps": Behaviour(helps, ("helper",))}

    def _live_on(
        self, state: WorldState, who: BoolArray, commands: Commands, manner: Manner
    ) -> None:
        assert self._navigator is not None
        live_on(state, who, commands, self._navigator, manner)

    def _help(self, state: WorldState, who: BoolArray, commands: Commands, rule: int) -> None:
        assert self._navigator is not None
        guidance.help_people(state, who, commands, self._navigator, rule)

    def _play(self, state: WorldState, who: BoolArray, commands: Commands, rule: int) -> None:
        """Helps, and lets the inhabitants in `who` live by the hour."""
        self._help(state, who, commands, rule)
        if who[:, self.num_helpers :].any():
            self._live_on(state, who, commands, MANNERS["keeps_hours"])

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Helps with the whole plan of the day in mind."""
        self._play(state, who, commands, guidance.EXPERT)

    def heuristics(self) -> Mapping[str, Act]:
        """Two rules that know what they have heard."""
        return {
            "nearest-request": partial(self._play, rule=guidance.NEAREST),
            "place-only": partial(self._play, rule=guidance.PLACE_ONLY),
        }


def _body(name: str, color: tuple[int, int, int], commands: Sequence[str]) -> Body:
    """An inhabitant's: those who go to school are smaller."""
    height = {"pupil": 1.4, "patient": 1.4, "child": 1.15}.get(name, 1.7)
    return Body(
        radius=0.2, height=height, mass=18.0 * height, speed=2.0, color=color, commands=commands
    )


def _checked(tasks: Iterable[str]) -> tuple[int, ...]:
    """The numbers of some tasks, in the order of `TASKS`.

    Raises:
        ArgumentError: there is none, one is unknown, or one is there twice.
    """
    if isinstance(tasks, str) or not isinstance(tasks, (tuple, list)) or not tasks:
        raise ArgumentError(
            f"tasks must be a list of some of {', '.join(TASKS)}, got {tasks!r:.80}"
        )
    names = [one_of("tasks", name, TASKS) for name in tasks]
    if len(set(names)) < len(names):
        raise ArgumentError(f"tasks names one of them twice: {tasks!r:.80}")
    return tuple(sorted(TASKS.index(name) for name in names))
