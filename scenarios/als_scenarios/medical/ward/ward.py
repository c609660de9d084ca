"""`ALS/Ward-v0`: nurses keep the glucose of patients with type 1 diabetes in range, for a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.avatar import HAND_USE
from als_engine.checks import whole_number
from als_engine.navigation import Navigator
from als_engine.sensors.base import Sensor
from als_engine.task import Act, Behaviour, Outcomes, Role, Task, add_terms, block_of, split_of
from als_engine.world.arrays import NOTHING, Body, BoolArray, FloatArray
from als_engine.world.body import COMMANDS
from als_engine.world.layout import Layout, rgb
from als_engine.world.state import Quantity, WorldState
from als_scenarios.medical.ward import monitors, room, rules, signs
from als_scenarios.medical.ward.charts import Charts
from als_scenarios.medical.ward.expert import look_ahead
from als_scenarios.medical.ward.glucose import (
    STATES,
    UNDER_SKIN,
    V_G,
    advance,
    bed_rows,
    measure,
    patients,
)
from als_scenarios.medical.ward.monitors import SILENT, first_noise
from als_scenarios.medical.ward.nursing import Wants, aims, carry_out
from als_scenarios.medical.ward.plans import (
    MAX_BEDS,
    MEALS,
    MIN_BEDS,
    MINUTES,
    NEVER,
    admit,
    group_of,
)
from als_scenarios.medical.ward.shaping import potential

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands, Possible

GROUPS: Final = ("adolescent", "adult", "child")
RISK: Final = -0.004
"""Reward for each step and unit of the beds' mean risk."""

HYPOGLYCAEMIA: Final = -0.1
"""Reward for each step with a bed below 54 mg/dl, over the number of beds."""

MOST_DAYS: Final = 100
"""The longest stay of the same patients, in levels that follow one another."""

DOSE: Final = -0.02
"""Reward for each dose that is given."""

IN_RANGE, BELOW, BELOW_SEVERE = 0.70, 0.04, 0.01
"""The consensus: the least part of time in 70 to 180, and the most below 70 and below 54."""

_NURSE: Final = Body(
    color="teal",
    speed=3.0,
    turn_speed=6.0,
    turn_acceleration=90.0,
    commands=tuple(each for each in COMMANDS if each not in ("pick up", "put down")),
)
_CIVIL: Final = ((150, 104, 70), (128, 132, 140), (120, 84, 150), (196, 150, 70))
_CHANCE: Final = 0  # The stream of in-episode randomness.


