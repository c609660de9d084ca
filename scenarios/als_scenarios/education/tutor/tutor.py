"""`ALS/Tutor-v0`: teach two to six pupils whose knowledge and attention are hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.navigation import Navigator
from als_engine.sensors.base import Sensor
from als_engine.task import Act, Behaviour, Outcomes, Role, Split, Task, add_terms, split_of
from als_engine.world.arrays import NOTHING, Body, BoolArray, FloatArray
from als_engine.world.body import LOCOMOTION
from als_engine.world.layout import Layout, rgb
from als_engine.world.speech import Verb
from als_engine.world.state import Quantity, WorldState
from als_scenarios.education.tutor import curriculum, kinds, lesson, teaching
from als_scenarios.education.tutor.curriculum import NUM_SKILLS
from als_scenarios.education.tutor.knowledge import GUESS, REST, SLIP, answers
from als_scenarios.education.tutor.lesson import (
    EXPLAIN,
    IDLE,
    LAMPS,
    PUPIL_SAYS,
    TEACHER,
    TEACHER_SAYS,
    share_known,
)
from als_scenarios.education.tutor.manners import MANNERS, behave
from als_scenarios.education.tutor.register import Plan, PupilTable, Register
from als_scenarios.education.tutor.room import Schoolroom

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands, Possible

STEPS_FOR_EACH: Final = 100
STEPS_BESIDES: Final = 60
"""A lesson takes so many steps for each pupil, and so many besides."""

PASS: Final = 0.6
"""The part of right answers in the examination from which a lesson is a success."""

MASTERY: Final = 10.0
EXAMINATION: Final = 10.0
"""What it is worth to teach everybody everything, and what a faultless examination is worth."""

APPROACH: Final = 0.3
CLOSE: Final = 1.2
"""Shaping, for each metre that the teacher comes closer to the nearest pupil, down to this."""

_LESSON, _EXAM = range(2)  # The streams of in-episode randomness.
_PALETTE: Final = np.array([rgb(color) for color in LAMPS], np.uint8)
_HELD_OUT: Final[Mapping[str, tuple[Split, ...]]] = {
    "dreams": ("validation",),
    "whispers": ("test",),
}


class Tutor(Task):
    """A teacher goes from pupil to pupil, and decides what to practise and what to explain.

    ## Description

    A schoolroom with two to six pupils at desks, in rows, a horseshoe or an arc. There are six
    skills, from counting to fractions, and the board shows which of them need which: "x < 1+" for
    multiplying, which here needs counting and adding. The teacher walks about, and speaks to the
    pupil that it faces most directly, at most 45 degrees aside and 1.6 m away. What it can say:

    - "practise" and a skill: an idle pupil works on an exercise for 6 steps, whoever is near,
      then says "got it" or "got it wrong", and its lamp turns green or red.
    - "explain" and a skill: an idle pupil listens for 8 steps, as long as the teacher stays and
      faces it; if it does not, nothing was explained. The pupil says "I see" in the end.
    - "well done", which cheers up whose lamp is green, once for each answer.
    - "pay attention", which helps at once, and wears out what attention a pupil has at rest.

    A pupil for whom a skill is out of reach may say "I don't understand" instead, and raise its
    hand: its lamp turns yellow. So it does when it attends and has had nothing to do for 120 steps.
    One with little attention turns away.

    What goes on in pupils is hidden. Each knows a skill or does not: Bayesian knowledge tracing
    with forgetting (Corbett and Anderson 1995; Khajah, Lindsey and Mozer 2016), with parameters of
    each pupil's own. An exercise teaches with P(T), an explanation with 2 P(T), both times the
    pupil's attention, and a tenth of it where a prerequisite is not known. Each piece of teaching
    takes from the attention: a tenth, or more where the skill is known (boredom) or a prerequisite
    is not (overload). It recovers with a time constant of 60 steps. What is known may be forgotten
    once in every 30 steps. `knowledge.py` has the equations and their sources, `kinds.py` the
    ranges of the parameters. A step is a fifteenth of a second, but stands for more: lessons are
    compressed, and so are the times above, which are ours.

    The lesson ends with an examination, one question to each pupil about each skill, answered as
    exercises are.

    Splits: kinds of pupil and graphs of skills. In the train split pupils are steady, quick,
    forgetful, or guessers; in the validation split only, careless or dreamers; in the test split
    only, slow starters, easily bored, or crammers. Of the 5,400 graphs of which a skill needs at
    most two others, four of seven are met in training, one in validation, two in testing.

    Pupils are background. Their manners tell nothing about how they learn: one that `attends`
    looks at its desk, one `fidgets`, one `follows` the teacher with its eyes; in the validation
    split also one that `dreams`, half turned away when it has nothing to do, and in the test split
    one that `whispers` to a neighbour now and then, though it attends.

    ## Observations

    By default `register`, `entities` and `proprioception`; `heard`, `rgb`, `text` and all others of
    the engine on request. `register` is float32 (262,), what a teacher's register and a look round
    the class tell. It holds two parts, which can be observed apart as `plan`, (16,), and `pupils`,
    a table (6, 41):

    | column of `plan` | is | range |
    | --- | --- | --- |
    | 0 | the part of the lesson that is left | 0 to 1 |
    | 1 to 15 | 1 where a skill needs another: adding counting, subtracting counting, subtracting \
