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


@dataclass(frozen=True, slots=True)
class Weights:
    """What each term of the reward weighs.

    Attributes:
        right: the right decision.
        false_alarm: a benign tumour called malignant.
        missed: a malignant tumour called benign.
        panel: each panel when it is first measured.
        step: each step.
        closer: each metre that the doctor comes closer to the nearest desk (shaping).
    """

    right: float = 5.0
    false_alarm: float = -2.0
    missed: float = -5.0
    panel: float = -0.1
    step: float = -0.005
    closer: float = 0.1

    @property
    def threshold(self) -> float:
        """The probability of malignancy from which the malignant desk is the better one."""
        alarm, miss = self.right - self.false_alarm, self.right - self.missed
        return alarm / (alarm + miss)


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
            "to_desk": Quantity(),
            "progress": Quantity(),
            "errand": Quantity((self.num_avatars,), np.int32),
        }

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """A patient of the level's split in a clinic of its own."""
        waiting = patients().of(split_of(level))
        patient = int(waiting[rng.integers(len(waiting))])
        return clinic.clinic(rng, self.num_avatars, patient)

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Notes how far the desks are."""
        state["to_desk"][worlds] = _to_desk(state)[worlds]
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state)
        self._navigator.refresh(worlds)

    def after_step(self, state: WorldState) -> None:
        """Carries out what was used: stations measure, desks decide."""
        used, measured, decision = state.events.used, state["measured"], state["decision"]
        open_ = decision == UNDECIDED
        asked = (used[..., None] == np.arange(NUM_PANELS)).any(1)
        new = asked & ~measured & open_[:, None]
        measured |= new
        state["bought"][:] = new.sum(1)
        signed = used[:, DOCTOR]
        now = state["decided_now"]
        np.logical_and(open_, (signed == BENIGN) | (signed == MALIGNANT), out=now)
        decision[now] = np.where(signed[now] == BENIGN, SAID_BENIGN, SAID_MALIGNANT)
        away = _to_desk(state)
        state["progress"][:] = state["to_desk"] - away
        state["to_desk"][:] = away
        if new.any():
            for world, panel in np.argwhere(new).tolist():
                text = panel_text(panel, int(state["patient"][world]))
                state.signs.write(world, panel, text)

    def reward(self, state: WorldState) -> FloatArray:
        """The terms of `WEIGHTS`; shared by everyone who treats the patient."""
        now, right = state["decided_now"], self.success(state)
        ill = _malignant(state)
        return self.everyone(
            WEIGHTS.right * (now & right)
            + WEIGHTS.false_alarm * (now & ~right & ~ill)
            + WEIGHTS.missed * (now & ~right & ill)
            + WEIGHTS.panel * state["bought"]
            + WEIGHTS.closer * state["progress"]
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
        measured = state["measured"]
        odds = malignancy(state["patient"], measured)
        sure = (np.maximum(odds, 1 - odds) >= CONFIDENT) | measured.all(1)
        # Those who help take the next missing panels in order, the doctor the first of them.
        order = np.array(ORDER)
        missing = order[np.argsort(measured[:, order], axis=1, kind="stable")]
        turn = np.cumsum(who, axis=1) - 1
        wanted = np.take_along_axis(missing, np.clip(turn, 0, NUM_PANELS - 1), axis=1)
        left = NUM_PANELS - measured.sum(1)
        goal = np.where((turn < left[:, None]) & ~sure[:, None], wanted, NOTHING)
        desk = np.where(odds >= WEIGHTS.threshold, MALIGNANT, BENIGN)
        goal[:, DOCTOR] = np.where(sure, desk, goal[:, DOCTOR])
        return goal.astype(np.int32)


def _malignant(state: WorldState) -> BoolArray:
    return np.asarray(patients().malignant[state["patient"]])


def _to_desk(state: WorldState) -> FloatArray:
    """How far the doctor is from the nearest desk, (worlds,), metres."""
    away = state.props.position[:, BENIGN:, :2] - state.avatars.position[:, DOCTOR, None, :2]
    return np.asarray(np.hypot(away[..., 0], away[..., 1]).min(1))


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