class Ward(Task):
    """A ward with diabetes: read monitors, fetch insulin or sugar, keep everybody in range.

    ## Description

    Four to eight patients with type 1 diabetes lie in their beds, from 6 in the morning until 9 in
    the evening; a step is a minute and a half. A pump gives each of them basal insulin, at 0.9 to
    1.3 of the rate that would hold the fasting glucose. Meals come by a plan, each announced by the
    kitchen an hour and a half before. What is missing is the nurses' work: insulin for meals and
    corrections, sugar against hypoglycaemia.

    A monitor hangs at every bed. A nurse within 0.9 m of the bed's foot reads it, at most every
    fourth step; what was read stays on the monitor and on the chart until the next reading. The
    lamp above is green, red while the alarm for less than 70 mg/dl sounds, yellow while the one
    for more than 250 does. On the counter stand three trays: sugar (pink, 15 g a dose), small doses
    of insulin (light blue, 0.5 units), large ones (blue, 2.5 units). Using a tray puts a dose into
    the hand, which holds six from one tray; what it held from another is thrown away. Using a bed
    gives its patient one dose.

    Glucose follows the UVA/Padova model of thirteen states with the parameters of its thirty
    public virtual patients: ten adolescents (teal blankets), ten adults (blue) and ten children
    (yellow). The monitors measure glucose under the skin, which is late, with the published error
    of sensors. `glucose`, `monitors` and `patients.csv` in this folder have the equations, the
    parameters and their sources.

    All avatars are nurses. Those that the caller does not drive are replaced by others, in clothes
    of their own, who treat nobody: a porter on his `rounds` from bed to bed, a visitor who `waits`
    beside a bed, one who `paces` up and down; in the validation split also a cleaner who `circles`
    the counter, in the test split a relative who `follows` the first nurse.

    Splits: 15 of the patients and six meal plans are met in the train split only, six and two in
    the validation split only, nine and four in the test split only. A level draws patients, plans,
    chance in times (a quarter of an hour) and sizes of meals (15 %), first glucose (80 to 200
    mg/dl), and the place of the trays. The sizes of meals and the plans are made for this scenario.

    ## Observations

    By default `charts`, `round`, `entities` and `proprioception`; `rgb`, `text`, `heard` and all
    others of the engine on request. `charts` is float32 (8, 17), a row for each bed: where it is,
    the last reading with its age and trend, alarms, the announced meal, insulin and carbohydrate on
    board, weight and total daily insulin. `round` is float32 (13,): the doses in the hand, the
    time, where the trays are. `als_scenarios.medical.ward.charts.Charts` lists the columns and
    their ranges. Readings are everybody's; nobody observes what was not read.

    ## Actions

    The engine's discrete, continuous or factored actions without `pick up` and `put down`. `use`
    takes the nearest bed or tray within 0.9 m and at most 70 degrees aside; masks say when it does
    something. Avatars can say "mine" and "help" to each other.

    ## Rewards

    Shared by all; in every step

    | term | reward |
    | --- | --- |
    | `risk` | -0.004 for each unit of the blood glucose risk index (Kovatchev et al. 1997), the \
mean over beds |
    | `hypoglycaemia` | -0.1 times the part of beds below 54 mg/dl |
    | `doses` | -0.02 for each dose given |

    The risk is 0 at 112.5 mg/dl, 7.7 at 180, 22 at 250 and 100 at 20 or 600. On the test split
    one nurse with four beds has a return of about -50 if nothing is given, -49 with random actions,
    -29 by the controller (`pid`) and -18 by the `basal-bolus` rule, which both go by the charts,
    and -6 by the expert, who tries doses on a copy of the true states.

    ## Episode end

    Truncated after 600 steps, at 9 in the evening. It is a success if the consensus of Battelino et
    al. (2019) was kept as a mean over beds: at least 70 % of the time in 70 to 180 mg/dl, less than
    4 % below 70, less than 1 % below 54.

    ## Arguments

    - `num_avatars` (2): 1 to 4 nurses.
    - `num_beds` (4): 4 to 8. One nurse alone with eight is too few: the expert then succeeds on
      three levels of four.

    - `days` (1): 1 to 100 levels that follow one another have the same patients in the same beds,
      and are the days of their stay. Meals, chance and the ward are each day's own.

    ## Metrics

    Shares of time are means over beds and over the steps so far, of glucose in plasma.

    - `success`: the consensus was kept, at the end of the day.
    - `time_in_range`: 70 to 180 mg/dl.
    - `time_below_70`, `time_below_54`, `time_above_180`: hypoglycaemia, severe hypoglycaemia,
      hyperglycaemia.
    - `mean_risk`: the blood glucose risk index.
    - `doses`: how many were given.
    - `insulin`, `sugar`: units and grams that were given.

    ## Version history

    - v0: first version.

    ## References

    - Dalla Man, Rizza and Cobelli (2007), doi:10.1109/TBME.2007.893506; Kovatchev, Breton, Dalla
      Man and Cobelli (2009), doi:10.1177/193229680900300106: the model.
    - simglucose 0.2.11 (Xie 2018), https://github.com/jxx123/simglucose: the patients' parameters.
    - Breton and Kovatchev (2008), doi:10.1177/193229680800200517: the sensors' error.
    - Kovatchev et al. (1997), doi:10.2337/diacare.20.11.1655: the risk.
    - Battelino et al. (2019), doi:10.2337/dci19-0028: time in range.
    """

    default_sensors: ClassVar[tuple[str, ...]] = ("charts", "round", "entities", "proprioception")
    utterances: ClassVar[tuple[str, ...]] = ("mine", "help")
    extra_sensors: ClassVar[Mapping[str, type[Sensor]]] = {"charts": Charts, "round": Charts}
    reward_names: ClassVar[tuple[str, ...]] = ("risk", "hypoglycaemia", "doses", "shaping")

    def __init__(self, num_avatars: int = 2, num_beds: int = 4, days: int = 1) -> None:
        """Makes the ward.

        Raises:
            ArgumentError: an argument is out of its range.
        """
        super().__init__(num_avatars)
        self.num_beds = whole_number("num_beds", num_beds, MIN_BEDS, MAX_BEDS)
        self.days = whole_number("days", days, 1, MOST_DAYS)
        # A cache of the ways through each world's ward; it never changes a result.
        self._navigator: Navigator | None = None

    def roles(self) -> Sequence[Role]:
        """All are nurses."""
        return [Role("nurse", _NURSE)] * self.num_avatars

    def quantities(self) -> Mapping[str, Quantity]:
        """Bodies, monitors, charts, hands, and the day so far."""
        avatars, beds = (self.num_avatars,), (self.num_beds,)
        pair, meals = (self.num_beds, 2), (self.num_beds, MEALS)
        return {
            "patient": Quantity(beds, np.int32),
            "plan": Quantity(beds, np.int32),
            "meal_time": Quantity(meals, np.int32, NEVER),
            "meal_grams": Quantity(meals),
            "body": Quantity((self.num_beds, STATES)),
            "pump": Quantity(beds, initial=1.0),
            "plate": Quantity(beds),
            "stomach": Quantity(beds),
            "eating": Quantity(beds, np.bool_, False),
            "glucose": Quantity(beds),
            "risk": Quantity(beds),
            "shown": Quantity(beds),
            "slow": Quantity(beds),
            "error": Quantity(beds),
            "noise": Quantity(pair),
            "alarm": Quantity(beds, np.int8, SILENT),
            "alarmed": Quantity(beds, np.bool_, False),
            "rewrite": Quantity(beds, np.bool_, False),
            "called": Quantity(beds, np.bool_, False),
            "call_ends": Quantity((), np.int64, NOTHING),
            "read_glucose": Quantity(beds),
            "read_trend": Quantity(beds),
            "read_at": Quantity(beds, np.int32, NOTHING),
            "excess": Quantity(beds),
            "iob": Quantity(pair),
            "cob": Quantity(pair),
            "due_grams": Quantity(beds),
            "due_in": Quantity(beds),
            "hand_tray": Quantity(avatars, np.int32),
            "hand_doses": Quantity(avatars, np.int32),
            "given": Quantity((3,)),
            "given_so_far": Quantity((3,)),
            "within": Quantity(beds),
            "below": Quantity(beds),
            "severe": Quantity(beds),
            "above": Quantity(beds),
            "risk_so_far": Quantity(beds),
            "potential": Quantity(),
            "shaping": Quantity(),
            "errand": Quantity(avatars, np.int32),
        }

    def concepts(self, layout: Layout) -> set[tuple[str, int]]:
        """Who lies in the beds, and by which plans they eat: no two splits share one."""
        return {
            (kind, int(each))
            for kind in ("patient", "plan")
            for each in np.asarray(layout.quantities[kind])
        }

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """Patients and meal plans of the level's split, in a ward of their own."""
        stay = block_of(level, self.days) if self.days > 1 else None
        admitted = admit(rng, split_of(level), self.num_beds, stay)
        error, noise = first_noise(rng, self.num_beds)
        place = room.ward(rng, admitted.patient.tolist(), self.num_avatars)
        volume = patients().parameters[admitted.patient, V_G]
        under = admitted.body[:, UNDER_SKIN] / volume
        first = {**admitted._asdict(), "error": error, "noise": noise}
        first["shown"] = first["slow"] = under + noise[:, 0]
        return room.with_quantities(place, first)

    # -- a step ---------------------------------------------------------------------------------

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Measures everybody, and dresses those who are no nurses."""
        self._measure(state)
        state["potential"][worlds] = potential(state)[worlds]
        guests = state.behaviour[worlds] != NOTHING
        clothes = np.array(_CIVIL, np.uint8)[state.behaviour[worlds] % len(_CIVIL)]
        nurse = np.array(rgb(_NURSE.color), np.uint8)
        state.avatars.color[worlds] = np.where(guests[..., None], clothes, nurse)
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state)
        self._navigator.refresh(worlds)

    def after_step(self, state: WorldState) -> None:
        """Doses are given, meals come, bodies and monitors go on, nurses read."""
        nurses, table = state.behaviour == NOTHING, patients()
        if state.avatars.come_and_go:
            nurses &= state.avatars.present
        treated = state["given"]
        monitors.treat(
            state.events.used, nurses, monitors.hand_rows(state), table.weight, state["patient"],
            state["body"], state["plate"], (state["iob"], state["cob"]), treated,
        )  # fmt: skip
        so_far = state["given_so_far"]
        so_far += treated
        monitors.serve(
            state.step, state["meal_time"], state["meal_grams"], state["plate"], state["cob"]
        )
        advance(table.parameters, bed_rows(state), MINUTES)
        self._measure(state)
        beds = (state.num_worlds, self.num_beds, 2)
        drawn = monitors.new_values(state.step).any()
        monitors.watch(
            state.step, (table.parameters, state["patient"], state["body"]),
            state["glucose"], state["risk"],
            monitors.monitor_rows(state), monitors.known_rows(state),
            (state["meal_time"], state["meal_grams"]),
            (state.avatars.position, nurses, room.feet(state, self.num_beds)),
            state.uniform(_CHANCE, beds[1:]) if drawn else np.zeros(beds),
            monitors.sum_rows(state),
        )  # fmt: skip
        now = potential(state)
        state["shaping"][:] = now - state["potential"]
        state["potential"][:] = now
        signs.carry(state, self.num_beds)
        signs.show(state, self.num_beds)

    def _measure(self, state: WorldState) -> None:
        measure(
            patients().parameters, state["patient"], state["body"], state["glucose"], state["risk"]
        )

    # -- what counts ------------------------------------------------------------------------------

    def reward(self, state: WorldState) -> FloatArray:
        """The sum of the terms, the same for everyone."""
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """Risk, severe hypoglycaemia and doses; see `Rewards`."""
        severe = state["glucose"] < monitors.SEVERE
        return {
            "risk": self.everyone(RISK * state["risk"].mean(1)),
            "hypoglycaemia": self.everyone(HYPOGLYCAEMIA * severe.mean(1)),
            "doses": self.everyone(DOSE * state["given"][:, 0]),
            "shaping": self.everyone(state["shaping"]),
        }

    def _part(self, state: WorldState, name: str) -> FloatArray:
        """The mean over beds of a sum of the day, over the steps so far."""
        return np.asarray(state[name].mean(1) / np.maximum(state.step, 1))

    def success(self, state: WorldState) -> BoolArray:
        """At the end of the day the consensus on time in range was kept."""
        kept = self._part(state, "within") >= IN_RANGE
        kept &= self._part(state, "below") < BELOW
        kept &= self._part(state, "severe") < BELOW_SEVERE
        return kept & (state.step >= state.max_episode_steps)

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """Time in range, hypoglycaemia, hyperglycaemia, risk, and what was given."""
        given = state["given_so_far"].copy()  # A reset writes there.
        return {
            "time_in_range": self._part(state, "within"),
            "time_below_70": self._part(state, "below"),
            "time_below_54": self._part(state, "severe"),
            "time_above_180": self._part(state, "above"),
            "mean_risk": self._part(state, "risk_so_far"),
            "doses": given[:, 0],
            "insulin": given[:, 1],
            "sugar": given[:, 2],
        }

    def outcomes(self, state: WorldState) -> Outcomes:
        """The part of the day that each patient was in range, by age group."""
        groups = np.array([GROUPS.index(group_of(i)) for i in range(len(patients().names))])
        within = state["within"] / np.maximum(state.step, 1)[:, None]
        return Outcomes("time in range", GROUPS, groups[state["patient"]], within)

    def action_mask(self, state: WorldState, possible: Possible) -> None:
        """A hand is of use at a tray, and at a bed when there is a dose in it."""
        aim = aims(state, self.num_beds)
        full = state["hand_doses"] > 0
        possible.hand[..., HAND_USE] &= (aim >= self.num_beds) | (full & (aim != NOTHING))

    # -- who is in the ward -----------------------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """People who treat nobody; "circles" and "follows" are held out."""
        return {
            "rounds": Behaviour(partial(self._walk, room.rounds)),
            "waits": Behaviour(partial(self._walk, room.waits)),
            "paces": Behaviour(partial(self._walk, room.paces)),
            "follows": Behaviour(partial(self._walk, room.follows), splits=("test",)),
            "circles": Behaviour(partial(self._walk, room.circles), splits=("validation",)),
        }

    def _walk(self, walk: room.Walk, state: WorldState, who: BoolArray, commands: Commands) -> None:
        assert self._navigator is not None
        walk(state, who, commands, self._navigator, self.num_beds)

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Tries doses on a copy of everybody's true state, and gives the best ones."""
        self._nurse(look_ahead(state, who), state, who, commands)

    def heuristics(self) -> Mapping[str, Act]:
        """The bolus calculator's rule, and a controller; both go by the charts."""
        return {
            "basal-bolus": lambda *given: self._nurse(rules.basal_bolus(given[0]), *given),
            "pid": lambda *given: self._nurse(rules.pid(given[0]), *given),
        }

    def _nurse(self, wants: Wants, state: WorldState, who: BoolArray, commands: Commands) -> None:
        assert self._navigator is not None
        carry_out(state, who, commands, self._navigator, wants)