adding, and so on | 0, 1 |

    | column of each pupil | is | range |
    | --- | --- | --- |
    | 0 | 1 in a row with a pupil | 0, 1 |
    | 1, 2 | where it is, ahead and to the left of the body, over 8 m | ±1 |
    | 3 | the teacher is near it and faces it | 0, 1 |
    | 4, 5 | it practises, it listens | 0, 1 |
    | 6 | for how long yet, over the time that this takes | 0 to 1 |
    | 7, 8, 9 | its lamp is green, red, yellow | 0, 1 |
    | 10 | it looks away: it faces neither its desk nor the teacher | 0, 1 |
    | 11 + 5 s, 12 + 5 s, 13 + 5 s | of skill s, how often its answer was right, was wrong, and it \
was explained: n / (n + 2) | 0 to 1 |
    | 14 + 5 s | the last answer was right, 1, or wrong; 0 after an explanation | -1, 0, 1 |
    | 15 + 5 s | 60 / (60 + steps since it was last taught), 0 where never | 0 to 1 |

    Knowledge, attention and parameters are in no observation.

    ## Actions

    The engine's discrete, continuous or factored actions; hands have nothing to do. `action_mask`
    rules out to speak to nobody, and to set something to a pupil that is busy. Pupils turn, and
    say what is quoted above.

    ## Rewards

    Shared by all:

    | term | reward |
    | --- | --- |
    | `mastery` | 10 / (6 x pupils) for each skill that a pupil learns, as much less for each that \
