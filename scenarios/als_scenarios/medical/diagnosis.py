"""`ALS/Diagnosis-v0`: measure a real patient's tumour at the stations of a clinic, then decide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.avatar import HAND_USE
from als_engine.bodies.interaction import REACH, REACH_ANGLE
from als_engine.geometry import portable_math as pmath
from als_engine.navigation import Navigator, face
from als_engine.sensors.base import Sensor
from als_engine.task import Act, Behaviour, Outcomes, Role, Split, Task, add_terms, split_of
from als_engine.world.arrays import NOTHING, Body, BoolArray, FloatArray, IntArray
from als_engine.world.layout import Layout
from als_engine.world.state import Quantity, WorldState
from als_scenarios.medical import clinic
from als_scenarios.medical.chart import Chart
from als_scenarios.medical.clinic import BENIGN, DOCTOR, MALIGNANT
from als_scenarios.medical.patients import (
    NUM_PANELS,
    ORDER,
    PANEL_OF_FEATURE,
    PANELS,
    malignancy,
    panel_text,
    patients,
)

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

UNDECIDED, SAID_BENIGN, SAID_MALIGNANT = range(3)
CONFIDENT: Final = 0.97
"""The expert decides when a diagnosis is at least as likely as this."""

DETOUR: Final = 0.6
"""How much further the expert walks for a panel that is one place higher in `ORDER`, metres."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The weight of each term of the reward.

    Attributes:
        right: the right decision.
        false_alarm: a benign tumour called malignant.
        missed: a malignant tumour called benign.
        undecided: a patient who is sent home, at the time limit, without a decision.
        panel: each panel when it is first measured.
        step: each step.
        evidence: shaping, for what the chart makes a decision worth, in units of the reward.
        closer: shaping, for each metre that the doctor comes closer to where the right desk is
            expected.
    """

    right: float = 5.0
    false_alarm: float = -2.0
    missed: float = -5.0
    undecided: float = -2.0
    panel: float = -0.1
    step: float = -0.01
    evidence: float = 0.4
    closer: float = 0.5

    @property
    def threshold(self) -> float:
        """The probability of malignancy from which the malignant desk is the better one."""
        alarm, miss = self.right - self.false_alarm, self.right - self.missed
        return alarm / (alarm + miss)

    def decision_value(self, likely: FloatArray) -> FloatArray:
        """The value of the better decision at a probability of malignancy."""
        malignant = likely * self.right + (1 - likely) * self.false_alarm
        benign = (1 - likely) * self.right + likely * self.missed
        return np.maximum(malignant, benign)


WEIGHTS: Final = Weights()


class Diagnosis(Task):
    """A clinic with real patients: pay for measurements, then decide between two desks.

    ## Description

    A patient has a lump in the breast; the doctor has to find out whether it is benign or
    malignant. Six stations along the hall each measure one panel: radius, texture, perimeter and
    area, smoothness and compactness, concavity and concave points, symmetry and fractal dimension
    of the cell nuclei; each as mean, standard error and worst value. Whoever uses a station (the
    action `use`, within 0.9 m) pays for its panel once and everyone reads the result on the
    chart and on the station's sign. The doctor decides by using a desk: the green one on the left
    for benign, the red one on the right for malignant. Which panel is measured where changes from
    level to level; a panel's colour and sign do not.

    The 569 patients are real: the Wisconsin Diagnostic Breast Cancer data (Street, Wolberg and
    Mangasarian 1993, "Nuclear feature extraction for breast tumor diagnosis"; UCI Machine
    Learning Repository, CC BY 4.0), as scikit-learn ships them. 212 of them are malignant.

    The first avatar is the doctor, all others are nurses. Nurses who are driven by the caller work
    on the same patient: they measure too, and share the reward, but their use of a desk decides
    nothing. The others in the hall are background: a nurse on her `rounds` from station to
    station, a visitor who `waits` by the bed, one who `paces` up and down; in the
    validation split also an orderly who `crosses` the hall, in the test split a relative who
    `follows` the doctor. They measure nothing and are only in the way.

    Splits: of every ten patients with the same diagnosis three belong to the test split and one of
    the others to the validation split, in a fixed partition: 341 for training (127 malignant), 58
    for validation (22 malignant), 170 for the test split (63 malignant). A level is one of its
    split's patients in a clinic of its own. Real patients overlap, so nobody is always right: the
    expert, a logistic regression on all but the test patients, reaches 97 % on the test split.
    The scale of the measurements and what shapes the reward know the patients of validation too,
    so that test levels are what they were before there was validation; neither tells the truth
    about a patient.

    ## Observations

    By default `chart`, `entities` and `proprioception`; `rgb`, `text` and all others of the engine
    on request. `chart` is float32 (61,), the same for everyone but for its last number:

    | column | is | range |
    | --- | --- | --- |
    | 0 to 29 | the measurements: ten means, ten errors, ten worst values, in standard deviations \
