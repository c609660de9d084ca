"""A virtual mathematics lesson: a board asks, a voice reads, the avatar walks onto the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.checks import whole_number
from als_engine.geometry import portable_math as pmath
from als_engine.navigation import Navigator, reached
from als_engine.task import Act, Behaviour, Role, Task, split_of
from als_engine.world.arrays import NOTHING, Body, BoolArray, FloatArray
from als_engine.world.layout import Layout
from als_engine.world.state import Quantity, WorldState
from als_scenarios.education.arithmetic import LARGEST, Arithmetic, wording
from als_scenarios.education.lesson import MAX_PADS, QUESTIONS, STAND, Lesson, Pads, Question
from als_scenarios.education.schoolroom import PAD_COLORS, PAD_RADIUS, Schoolroom
from als_scenarios.education.stride import stride

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands
    from als_engine.sensors.base import Sensor

RIGHT_ANSWER: Final = 1.0
WRONG_ANSWER: Final = -0.25
PROGRESS: Final = 0.1
"""Reward for each metre nearer to the right pad."""

PASS: Final = 8
"""Right answers that make a lesson a success."""

STILL: Final = 0.5
"""Slower than this an avatar stands, metres per second."""

_CLOTHES: Final = ("blue", "orange", "teal", "pink", "purple", "green")
_SPOTS: Final = 5
_ON_PAD: Final = 0.35  # How near to the middle of a pad the expert stops, metres.
_FAR: Final = 3.0  # Over shorter ways it steps sideways and backwards instead of turning, metres.
_GO_ON: Final = 0.05  # The chance, in each step, that a classmate who has arrived walks on.
_CHANGE_OF_MIND: Final = 0.005
_MAKE_WAY: Final = 0.15  # ... that one does who stands in a student's way.
_CLOSE: Final = 0.8  # Between the middles of two who are in each other's way, metres.
_KEEP_AWAY: Final = 1.0  # Between the middles of a follower and the followed, metres.
_LEG_STEPS: Final = 60  # After so many steps one who patrols goes on to the next place.
_GUESS, _LINGER = 1, 2  # Places in `behaviours`.
_ERRANDS: Final = 0  # The stream of in-episode randomness.


class Classroom(Task):
    """A mathematics lesson: read and hear a question, walk onto its answer.

    ## Description

    A board on the front wall shows an arithmetic question and a voice beside it reads it, in
    digits ("7 + 5") or in words ("seven plus five"), as the level has it. Coloured pads lie on
    the floor, each before a panel with a number on both sides; one number is the answer. A student
    answers by standing on a pad, slower than 0.5 m/s, for five steps in a row (a third of a
    second), so that walking across a pad is no answer. Right or wrong, the next question
    follows at once and every sign shows a new number. Who stands on a pad when a question
    appears has to step off the pads before it can answer. Any pad can be right, the last one
    too. A lesson has ten questions.

    Classmates walk about and get in the way: they `wander` about the room, `guess` by standing
    on one pad after another, or `linger` in one place. In the validation split only, some `patrol`
    from one free place to the next without ever standing still; in the test split only, some
    `follow` the first student closely. One who is in a student's way soon goes elsewhere. What
    classmates stand on is no answer. With several students driven by the caller the question is
    shared: the first to stand long enough answers for the class (of two in the same step the one
    with the lower number), and the reward is theirs alone.

    Wrong numbers are slips: a few off, or one row of the multiplication table. Whether the
    right number is among the small or the large ones on show tells nothing, as far as there are
    enough smaller numbers.

    Splits: of the 78 unordered pairs of operands from 1 to 12, whatever the operator and the order,
    21 are asked about in the test split only, 12 of the others in the validation split only, and
    the remaining 45 in the train split only.

    ## Observations

    By default `rgb`, `audio`, `text`, `touch` and `proprioception`. The question is on the board,
    in what the voice says and in the instruction; the numbers are on the panels, and `text` holds
    the one on the nearest panel in view. The scenario's own sensor, `lesson`, is a float32 vector
    of 40 numbers with the operands, the operator, each pad's number and where the pad is; with it
    nothing has to be read. `question` and `pads` say the same apart: a vector of 10 numbers, and a
    table with a row for each pad, for networks that read things.

    ## Actions

    The engine's discrete, continuous or factored actions. Walking, turning and standing are all
    it takes.

    ## Rewards

    | term | reward | to |
    | --- | --- | --- |
    | right answer | +1 | the student who answered |
    | wrong answer | -0.25 | the student who answered |
    | progress | 0.1 per metre nearer to the right pad, minus 0.1 per metre away | each student |

    Progress is the difference of a potential, minus the distance to the right pad (Ng, Harada
    and Russell 1999), taken between the steps of one question; when the question changes no
    progress is counted, so walking in circles earns nothing. With four pads an answer at random
    is worth 0.06 on average, so that walking onto pads can be learned before arithmetic; a
    faultless lesson is worth about 12. Classmates get no reward.

    ## Episode end

    Terminated when the tenth question is answered; truncated after 600 steps. The
    expert takes 300 to 400. It is a success when at least 8 answers are right.

    ## Arguments

    - `num_pads` (4): 2 to 6 answer pads.
    - `largest` (12): the largest operand, 3 to 12.
    - `operations` ("+-x"): which operators are asked about.
    - `num_avatars` (3): 1 to 6 students.

    ## Metrics

    - `success`: at least 8 right answers.
    - `correct`: right answers so far, 0 to 10.
    - `answered`: answers so far, 0 to 10.
    - `accuracy`: right answers over answers, 0 before the first.

    ## Version history

    - v0: first version.
    """

    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {
        "lesson": Lesson,
        "question": Question,
        "pads": Pads,
    }

    def __init__(
        self,
        num_avatars: int = 3,
        num_pads: int = 4,
        largest: int = LARGEST,
        operations: str = "+-x",
    ) -> None:
        """Makes the lesson.

        Raises:
            ArgumentError: an argument is out of its range.
        """
        super().__init__(num_avatars)
        self.num_pads = whole_number("num_pads", num_pads, 2, MAX_PADS)
        self.arithmetic = Arithmetic(largest, operations)
        self._pads = [f"pad_{color}" for color in PAD_COLORS[: self.num_pads]]
        self._signs = [
            f"{side}_{color}" for side in ("front", "back") for color in PAD_COLORS[: self.num_pads]
        ]
        self._navigator: Navigator | None = None

    def roles(self) -> Sequence[Role]:
        """All are students, each in clothes of its own colour."""
        return [
            Role("student", Body(color=_CLOTHES[i % len(_CLOTHES)]))
            for i in range(self.num_avatars)
        ]

    def quantities(self) -> Mapping[str, Quantity]:
        """The lesson, how far it has come, and where classmates are going."""
        avatars = (self.num_avatars,)
        return {
            "operands": Quantity((QUESTIONS, 2), np.int32),
            "operator": Quantity((QUESTIONS,), np.int32),
            "numbers": Quantity((QUESTIONS, self.num_pads), np.int32),
            "right_pad": Quantity((QUESTIONS,), np.int32),
            "in_words": Quantity((), np.bool_),
            "answered": Quantity((), np.int64),  # Also the index of the open question.
            "correct": Quantity((), np.int64),
            "open": Quantity(avatars, np.bool_, True),  # Off the pads since the question came.
            "standing": Quantity(avatars, np.int32),  # Steps in a row, on one pad.
            "standing_on": Quantity(avatars, np.int32, NOTHING),
            "given": Quantity(avatars, np.int8),  # This step's answer: 1 right, -1 wrong.
            "distance": Quantity(avatars),  # To the right pad, metres.
            "progress": Quantity(avatars),  # Metres nearer to it in this step.
            "spots": Quantity((_SPOTS, 2)),  # Free places in the room.
            "errand": Quantity((self.num_avatars, 2)),  # Where a classmate is going.
        }

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """A classroom with the first question on its board, and the whole lesson's plan."""
        plan = self.arithmetic.draw(rng, split_of(level), QUESTIONS, self.num_pads)
        in_words = bool(rng.random() < 0.5)
        first = wording(int(plan.left[0]), int(plan.operator[0]), int(plan.right[0]), in_words)
        room = Schoolroom(rng)
        pads, signs = room.pads([str(number) for number in plan.numbers[0]])
        spawns, spots = room.spawns(self.num_avatars), room.spots(_SPOTS)
        return Layout(
            walls=room.furniture,
            props=dict(zip(self._pads, pads, strict=True)),
            signs={
                "board": room.board(_on_board(first)),
                **dict(zip(self._signs, signs, strict=True)),
            },
            sounds={"voice": room.voice(_spoken(first))},
            spawns=spawns,
            instruction=_told(first),
            quantities={
                "operands": np.stack([plan.left, plan.right], axis=1),
                "operator": plan.operator,
                "numbers": plan.numbers,
                "right_pad": plan.pad,
                "in_words": in_words,
                "spots": spots,
                "errand": [spots[i % _SPOTS] for i in range(self.num_avatars)],
            },
        )

    def concepts(self, layout: Layout) -> set[tuple[int, int]]:
        """The unordered pairs of operands that a level asks about: no two splits share one."""
        operands = np.sort(np.asarray(layout.quantities["operands"]), axis=1)
        return {(low, high) for low, high in operands.tolist()}

    # -- the lesson -----------------------------------------------------------------------------

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Measures how far everyone is from the first answer."""
        self._way(state).refresh(worlds)
        state["distance"][worlds] = self._distance(state)[worlds]

    def after_step(self, state: WorldState) -> None:
        """Counts standing, takes an answer, asks the next question."""
        self._count_standing(state)
        answering = (state["standing"] >= STAND) & (state.behaviour == NOTHING)
        answered = answering.any(axis=1) & (state["answered"] < QUESTIONS)
        state["given"].fill(0)
        if answered.any():
            self._take_answers(state, np.flatnonzero(answered), answering.argmax(axis=1))
        nearer = self._distance(state)
        state["progress"][:] = np.where(answered[:, None], 0.0, state["distance"] - nearer)
        state["distance"][:] = nearer
        if self.num_avatars > 1:
            self._renew_errands(state)

    def _count_standing(self, state: WorldState) -> None:
        avatars, pads = state.avatars, state.props.position[:, None, :, :2]
        away = avatars.position[:, :, None, :2] - pads
        inside = np.square(away).sum(axis=-1) <= PAD_RADIUS * PAD_RADIUS
        on = np.where(inside.any(axis=-1), inside.argmax(axis=-1), NOTHING)
        state["open"][:] |= on == NOTHING
        still = np.square(avatars.velocity[..., :2]).sum(axis=-1) < STILL * STILL
        stands = (on != NOTHING) & still & state["open"]
        same = on == state["standing_on"]
        state["standing"][:] = np.where(stands, np.where(same, state["standing"], 0) + 1, 0)
        state["standing_on"][:] = on

    def _take_answers(
        self, state: WorldState, worlds: NDArray[np.intp], answerer: NDArray[np.intp]
    ) -> None:
        """Marks the answers of these worlds, and asks each its next question."""
        who = answerer[worlds]
        pad = state["standing_on"][worlds, who]
        right = pad == state["right_pad"][worlds, state["answered"][worlds]]
        state["given"][worlds, who] = np.where(right, 1, -1)
        state["correct"][worlds] += right
        state["answered"][worlds] += 1
        state["open"][worlds] = False
        state["standing"][worlds] = 0
        for world in worlds.tolist():
            if state["answered"][world] < QUESTIONS:
                self._ask(state, world)

    def _ask(self, state: WorldState, world: int) -> None:
        question = int(state["answered"][world])
        left, right = state["operands"][world, question].tolist()
        operator = int(state["operator"][world, question])
        text = wording(left, operator, right, bool(state["in_words"][world]))
        state.write("board", world, _on_board(text))
        state.say("voice", world, _spoken(text))
        state.instruct(world, _told(text))
        numbers = state["numbers"][world, question].tolist()
        for sign, number in zip(self._signs, 2 * numbers, strict=True):  # Fronts, then backs.
            state.write(sign, world, str(number))

    def _right_pad(self, state: WorldState) -> FloatArray:
        """The middle of the pad that is right now, (worlds, 2)."""
        worlds = np.arange(state.num_worlds)
        question = np.minimum(state["answered"], QUESTIONS - 1)
        pad = state["right_pad"][worlds, question]
        middle: FloatArray = state.props.position[worlds, pad, :2]
        return middle

    def _distance(self, state: WorldState) -> FloatArray:
        away = state.avatars.position[..., :2] - self._right_pad(state)[:, None]
        distance: FloatArray = pmath.hypot(away[..., 0], away[..., 1])
        return distance

    def reward(self, state: WorldState) -> FloatArray:
        """Answers and progress, to the students whom the caller drives."""
        terms = (
            RIGHT_ANSWER * (state["given"] == 1),
            WRONG_ANSWER * (state["given"] == -1),
            PROGRESS * state["progress"],
        )
        reward: FloatArray = sum(terms, np.zeros(state.behaviour.shape))
        return np.where(state.behaviour == NOTHING, reward, 0.0)

    def terminated(self, state: WorldState) -> BoolArray:
        """The tenth question has been answered."""
        over: BoolArray = state["answered"] >= QUESTIONS
        return over

    def success(self, state: WorldState) -> BoolArray:
        """At least eight answers are right."""
        passed: BoolArray = state["correct"] >= PASS
        return passed

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """Right answers, answers, and their ratio."""
        correct, answered = state["correct"], state["answered"]
        return {
            "correct": correct,
            "answered": answered,
            "accuracy": correct / np.maximum(answered, 1),
        }

    # -- who walks about ------------------------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """The behaviours of classmates; `follow` and `patrol` are held out of training."""
        return {
            "wander": Behaviour(self._wander),
            "guess": Behaviour(self._guess),
            "linger": Behaviour(self._wander),  # It hardly ever has a new errand.
            "follow": Behaviour(self._follow, splits=("test",)),
            "patrol": Behaviour(self._patrol, splits=("validation",)),
        }

    def _wander(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        self._way(state).walk(state["errand"], commands, who, speed=0.5)

    def _guess(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        self._way(state).walk(state["errand"], commands, who, speed=0.8)

    def _follow(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        leader = state.avatars.position[:, :1, :2]
        away = state.avatars.position[..., :2] - leader
        length = np.maximum(pmath.hypot(away[..., 0], away[..., 1]), 1e-6)[..., None]
        goals = leader + away / length * _KEEP_AWAY
        self._way(state).walk(goals, commands, who, speed=0.9, avoid=0.1)

    def _patrol(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        leg = (state.step[:, None] // _LEG_STEPS + np.arange(self.num_avatars)) % _SPOTS
        goals = np.take_along_axis(state["spots"], leg[..., None], axis=1)
        self._way(state).walk(goals, commands, who, speed=0.6)

    def _renew_errands(self, state: WorldState) -> None:
        """Sends classmates on: now and then once they have arrived, soon when someone needs by."""
        draws = state.uniform(_ERRANDS, (self.num_avatars, 2))
        lingers = state.behaviour == _LINGER
        chance = np.where(reached(state, state["errand"]), _GO_ON, _CHANGE_OF_MIND)
        chance = np.where(lingers, _CHANGE_OF_MIND, chance)
        place = state.avatars.position[..., :2]
        near = np.square(place[:, :, None] - place[:, None]).sum(axis=-1) < _CLOSE * _CLOSE
        for_whom = near & (state.behaviour == NOTHING)[:, None]
        chance = np.where(for_whom.any(axis=-1), _MAKE_WAY, chance)
        leaves = (draws[..., 0] < chance) & (state.behaviour != NOTHING)
        worlds, who = np.nonzero(leaves)
        if not worlds.size:
            return
        draw = draws[worlds, who, 1]
        spot = state["spots"][worlds, (draw * _SPOTS).astype(np.intp)]
        pad = state.props.position[worlds, (draw * self.num_pads).astype(np.intp), :2]
        guesses = state.behaviour[worlds, who] == _GUESS
        state["errand"][worlds, who] = np.where(guesses[:, None], pad, spot)

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Walks to the right pad and stands on it, after stepping off the last one if need be."""
        pads = np.broadcast_to(self._right_pad(state)[:, None], (*who.shape, 2))
        self._stand_on(state, who, commands, pads)

    def heuristics(self) -> Mapping[str, Act]:
        """Answering on the nearest pad, whatever was asked."""
        return {"nearest": self._nearest}

    def _nearest(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        pads = state.props.position[:, : self.num_pads, :2]
        away = state.avatars.position[:, :, None, :2] - pads[:, None]
        nearest = np.square(away).sum(axis=-1).argmin(axis=-1)
        self._stand_on(state, who, commands, np.take_along_axis(pads, nearest[..., None], axis=1))

    def _stand_on(
        self, state: WorldState, who: BoolArray, commands: Commands, pads: FloatArray
    ) -> None:
        """Walks onto pads, (worlds, avatars, 2), after stepping off the last one if need be."""
        away = state.avatars.position[..., :2] - pads
        distance = pmath.hypot(away[..., 0], away[..., 1])
        stuck = ~state["open"] & (distance <= PAD_RADIUS)
        there = state["open"] & (distance <= _ON_PAD)
        goals = np.where(stuck[..., None], state["spots"][:, :1], pads)
        goals = np.where(there[..., None], np.nan, goals)
        directions = self._way(state).direction(goals, who)
        stride(state, directions, commands, who, turns=distance > _FAR)

    def _way(self, state: WorldState) -> Navigator:
        """The navigator of these worlds; it remembers ways, which changes no result."""
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state)
            self._navigator.refresh()
        return self._navigator


def _on_board(question: str) -> str:
    """Digits on one line; words, which are longer, one below the other."""
    return f"{question} = ?" if question[0].isdigit() else question.replace(" ", "\n") + " = ?"


def _spoken(question: str) -> str:
    return f"What is {question}?"


def _told(question: str) -> str:
    return f"What is {question}? Stand on the answer."