is forgotten |
    | `examination` | 10 times the part of the answers that are right, at the end |
    | `approach` | shaping: the change of a potential |

    The potential is -0.3 for each metre by which the nearest pupil is farther away than 1.2 m, and
    0 from the end on (Ng, Harada and Russell 1999): added up, shaping gives every episode of a
    level the same, about +0.5, and it knows nothing of what pupils know.

    The expert's return is about 14, that of random actions about 4.

    ## Episode end

    Terminated with the examination, after 60 steps and 100 for each pupil; an earlier time limit
    has it at that limit. It is a success when at least 60% of the answers are right.

    ## Arguments

    - `num_avatars` (5): 3 to 7, a teacher and two to six pupils.

    ## Metrics

    - `success`: at least 60% of the answers in the examination are right.
    - `exam`: the part of right answers in the examination, 0 before it.
    - `mastery`: the part of all skills of all pupils that is known.
    - `mastery_gain`: the same less that at the beginning.
    - `attention`: the pupils' mean, 0 to 1.
    - `exercises`, `explanations`: how many came to their end.

    ## Version history

    - v0: first version.
    """

    default_sensors: ClassVar[tuple[str, ...]] = ("register", "entities", "proprioception")
    utterances: ClassVar[Sequence[str | Verb]] = TEACHER_SAYS
    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {
        "register": Register,
        "plan": Plan,
        "pupils": PupilTable,
    }
    reward_names: ClassVar[tuple[str, ...]] = ("mastery", "examination", "approach")

    def __init__(self, num_avatars: int = 5) -> None:
        super().__init__(num_avatars)
        self.num_pupils = num_avatars - 1
        self._lamps = [f"lamp {pupil}" for pupil in range(self.num_pupils)]
        # A cache of the ways through each world's room; it never changes a result.
        self._navigator: Navigator | None = None

    def roles(self) -> Sequence[Role]:
        """The teacher comes first; pupils are too heavy to be pushed from their desks."""
        teacher = Role("teacher", Body(color="purple", commands=LOCOMOTION[1:]))
        sits = Body(
            radius=0.22,
            height=1.3,
            mass=500.0,
            color="orange",
            commands=("turn left", "turn right"),
        )
        pupil = Role("pupil", sits, utterances=PUPIL_SAYS)
        return [teacher, *[pupil] * self.num_pupils]

    def quantities(self) -> Mapping[str, Quantity]:
        """The lesson's arrays, who the pupils are, when it ends and what came of it."""
        each = (self.num_pupils,)
        return {
            **lesson.quantities(self.num_pupils),
            "kind": Quantity(each, np.int8),
            "phase": Quantity(each),  # So that pupils of one manner do not move alike.
            "graph": Quantity((), np.int32),
            "ends": Quantity((), np.int32, STEPS_BESIDES + STEPS_FOR_EACH * self.num_pupils),
            "known_before": Quantity(),
            "potential": Quantity(),
            "approach": Quantity(),
            "answers": Quantity((self.num_pupils, NUM_SKILLS), np.bool_),
            "examined": Quantity((), np.bool_),
            "examined_now": Quantity((), np.bool_),
        }

    # -- levels ---------------------------------------------------------------------------------

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """A room, a curriculum, and pupils of the split's kinds."""
        split = split_of(level)
        graphs, may_be = curriculum.graphs_of(split), kinds.kinds_of(split)
        graph = int(graphs[rng.integers(len(graphs))])
        needs = curriculum.needs(graph)
        kind = [may_be[i] for i in rng.integers(len(may_be), size=self.num_pupils).tolist()]
        traits, known = zip(*(kinds.draw(rng, each, needs) for each in kind), strict=True)
        room = Schoolroom(rng, self.num_pupils)
        return Layout(
            walls=room.walls,
            props=dict(zip(self._lamps, room.lamps, strict=True)),
            signs={"board": room.board(curriculum.on_board(needs))},
            spawns=room.spawns,
            instruction="teach the class: practise and explain; an examination ends the lesson",
            quantities={
                "traits": np.array(traits),
                "known": np.array(known),
                "known_before": float(np.mean(known)),
                "attention": [each[REST] for each in traits],
                "needs": needs,
                "graph": graph,
                "kind": kind,
                "front": room.fronts,
                "phase": rng.random(self.num_pupils),
            },
        )

    def concepts(self, layout: Layout) -> set[tuple[str, object]]:
        """The kinds of its pupils and its graph of skills: no two splits share one."""
        kind = np.asarray(layout.quantities["kind"]).tolist()
        graph = int(np.asarray(layout.quantities["graph"]))
        return {("graph", graph), *(("kind", kinds.KINDS[i].name) for i in kind)}

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Looks where the desks stand."""
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state)
        self._navigator.refresh(worlds)
        away = state.avatars.position[:, 1:, :2] - state.avatars.position[:, TEACHER, None, :2]
        state["apart"][worlds] = pmath.hypot(away[..., 0], away[..., 1]).min(1)[worlds]
        state["potential"][worlds] = _potential(state)[worlds]

    # -- the lesson -----------------------------------------------------------------------------

    def after_step(self, state: WorldState) -> None:
        """Lets pupils hear, work, learn and forget; holds the examination when time is up."""
        lesson.teach(state, state.uniform(_LESSON, (self.num_pupils, 3)))
        state.props.color[:] = _PALETTE[state["lamp"]]
        over = state.step >= np.minimum(state["ends"], state.max_episode_steps)
        now = state["examined_now"]
        np.logical_and(over, ~state["examined"], out=now)
        if now.any():
            self._examine(state, np.flatnonzero(now))
        potential = np.where(state["examined"], 0.0, _potential(state))
        np.subtract(potential, state["potential"], out=state["approach"])
        state["potential"][:] = potential

    def _examine(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Asks every pupil about every skill, and writes the result on the board."""
        traits = state["traits"]
        chance = answers(
            state["known"].astype(np.float64), traits[..., GUESS, None], traits[..., SLIP, None]
        )
        draws = state.uniform(_EXAM, (self.num_pupils, NUM_SKILLS))
        state["answers"][worlds] = (draws < chance)[worlds]
        state["examined"][worlds] = True
        for world, share in zip(worlds.tolist(), self._exam(state)[worlds].tolist(), strict=True):
            state.write("board", world, f"EXAMINATION\n{share:.0%} right")

    @staticmethod
    def _exam(state: WorldState) -> FloatArray:
        """Which part of the examination was right, (worlds,); 0 before it."""
        share: FloatArray = state["answers"].mean((1, 2))
        return share

    def reward(self, state: WorldState) -> FloatArray:
        """The sum of the terms; shared by the teacher and the pupils."""
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """What was learnt less what was forgotten in this step, the examination, and shaping."""
        learnt = state["gain"] / (self.num_pupils * NUM_SKILLS)
        exam = self._exam(state) * state["examined_now"]
        return {
            "mastery": self.everyone(MASTERY * learnt),
            "examination": self.everyone(EXAMINATION * exam),
            "approach": self.everyone(state["approach"]),
        }

    def terminated(self, state: WorldState) -> BoolArray:
        """The lesson's time is up."""
        return np.asarray(state.step >= state["ends"])

    def success(self, state: WorldState) -> BoolArray:
        """At least 60% of the answers in the examination are right."""
        return np.asarray(self._exam(state) >= PASS)

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """The examination, what is known, how pupils attend and how much they were taught."""
        known = share_known(state)
        answered = (state["rights"] + state["wrongs"]).sum((1, 2), np.int64)
        return {
            "exam": self._exam(state),
            "mastery": known,
            "mastery_gain": known - state["known_before"],
            "attention": state["attention"].mean(1),
            "exercises": answered,
            "explanations": state["explained"].sum((1, 2), np.int64),
        }

    def outcomes(self, state: WorldState) -> Outcomes:
        """The part of the examination that each pupil had right, by kind of pupil."""
        names = [each.name for each in kinds.KINDS]
        return Outcomes("examination", names, state["kind"], state["answers"].mean(2))

    def action_mask(self, state: WorldState, possible: Possible) -> None:
        """The teacher speaks to whom it faces, and sets nothing to who is busy."""
        faced = state["addressed"]
        speaks = faced != NOTHING
        idle = state["task"][np.arange(len(faced)), np.maximum(faced, 0)] == IDLE
        lessons = NUM_SKILLS * (EXPLAIN + 1)
        possible.say[:, TEACHER, :lessons] &= (speaks & idle)[:, None]
        possible.say[:, TEACHER, lessons : lesson.FIRST_OF_PUPILS] &= speaks[:, None]

    # -- who is who -----------------------------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """Pupils' manners, `dreams` and `whispers` held out, and a scripted teacher."""
        always: tuple[Split, ...] = ("train", "validation", "test")
        manners = {
            name: Behaviour(partial(behave, manner), ("pupil",), _HELD_OUT.get(name, always))
            for name, manner in MANNERS.items()
        }
        return {**manners, "teaches": Behaviour(self._rule(teaching.round_robin), ("teacher",))}

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Teaches with everything that is known of the pupils; pupils attend."""
        self._rule(teaching.expert)(state, who, commands)
        behave(MANNERS["attends"], state, self._pupils(who), commands)

    def heuristics(self) -> Mapping[str, Act]:
        """Two rules of the field that go by the register alone."""
        rules = {
            "mastery-threshold": teaching.mastery_threshold,
            "round-robin": teaching.round_robin,
        }
        return {name: partial(self._by_rule, rule) for name, rule in rules.items()}

    def _by_rule(
        self, rule: teaching.Rule, state: WorldState, who: BoolArray, commands: Commands
    ) -> None:
        self._rule(rule)(state, who, commands)
        behave(MANNERS["attends"], state, self._pupils(who), commands)

    def _rule(self, rule: teaching.Rule) -> Act:
        def act(state: WorldState, who: BoolArray, commands: Commands) -> None:
            assert self._navigator is not None
            rule(state, self._navigator, who, commands)

        return act

    @staticmethod
    def _pupils(who: BoolArray) -> BoolArray:
        others = who.copy()
        others[:, TEACHER] = False
        return others


def _potential(state: WorldState) -> FloatArray:
    """What the shaping is the change of, (worlds,)."""
    return -APPROACH * np.maximum(state["apart"] - CLOSE, 0.0)
