"""`ALS/Diagnosis-v0`: measure a real patient's tumour at the stations of a clinic, then decide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.avatar import HAND_USE
from als_engine.interaction import REACH, REACH_ANGLE
from als_engine.layout import Layout
from als_engine.navigation import Navigator, face
from als_engine.sensors.base import Sensor
from als_engine.state import NOTHING, Body, BoolArray, FloatArray, IntArray, Quantity, WorldState
from als_engine.task import Behaviour, Role, Task, split_of
from als_scenarios.medical import clinic
from als_scenarios.medical.clinic import BENIGN, MALIGNANT
from als_scenarios.medical.patients import (
    CLIP,
    NUM_FEATURES,
    NUM_PANELS,
    ORDER,
    PANEL_OF_FEATURE,
    PANELS,
    malignancy,
    panel_text,
    patients,
)

if TYPE_CHECKING:
    from als_engine.avatar import Commands

DOCTOR: Final = 0
"""The avatar that decides."""

UNDECIDED, SAID_BENIGN, SAID_MALIGNANT = range(3)
CONFIDENT: Final = 0.97
"""The expert decides when a diagnosis is at least as likely as this."""

DETOUR: Final = 0.6
"""How much further the expert walks for a panel that is one place higher in `ORDER`, metres."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What each term of the reward weighs.

    Attributes:
        right: the right decision.
        false_alarm: a benign tumour called malignant.
        missed: a malignant tumour called benign.
        panel: each panel when it is first measured.
        step: each step.
        evidence: shaping, for what the chart makes a decision worth, in units of the reward.
        closer: shaping, for each metre that the doctor comes closer to where the right desk is
            expected.
    """

    right: float = 5.0
    false_alarm: float = -2.0
    missed: float = -5.0
    panel: float = -0.1
    step: float = -0.005
    evidence: float = 0.3
    closer: float = 0.3

    @property
    def threshold(self) -> float:
        """The probability of malignancy from which the malignant desk is the better one."""
        alarm, miss = self.right - self.false_alarm, self.right - self.missed
        return alarm / (alarm + miss)

    def decision_value(self, likely: FloatArray) -> FloatArray:
        """What the better decision is worth where malignancy is so likely."""
        malignant = likely * self.right + (1 - likely) * self.false_alarm
        benign = (1 - likely) * self.right + likely * self.missed
        return np.maximum(malignant, benign)


WEIGHTS: Final = Weights()


class Chart(Sensor):
    """The patient's chart, float32 (61,): the same for everyone who treats the patient.

    | column | is | range |
    | --- | --- | --- |
    | 0 to 29 | the measurements: ten means, ten errors, ten worst values, in standard deviations \