from the mean of all but the test patients; 0 where not measured | ±5 |
    | 30 to 59 | 1 where the measurement has been made | 0, 1 |
    | 60 | 1 for the doctor, 0 for a nurse | 0, 1 |

    In `entities` stations and desks differ by `identity` and colour: blue radius, orange texture,
    purple perimeter, teal smoothness, yellow concavity, pink symmetry, green benign, red
    malignant. Signs hang behind what they name.

    ## Actions

    The engine's discrete, continuous or factored actions; walking, turning and `use` are all it
    takes. The nearest station or desk within reach and at most 70 degrees aside is the one that is
    used. Avatars can say "benign", "malignant" and "measure more" to each other.

    ## Rewards

    Shared by all. The first four rows are the term `diagnosis`, the others `panels`, `time` and
    `shaping`; their weights are `WEIGHTS`:

    | term | reward |
    | --- | --- |
    | right decision | +5 |
    | false alarm: benign, called malignant | -2 |
    | missed malignancy: malignant, called benign | -5 |
    | sent home undecided, at the time limit | -2 |
    | panel, when it is first measured | -0.1 |
    | step | -0.01 |
    | shaping | change of the potential |

    The potential is 0.4 times what the better decision is worth on average, given the chart, less
    0.5 per metre of the doctor's expected distance to the right desk (Ng, Harada and Russell
    1999). How likely malignancy is comes from logistic regressions fitted on all but the test
    patients, one for each set of panels: the truth is not in it, so no reward gives it away. The
    potential is 0 at the end of an episode: added up, shaping gives every episode of a level the
    same, about +2. With these weights the malignant desk is the better one from a probability of
    7/17 up. The expert's return is about 6, that of random actions about -2.

    ## Episode end

    Terminated when the doctor decides; truncated after 180 steps. The expert takes about 45
    (continuous) to 60 (discrete). It is a success when the decision is right.

    ## Arguments

    - `num_avatars` (2): 1 to 4, a doctor and nurses.

    ## Metrics

    - `success`: the decision is right.
    - `decided`: the doctor has decided.
    - `malignant`: the truth, from biopsy.
    - `missed_malignancy`: decided benign although malignant.
    - `false_alarm`: decided malignant although benign.
    - `panels_measured`: 0 to 6.
    - `cost`: what panels and time have cost so far, in units of reward.

    ## Version history

    - v0: first version.
    """

    default_sensors: ClassVar[tuple[str, ...]] = ("chart", "entities", "proprioception")
    utterances: ClassVar[tuple[str, ...]] = ("benign", "malignant", "measure more")
    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {"chart": Chart}
    reward_names: ClassVar[tuple[str, ...]] = ("diagnosis", "panels", "shaping", "time")

    def __init__(self, num_avatars: int = 2) -> None:
        super().__init__(num_avatars)
        # A cache of the way through each world's hall; it never changes a result.
        self._navigator: Navigator | None = None

    def roles(self) -> Sequence[Role]:
        """The doctor comes first; everybody else is a nurse."""
        nurse = Role("nurse", Body(color="teal"))
        return [Role("doctor", Body(color="white")), *[nurse] * (self.num_avatars - 1)]

    def quantities(self) -> Mapping[str, Quantity]:
        """Whom it is about, what is known, what was decided, and what this step brought."""
        return {
            "patient": Quantity((), np.int32),
            "measured": Quantity((NUM_PANELS,), np.bool_, False),
            "decision": Quantity((), np.int8, UNDECIDED),
            "bought": Quantity((), np.int8),
            "decided_now": Quantity((), np.bool_, False),
            "likely": Quantity(),
            "potential": Quantity(),
            "shaping": Quantity(),
            "errand": Quantity((self.num_avatars,), np.int32),
        }

    def concepts(self, layout: Layout) -> set[int]:
        """Whom a level is about: no patient is met in two splits."""
        return {int(np.asarray(layout.quantities["patient"]))}

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """A patient of the level's split in a clinic of its own."""
        waiting = patients().of(split_of(level))
        patient = int(waiting[rng.integers(len(waiting))])
        return clinic.clinic(rng, self.num_avatars, patient)

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Starts from what is known of a patient of whom nothing is known."""
        nothing = np.zeros((len(worlds), NUM_PANELS), np.bool_)
        state["likely"][worlds] = malignancy(state["patient"][worlds], nothing)
        state["potential"][worlds] = _potential(state)[worlds]
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state)
        self._navigator.refresh(worlds)

    def after_step(self, state: WorldState) -> None:
        """Carries out what was used: stations measure, desks decide."""
        used, measured, decision = state.events.used, state["measured"], state["decision"]
        undecided = decision == UNDECIDED
        asked = (used[..., None] == np.arange(NUM_PANELS)).any(1)
        new = asked & ~measured & undecided[:, None]
        state["bought"][:] = new.sum(1)
        if new.any():
            measured |= new
            self._write_down(state, new)
        signed, now = used[:, DOCTOR], state["decided_now"]
        np.logical_and(undecided, (signed == BENIGN) | (signed == MALIGNANT), out=now)
        decision[now] = np.where(signed[now] == BENIGN, SAID_BENIGN, SAID_MALIGNANT)
        potential = _potential(state)
        state["shaping"][:] = potential - state["potential"]
        state["potential"][:] = potential

    def _write_down(self, state: WorldState, new: BoolArray) -> None:
        """Takes new measurements into account, and shows them on the stations' signs."""
        worlds = np.flatnonzero(new.any(1))
        patient = state["patient"]
        state["likely"][worlds] = malignancy(patient[worlds], state["measured"][worlds])
        for world, panel in np.argwhere(new).tolist():
            text = panel_text(panel, int(patient[world]))
            state.write(f"{PANELS[panel].name} sign", world, text)

    def reward(self, state: WorldState) -> FloatArray:
        """The sum of the terms; shared by everyone who treats the patient."""
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """The reward of the diagnosis and its costs, weighted by `WEIGHTS`."""
        now, right = state["decided_now"], self.success(state)
        ill = _malignant(state)
        diagnosis = (
            WEIGHTS.right * (now & right)
            + WEIGHTS.false_alarm * (now & ~right & ~ill)
            + WEIGHTS.missed * (now & ~right & ill)
            + WEIGHTS.undecided * _sent_home(state)
        )
        return {
            "diagnosis": self.everyone(diagnosis),
            "panels": self.everyone(WEIGHTS.panel * state["bought"]),
            "shaping": self.everyone(state["shaping"]),
            "time": self.everyone(np.full(state.num_worlds, WEIGHTS.step)),
        }

    def terminated(self, state: WorldState) -> BoolArray:
        """The doctor has decided."""
        return np.asarray(state["decision"] != UNDECIDED)

    def success(self, state: WorldState) -> BoolArray:
        """The decision is right."""
        said = np.where(_malignant(state), SAID_MALIGNANT, SAID_BENIGN)
        return np.asarray(state["decision"] == said)

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """The decision, the truth and the costs."""
        ill, decision = _malignant(state), state["decision"]
        panels = state["measured"].sum(1)
        return {
            "decided": decision != UNDECIDED,
            "malignant": ill,
            "missed_malignancy": ill & (decision == SAID_BENIGN),
            "false_alarm": ~ill & (decision == SAID_MALIGNANT),
            "panels_measured": panels,
            "cost": -(WEIGHTS.panel * panels + WEIGHTS.step * state.step),
        }

    def outcomes(self, state: WorldState) -> Outcomes:
        """Whether the patient was told the truth, by what the truth is."""
        ill = _malignant(state).astype(np.int8)[:, None]
        right = self.success(state).astype(np.float64)[:, None]
        return Outcomes("right diagnosis", ("benign", "malignant"), ill, right)

    # -- for whoever learns without walking about -----------------------------------------------

    @staticmethod
    def measurements(split: Split) -> tuple[NDArray[np.float32], NDArray[np.intp], BoolArray]:
        """A split's patients as a table.

        Returns:
            Measurements, (patients, 30), in standard deviations; the panel of each, (30,); and who
            is ill, (patients,).
        """
        every = patients()
        who = every.of(split)
        return every.standard[who], PANEL_OF_FEATURE, every.malignant[who]

    # -- who walks about ------------------------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """People in the hall who do not treat the patient; "crosses" and "follows" are held out."""
        return {
            "waits": Behaviour(partial(self._with_navigator, clinic.waits)),
            "rounds": Behaviour(partial(self._with_navigator, clinic.rounds)),
            "paces": Behaviour(partial(self._with_navigator, clinic.paces)),
            "follows": Behaviour(partial(self._with_navigator, clinic.follows), splits=("test",)),
            "crosses": Behaviour(
                partial(self._with_navigator, clinic.crosses), splits=("validation",)
            ),
        }

    def _with_navigator(
        self, walk: clinic.Walk, state: WorldState, who: BoolArray, commands: Commands
    ) -> None:
        assert self._navigator is not None
        walk(state, who, commands, self._navigator)

    # -- the expert -----------------------------------------------------------------------------

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Measures in the model's order until it is confident, then signs at the likelier desk.

        The truth is never read: the expert knows the chart, the model and the way.
        """
        self._treat(state, who, commands, CONFIDENT)

    def heuristics(self) -> Mapping[str, Act]:
        """Measuring everything before a decision, and deciding by the first panel alone."""
        return {
            "every-panel": partial(self._treat, confident=math.inf),
            "one-panel": partial(self._treat, confident=0.0),
        }

    def _treat(
        self, state: WorldState, who: BoolArray, commands: Commands, confident: float
    ) -> None:
        """Measures until a diagnosis is at least as likely as `confident`, then signs."""
        goal = self._goals(state, who, confident)
        busy = who & (goal != NOTHING)
        use = busy & (_in_hand(state) == goal)
        commands.hand[use] = HAND_USE
        every = np.maximum(goal, 0)[..., None]
        places = np.take_along_axis(clinic.standing_places(state), every, axis=1)
        assert self._navigator is not None
        self._navigator.walk(places, commands, busy & ~use)
        away = places - state.avatars.position[..., :2]
        there = busy & ~use & (pmath.hypot(away[..., 0], away[..., 1]) < 0.2)
        if there.any():
            props = np.take_along_axis(state.props.position[..., :2], every, axis=1)
            face(state, props, commands, there)

    def _goals(self, state: WorldState, who: BoolArray, confident: float) -> IntArray:
        """The prop that each avatar goes to use, (worlds, avatars), or NOTHING."""
        likely, missing = state["likely"], ~state["measured"]
        sure = (np.maximum(likely, 1 - likely) >= confident) & state["measured"].any(1)
        sure |= ~missing.any(1)
        away = state.props.position[:, None, :NUM_PANELS] - state.avatars.position[:, :, None]
        price = pmath.hypot(away[..., 0], away[..., 1]) + DETOUR * np.argsort(ORDER)
        goal = np.full(who.shape, NOTHING, np.int32)
        free = missing & ~sure[:, None]
        rows = np.arange(len(who))
        for avatar in range(self.num_avatars):  # Each takes a station that nobody has taken yet.
            best = np.where(free, price[:, avatar], np.inf).argmin(1)
            goes = who[:, avatar] & free.any(1)
            goal[goes, avatar] = best[goes]
            free[rows[goes], best[goes]] = False
        desk = np.where(likely >= WEIGHTS.threshold, MALIGNANT, BENIGN)
        goal[:, DOCTOR] = np.where(sure & who[:, DOCTOR], desk, goal[:, DOCTOR])
        return goal


def _malignant(state: WorldState) -> BoolArray:
    return np.asarray(patients().malignant[state["patient"]])


def _sent_home(state: WorldState) -> BoolArray:
    """Whether time is up before anything was decided, (worlds,)."""
    undecided = state["decision"] == UNDECIDED
    return np.asarray(undecided & (state.step >= state.max_episode_steps))


def _potential(state: WorldState) -> FloatArray:
    """The shaping potential, (worlds,): 0 at the end, so that it pays for nothing itself.

    It reads the chart, the model and the way, never the truth.
    """
    likely = state["likely"]
    away = state.props.position[:, BENIGN:, :2] - state.avatars.position[:, DOCTOR, None, :2]
    away = pmath.hypot(away[..., 0], away[..., 1])
    expected = (1 - likely) * away[:, 0] + likely * away[:, 1]
    potential = WEIGHTS.evidence * WEIGHTS.decision_value(likely) - WEIGHTS.closer * expected
    ended = (state["decision"] != UNDECIDED) | _sent_home(state)
    return np.where(ended, 0.0, potential)


def _in_hand(state: WorldState) -> IntArray:
    """What each avatar would use now, (worlds, avatars), or NOTHING; as `interaction` has it."""
    away = state.props.position[:, None, :, :2] - state.avatars.position[:, :, None, :2]
    gap = pmath.hypot(away[..., 0], away[..., 1]) - state.bodies.radius[:, None]
    gap -= state.props.half[:, None, :, :2].max(-1)
    angle = pmath.atan2(away[..., 1], away[..., 0]) - state.avatars.heading[..., None]
    angle = np.abs((angle + math.pi) % (2 * math.pi) - math.pi)
    gap = np.where((gap < REACH) & ((angle <= REACH_ANGLE) | (gap < 0)), gap, np.inf)
    nearest = gap.argmin(-1)
    return np.where(np.isfinite(gap.min(-1)), nearest, NOTHING).astype(np.int32)