from the mean of the training patients; 0 where not measured | ±5 |
    | 30 to 59 | 1 where the measurement has been made | 0, 1 |
    | 60 | 1 for the doctor, who decides; 0 for a nurse | 0, 1 |
    """

    provides: ClassVar[tuple[str, ...]] = ("chart",)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space, bounded column by column."""
        low = np.zeros(2 * NUM_FEATURES + 1, np.float32)
        high = np.ones_like(low)
        low[:NUM_FEATURES], high[:NUM_FEATURES] = -CLIP, CLIP
        return {"chart": gymnasium.spaces.Box(low, high, dtype=np.float32)}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Fills `chart`, (worlds, observers, 61)."""
        chart, known = out["chart"], state["measured"][:, PANEL_OF_FEATURE]
        chart[..., :NUM_FEATURES] = (patients().standard[state["patient"]] * known)[:, None]
        chart[..., NUM_FEATURES : 2 * NUM_FEATURES] = known[:, None]
        chart[..., -1] = 0.0
        chart[:, DOCTOR, -1] = 1.0


class Diagnosis(Task):
    """A clinic with real patients: pay for measurements, then decide between two desks.

    ## Description

    Todo:
    """

    default_sensors: ClassVar[tuple[str, ...]] = ("chart", "entities", "proprioception")
    utterances: ClassVar[tuple[str, ...]] = ("benign", "malignant", "measure more")
    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {"chart": Chart}

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
        """The terms of `WEIGHTS`; shared by everyone who treats the patient."""
        now, right = state["decided_now"], self.success(state)
        ill = _malignant(state)
        return self.everyone(
            WEIGHTS.right * (now & right)
            + WEIGHTS.false_alarm * (now & ~right & ~ill)
            + WEIGHTS.missed * (now & ~right & ill)
            + WEIGHTS.panel * state["bought"]
            + state["shaping"]
            + WEIGHTS.step
        )

    def terminated(self, state: WorldState) -> BoolArray:
        """The doctor has decided."""
        return np.asarray(state["decision"] != UNDECIDED)

    def success(self, state: WorldState) -> BoolArray:
        """The decision is right."""
        said = np.where(_malignant(state), SAID_MALIGNANT, SAID_BENIGN)
        return np.asarray(state["decision"] == said)

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """What was decided, what was true, and what it cost."""
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

    # -- who walks about ------------------------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """People in the hall who do not treat the patient; "follows" is held out of training."""
        return {
            "waits": Behaviour(partial(self._with_navigator, clinic.waits)),
            "rounds": Behaviour(partial(self._with_navigator, clinic.rounds)),
            "paces": Behaviour(partial(self._with_navigator, clinic.paces)),
            "follows": Behaviour(partial(self._with_navigator, clinic.follows), splits=("test",)),
        }

    def _with_navigator(
        self, walk: clinic.Walk, state: WorldState, who: BoolArray, commands: Commands
    ) -> None:
        assert self._navigator is not None
        walk(state, who, commands, self._navigator)

    # -- the expert -----------------------------------------------------------------------------

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Measures in the model's order until it is confident, then signs at the likelier desk.

        The truth is never read: the expert knows the chart, the training patients and the way.
        """
        goal = self._goals(state, who)
        busy = who & (goal != NOTHING)
        use = busy & (_in_hand(state) == goal)
        commands.hand[use] = HAND_USE
        every = np.maximum(goal, 0)[..., None]
        places = np.take_along_axis(clinic.standing_places(state), every, axis=1)
        assert self._navigator is not None
        self._navigator.walk(places, commands, busy & ~use)
        away = places - state.avatars.position[..., :2]
        there = busy & ~use & (np.hypot(away[..., 0], away[..., 1]) < 0.2)
        if there.any():
            props = np.take_along_axis(state.props.position[..., :2], every, axis=1)
            face(state, props, commands, there)

    def _goals(self, state: WorldState, who: BoolArray) -> IntArray:
        """The prop that each avatar goes to use, (worlds, avatars), or NOTHING."""
        likely, missing = state["likely"], ~state["measured"]
        sure = (np.maximum(likely, 1 - likely) >= CONFIDENT) | ~missing.any(1)
        away = state.props.position[:, None, :NUM_PANELS] - state.avatars.position[:, :, None]
        price = np.hypot(away[..., 0], away[..., 1]) + DETOUR * np.argsort(ORDER)
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


def _potential(state: WorldState) -> FloatArray:
    """The shaping potential, (worlds,): 0 once it is decided, so that it pays for nothing itself.

    It reads the chart, the training patients and the way, never the truth.
    """
    likely = state["likely"]
    away = state.props.position[:, BENIGN:, :2] - state.avatars.position[:, DOCTOR, None, :2]
    away = np.hypot(away[..., 0], away[..., 1])
    expected = (1 - likely) * away[:, 0] + likely * away[:, 1]
    potential = WEIGHTS.evidence * WEIGHTS.decision_value(likely) - WEIGHTS.closer * expected
    return np.where(state["decision"] == UNDECIDED, potential, 0.0)


def _in_hand(state: WorldState) -> IntArray:
    """What each avatar would use now, (worlds, avatars), or NOTHING; as `interaction` has it."""
    away = state.props.position[:, None, :, :2] - state.avatars.position[:, :, None, :2]
    gap = np.hypot(away[..., 0], away[..., 1]) - state.bodies.radius[:, None]
    gap -= state.props.half[:, None, :, :2].max(-1)
    angle = np.arctan2(away[..., 1], away[..., 0]) - state.avatars.heading[..., None]
    angle = np.abs((angle + math.pi) % (2 * math.pi) - math.pi)
    gap = np.where((gap < REACH) & ((angle <= REACH_ANGLE) | (gap < 0)), gap, np.inf)
    nearest = gap.argmin(-1)
    return np.where(np.isfinite(gap.min(-1)), nearest, NOTHING).astype(np.int32)
