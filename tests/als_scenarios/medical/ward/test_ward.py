"""The ward: what nurses see, fetch and give, what it is worth, who is held out, that it works."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from bodies import put_avatar

from als_engine.bodies.avatar import Commands
from als_engine.errors import ArgumentError
from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS
from als_engine.world.arrays import NOTHING
from als_engine.world.layout import check_sign_text, rgb
from als_scenarios.medical.ward import monitors, room
from als_scenarios.medical.ward.charts import BED_COLUMNS, ROUND_COLUMNS
from als_scenarios.medical.ward.expert import look_ahead
from als_scenarios.medical.ward.glucose import (
    DEPOT,
    PLASMA,
    V_G,
    advance,
    bed_rows,
    measure,
    patients,
)
from als_scenarios.medical.ward.monitors import ALARM_HIGH, ALARM_LOW, SILENT, monitor_text
from als_scenarios.medical.ward.plans import MINUTES, NEVER, START
from als_scenarios.medical.ward.ward import DOSE, HYPOGLYCAEMIA, RISK, Ward

SCENARIO = "ALS/Ward-v0"
STAY, USE = 0, 7
READ, GLUCOSE, AGE = (BED_COLUMNS.index(name) for name in ("read", "glucose", "age"))


def enter(num_worlds: int = 1, **arguments: Any) -> Simulation:
    arguments.setdefault("sensors", ["charts", "round"])
    sim = simulate(SCENARIO, num_worlds, **arguments)
    sim.reset(range(num_worlds))
    sim.observe()
    return sim


def send(sim: Simulation, avatar: int, prop: int, world: int = 0) -> None:
    """Puts an avatar where it can use a bed or a tray, at rest and facing it."""
    place = room.standing_places(sim.state, sim.task.num_beds)[world, avatar, prop]
    away = sim.state.props.position[world, prop, :2] - place
    put_avatar(sim, avatar, place, math.atan2(away[1], away[0]), world)


def send_away(sim: Simulation) -> None:
    """Puts all avatars to the ends of the room, far from every bed's foot."""
    for avatar in range(sim.num_avatars):
        put_avatar(sim, avatar, (-1.9 + 0.6 * (avatar // 2), (-1) ** avatar * 0.3))


def wait(sim: Simulation, steps: int = 1) -> None:
    for _ in range(steps):
        sim.step(np.full((sim.num_worlds, sim.observers), STAY))


def use(sim: Simulation, avatar: int, prop: int, times: int = 1) -> None:
    """One avatar of the first world uses a bed or a tray; everybody else stands still."""
    for _ in range(times):
        send(sim, avatar, prop)
        actions = np.full((sim.num_worlds, sim.observers), STAY)
        actions[0, avatar] = USE
        sim.step(actions)
        assert sim.state.events.used[0, avatar] == prop


def tray(sim: Simulation, name: str) -> int:
    return sim.state.prop(name)


def hand(sim: Simulation, avatar: int = 0) -> dict[str, float]:
    columns = dict(zip(ROUND_COLUMNS, sim.observations["round"][0, avatar].tolist(), strict=True))
    return {name: 6 * columns[name] for name in ("sugar", "small_doses", "large_doses")}


def column(sim: Simulation, name: str, avatar: int = 0) -> np.ndarray:
    return sim.observations["charts"][0, avatar, :, BED_COLUMNS.index(name)]


def set_glucose(sim: Simulation, bed: int, glucose: float) -> None:
    """Lets all glucose of a body, its sensor without error, be at a level."""
    state = sim.state
    volume = patients().parameters[state["patient"][0, bed], V_G]
    body = state["body"][0, bed]
    body[[3, 4, 12]] *= glucose * volume / body[PLASMA]
    body[12] = glucose * volume
    state["noise"][0, bed] = 0.0


def play(policy: str, num_worlds: int, **arguments: Any) -> dict[str, np.ndarray]:
    """A day in every world: what it returned, and the metrics at its end."""
    sim = enter(num_worlds, sensors=["proprioception"], **arguments)
    rng = np.random.default_rng(0)
    shape = (num_worlds, sim.observers)
    while not sim.truncated.any():
        if policy == "random":
            actions = rng.integers(sim.action_space.n, size=shape)
        else:
            actions = sim.expert_actions(None if policy == "expert" else policy)
        sim.advance(actions)
    sim.close()
    return {**sim.metrics(), "return": sim.returns[:, 0].copy()}


# -- reading ---------------------------------------------------------------------------------------


def test_at_first_nothing_was_read_and_rows_without_a_bed_are_empty() -> None:
    sim = enter(num_beds=5)
    charts = sim.observations["charts"][0]
    assert charts.shape == (2, 8, len(BED_COLUMNS))
    assert charts[:, :5, 0].all()
    assert not charts[:, 5:].any()
    assert not charts[:, :, [READ, GLUCOSE]].any()
    assert (charts[:, :5, AGE] == 1).all()


def test_a_nurse_at_the_foot_reads_the_monitor_for_everybody() -> None:
    sim = enter(background="waits")
    send_away(sim)
    send(sim, 1, 2)
    wait(sim)
    shown = sim.state["shown"][0, 2]
    for avatar in (0, 1):
        assert column(sim, "read", avatar).tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
        assert column(sim, "glucose", avatar)[2] == pytest.approx(shown / 400)
        assert column(sim, "age", avatar)[2] == 0
    sign = sim.state.signs.text[0][2]
    assert sign.startswith(f"BED 3\n{shown:3.0f} ")
    assert "06:01" in sign


def test_a_reading_grows_old_and_is_taken_anew_every_fourth_step() -> None:
    sim = enter()
    send_away(sim)
    send(sim, 0, 0)
    ages = []
    for _ in range(9):
        wait(sim)
        ages.append(round(float(column(sim, "age")[0]) * 240 / MINUTES))
    assert ages == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    send_away(sim)
    wait(sim, 6)
    assert round(float(column(sim, "age")[0]) * 240 / MINUTES) == 6


def test_what_was_not_read_is_in_no_observation() -> None:
    every = ["charts", "round", "proprioception", "entities", "text", "heard", "rgb", "audio"]
    seen = []
    for changed in (False, True):
        sim = enter(sensors=every, frame_size=32)
        send_away(sim)
        wait(sim)
        if changed:
            set_glucose(sim, 1, 1.1 * float(sim.state["glucose"][0, 1]))
            sim.state["pump"][0] = 1.0
            later = sim.state["meal_time"][0, 1] > START + 200
            sim.state["meal_grams"][0, 1, later] += 5
        wait(sim, 3)
        assert not sim.state["alarm"].any()
        seen.append({key: array.tobytes() for key, array in sim.observations.items()})
    assert seen[0] == seen[1]


def test_a_sensor_is_late_and_errs_but_not_by_much() -> None:
    sim = enter(16)
    gaps = []
    for _ in range(120):
        wait(sim)
        gaps.append(sim.state["shown"] - sim.state["glucose"])
    assert 5 < np.std(gaps) < 20
    assert abs(np.mean(gaps)) < 8


# -- alarms and meals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("glucose", "kind", "word"), [(60.0, ALARM_LOW, "low"), (300.0, ALARM_HIGH, "high")]
)
def test_an_alarm_is_heard_and_seen_by_everybody(glucose: float, kind: int, word: str) -> None:
    sim = enter()
    send_away(sim)
    set_glucose(sim, 3, glucose)
    wait(sim)
    state = sim.state
    assert state["alarm"][0].tolist() == [SILENT] * 3 + [kind]
    lamp, sound = state.prop("lamp 4"), state.sounds.names.index("alarm 4")
    assert tuple(state.props.color[0, lamp]) == rgb(room.LAMP_COLORS[kind])
    assert tuple(state.signs.paper[0, 3]) == rgb(room.PAPERS[kind])
    assert state.sounds.on[0, sound]
    assert state.sounds.text[0][sound] == f"bed 4: glucose is {word}"
    assert column(sim, f"alarm_{word}", 0)[3] == column(sim, f"alarm_{word}", 1)[3] == 1
    assert column(sim, "read").sum() == 0
    set_glucose(sim, 3, 75.0 if kind == ALARM_LOW else 245.0)
    wait(sim)
    assert state["alarm"][0, 3] == kind  # Not yet far enough inside.
    set_glucose(sim, 3, 120.0)
    wait(sim)
    assert state["alarm"][0, 3] == SILENT
    assert not state.sounds.on[0, sound]
    assert tuple(state.props.color[0, lamp]) == rgb(room.LAMP_COLORS[SILENT])


def test_a_meal_is_announced_an_hour_and_a_half_before_and_then_eaten() -> None:
    sim = enter()
    state = sim.state
    send_away(sim)
    state["meal_time"][0], state["meal_grams"][0] = NEVER, 0.0
    state["meal_time"][0, 2, 1], state["meal_grams"][0, 2, 1] = START + 120, 45.0
    kitchen = state.sounds.names.index("kitchen")
    wait(sim, 19)
    assert not state["due_grams"].any()
    wait(sim)
    assert state["due_in"][0, 2] == 90
    assert state.sounds.text[0][kitchen] == "meal: bed 3 45 g at 08:00"
    assert "MEAL 45g 08:00" in state.signs.text[0][2]
    assert column(sim, "meal_grams")[2] == pytest.approx(45 / 120)
    assert column(sim, "meal_in")[2] == 1
    wait(sim, 10)
    assert not state.sounds.on[0, kitchen]
    wait(sim, 50)
    assert state["due_in"][0, 2] == 0
    assert state["plate"][0, 2] == 0
    wait(sim)
    assert state["plate"][0, 2] == 45 - 7.5
    assert state["due_grams"][0, 2] == 0
    assert column(sim, "carbs_on_board")[2] == pytest.approx(45 / 120, rel=0.1)
    before = float(state["glucose"][0, 2])
    wait(sim, 40)
    assert state["glucose"][0, 2] > before + 20


@pytest.mark.parametrize("due", [(0.0, 0.0), (105.0, 1_199.0)])
@pytest.mark.parametrize("read", [NOTHING, 1_259.5])
def test_every_text_fits_on_a_monitor(due: tuple[float, float], read: float) -> None:
    lines = check_sign_text("monitor", monitor_text(7, 600.0, -9.0, read, due, 14.9))
    assert len(lines) == 4


# -- doses -----------------------------------------------------------------------------------------


def test_a_tray_puts_doses_into_the_hand_and_another_one_drops_them() -> None:
    sim = enter()
    use(sim, 0, tray(sim, "small doses"), times=2)
    assert hand(sim) == pytest.approx({"sugar": 0, "small_doses": 2, "large_doses": 0})
    assert not any(hand(sim, 1).values())
    use(sim, 0, tray(sim, "large doses"))
    assert hand(sim) == pytest.approx({"sugar": 0, "small_doses": 0, "large_doses": 1})
    use(sim, 0, tray(sim, "sugar"), times=8)
    assert hand(sim) == pytest.approx({"sugar": 6, "small_doses": 0, "large_doses": 0})


@pytest.mark.parametrize(
    ("name", "units", "grams"),
    [("small doses", 0.5, 0.0), ("large doses", 2.5, 0.0), ("sugar", 0.0, 15.0)],
)
def test_a_bed_takes_one_dose_out_of_the_hand(name: str, units: float, grams: float) -> None:
    sim = enter()
    state = sim.state
    use(sim, 0, tray(sim, name), times=2)
    depot = float(state["body"][0, 1, DEPOT])
    use(sim, 0, 1)
    weight = patients().weight[state["patient"][0, 1]]
    assert sum(hand(sim).values()) == pytest.approx(1)
    assert state["given"][0].tolist() == [1, units, grams]
    assert state["iob"][0, 1].sum() == pytest.approx(units, rel=0.01)
    assert state["cob"][0, 1].sum() == pytest.approx(grams, rel=0.01)
    risen = (state["body"][0, 1, DEPOT] - depot) * weight / 6000
    assert risen == pytest.approx(units, abs=0.15)
    assert state["plate"][0, 1] == max(0.0, grams - 7.5)
    cost = sim.rewards[0, 0] - RISK * state["risk"][0].mean() - state["shaping"][0]
    assert cost == pytest.approx(DOSE)
    use(sim, 0, 1, times=2)
    assert sim.metrics()["doses"][0] == 2
    assert not sum(hand(sim).values())


def test_an_empty_hand_gives_nothing_and_masks_say_so() -> None:
    sim = enter()
    use(sim, 0, 1)
    assert not sim.state["given"].any()
    send(sim, 0, 1)
    send(sim, 1, tray(sim, "sugar"))
    masks = sim.action_masks()[0]
    assert not masks[0, USE]
    assert masks[1, USE]
    use(sim, 0, tray(sim, "sugar"))
    send(sim, 0, 1)
    assert sim.action_masks()[0, 0, USE]


def test_everybody_sees_what_a_nurse_carries() -> None:
    sim = enter()
    use(sim, 1, tray(sim, "sugar"))
    wait(sim)
    state, prop = sim.state, room.first_dose(4) + 1
    assert state.props.present[0, prop]
    assert state.avatars.held[0].tolist() == [NOTHING, prop]
    assert tuple(state.props.color[0, prop]) == rgb(room.TRAY_COLORS[room.SUGAR])
    away = state.props.position[0, prop] - state.avatars.position[0, 1]
    assert math.hypot(away[0], away[1]) < 0.4
    use(sim, 1, 0)
    assert not state.props.present[0, prop]
    assert state.avatars.held[0].tolist() == [NOTHING, NOTHING]


def test_insulin_on_board_is_gone_after_a_few_hours() -> None:
    sim = enter()
    use(sim, 0, tray(sim, "large doses"))
    use(sim, 0, 0)
    parts = []
    for _ in range(5):
        parts.append(float(sim.state["iob"][0, 0].sum()) / 2.5)
        wait(sim, 40)
    hours = np.arange(5) * 60 / 55 + MINUTES / 55
    np.testing.assert_allclose(parts, (1 + hours) * np.exp(-hours), atol=0.01)
    assert parts[-1] < 0.1


# -- rewards, metrics, success ---------------------------------------------------------------------


def test_the_reward_is_risk_and_severe_hypoglycaemia_of_all_beds() -> None:
    sim = enter()
    send_away(sim)
    for bed, glucose in enumerate((112.5, 50.0, 250.0, 112.5)):
        set_glucose(sim, bed, glucose)
    wait(sim)
    state = sim.state
    symmetric = 1.509 * (np.log(state["glucose"][0]) ** 1.084 - 5.381)
    np.testing.assert_allclose(state["risk"][0], 10 * symmetric**2, atol=1e-9)
    terms = sim.task.reward_terms(state)
    assert terms["risk"][0] == pytest.approx(RISK * state["risk"][0].mean())
    assert terms["hypoglycaemia"][0] == pytest.approx(HYPOGLYCAEMIA / 4)
    assert not terms["doses"].any()
    assert sim.rewards[0, 0] == sim.rewards[0, 1]


def test_shaping_gives_every_day_the_same_whatever_is_done() -> None:
    for used in ([], ["sugar", "bed 1"], ["large doses", "large doses", "bed 2", "bed 3"]):
        sim = enter(max_episode_steps=40)
        start, total = float(sim.state["potential"][0]), 0.0
        for step in range(40):
            use(sim, 0, tray(sim, used[step])) if step < len(used) else wait(sim)
            total += float(sim.state["shaping"][0])
        assert sim.truncated[0]
        assert total == pytest.approx(-start)


def test_insulin_for_an_announced_meal_is_shaped_for_and_what_is_hidden_is_not() -> None:
    earned = []
    for hidden in (False, True):
        sim = enter()
        state = sim.state
        state["meal_time"][0], state["meal_grams"][0] = NEVER, 0.0
        state["meal_time"][0, 1, 0], state["meal_grams"][0, 1, 0] = START + 60, 60.0
        if hidden:
            state["body"][0] *= 1.2
            state["pump"][0] = 1.0
        terms = []
        wait(sim)
        for prop in (tray(sim, "small doses"), 1, tray(sim, "small doses"), 0):
            terms.append(float(state["shaping"][0]))
            use(sim, 0, prop)
        terms.append(float(state["shaping"][0]))
        earned.append(terms)
    announced, drawn, given, _, wasted = earned[0]
    assert earned[0] == earned[1]
    assert announced < 0 < min(drawn, given)
    assert wasted < 0


def test_metrics_are_shares_of_the_day_so_far() -> None:
    sim = enter()
    send_away(sim)
    for glucose in (120.0, 120.0, 60.0, 40.0, 200.0):
        for bed in range(4):
            set_glucose(sim, bed, glucose)
        wait(sim)
    metrics = {name: float(value[0]) for name, value in sim.metrics().items()}
    assert metrics["time_in_range"] == pytest.approx(0.4)
    assert metrics["time_below_70"] == pytest.approx(0.4)
    assert metrics["time_below_54"] == pytest.approx(0.2)
    assert metrics["time_above_180"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("name", "share", "kept"),
    [("within", 0.7, True), ("within", 0.69, False), ("below", 0.039, True), ("below", 0.04, False),
     ("severe", 0.009, True), ("severe", 0.011, False)],
)  # fmt: skip
def test_it_is_a_success_if_the_consensus_was_kept_all_day(
    name: str, share: float, kept: bool
) -> None:
    sim = enter(max_episode_steps=4)
    state = sim.state
    wait(sim, 3)
    state["within"][:] = 4.0
    assert not sim.metrics()["success"][0]
    wait(sim)
    assert sim.truncated[0]
    for sums, value in {"within": 1.0, "below": 0.0, "severe": 0.0, name: share}.items():
        state[sums][:] = 4 * value + (1e-12 if sums == "within" else 0)
    assert sim.metrics()["success"][0] == kept


# -- who is in the ward ----------------------------------------------------------------------------


@pytest.mark.parametrize("beds", [3, 9, 2.5, "four"])
def test_a_ward_has_four_to_eight_beds(beds: Any) -> None:
    with pytest.raises(ArgumentError, match="num_beds must be a whole number from 4 to 8"):
        Ward(num_beds=beds)


def test_the_days_of_a_stay_have_the_same_patients_and_other_meals() -> None:
    sim = simulate("ALS/Ward-v0", 1, sensors=["proprioception"], days=5)
    days = [sim.lay_out(level).quantities for level in range(10)]
    who = [tuple(np.asarray(day["patient"]).tolist()) for day in days]
    assert len(set(who[:5])) == len(set(who[5:])) == 1
    assert who[0] != who[5]
    assert len({np.asarray(day["meal_grams"]).tobytes() for day in days}) == 10
    sim.close()
    alone = simulate("ALS/Ward-v0", 1, sensors=["proprioception"]).lay_out(0).quantities
    assert np.array_equal(alone["plan"], days[0]["plan"])


@pytest.mark.parametrize("days", [0, 101, 1.5])
def test_a_stay_has_a_day_at_least(days: Any) -> None:
    with pytest.raises(ArgumentError, match="days must be a whole number from 1 to 100"):
        Ward(days=days)


@pytest.mark.parametrize("beds", [4, 5, 8])
def test_every_bed_and_tray_can_be_used_from_where_one_stands(beds: int) -> None:
    sim = enter(num_beds=beds, num_avatars=1)
    for prop in range(beds + 3):
        use(sim, 0, prop)


def test_validation_and_test_each_have_one_who_is_in_the_ward_there_only() -> None:
    behaviours = Ward().behaviours()
    held_out = {n: one.splits for n, one in behaviours.items() if "train" not in one.splits}
    assert held_out == {"follows": ("test",), "circles": ("validation",)}
    for split in LEVELS:
        sim = enter(32, split=split, observers=1)
        met = {list(behaviours)[i] for i in sim.state.behaviour[:, 1].tolist()}
        assert met == {name for name, one in behaviours.items() if split in one.splits}


@pytest.mark.parametrize("behaviour", ["waits", "rounds", "paces", "follows", "circles"])
def test_people_who_are_no_nurses_walk_about_and_read_nothing(behaviour: str) -> None:
    sim = enter(4, observers=1, num_avatars=3, background=behaviour)
    start = sim.state.avatars.position[:, 1:].copy()
    for world in range(4):
        put_avatar(sim, 0, (-2.0, 0.0), 0.0, world)
    wait(sim, 90)
    assert (sim.state["read_at"] == NOTHING).all()
    assert not sim.state["given_so_far"].any()
    assert (np.abs(sim.state.avatars.position[:, 1:] - start) > 0.2).any()
    clothes = {tuple(color) for color in sim.state.avatars.color[:, 1:].reshape(-1, 3).tolist()}
    assert rgb("teal") not in clothes


# -- it can be done --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["continuous", "factored"])
def test_the_expert_works_in_every_mode(mode: str) -> None:
    sim = enter(4, action_mode=mode, split="train")
    for _ in range(120):
        sim.advance(sim.expert_actions())
    assert (sim.metrics()["doses"] >= 2).all()


def test_what_the_expert_gives_lowers_the_risk_of_the_real_model() -> None:
    sim = enter(8)
    wait(sim, 60)
    state = sim.state
    wants = look_ahead(state, np.ones((8, 2), np.bool_))
    chosen = (wants.insulin > 0) & (wants.urgency > 3)
    assert chosen.sum() > 8
    risks = []
    for units in (0.0, wants.insulin):
        rows = [array.copy() for array in bed_rows(state)]
        rows[1][..., DEPOT] += units * 6000 / patients().weight[state["patient"]]
        plasma, risk, total = np.zeros(chosen.shape), np.zeros(chosen.shape), 0.0
        for step in range(130):
            monitors.serve(
                state.step + step + 1, state["meal_time"], state["meal_grams"], rows[3],
                np.zeros((8, 4, 2)),
            )  # fmt: skip
            advance(patients().parameters, tuple(rows), MINUTES)
            measure(patients().parameters, rows[0], rows[1], plasma, risk)
            total = total + risk
        risks.append(total)
    assert (risks[1] < risks[0])[chosen].all()


@pytest.mark.parametrize("rule", ["basal-bolus", "pid"])
def test_a_rule_goes_by_nothing_that_a_nurse_could_not_know(rule: str) -> None:
    sim = enter(4)
    for _ in range(80):
        sim.advance(sim.expert_actions(rule))
    before = sim.expert_actions(rule).copy()
    state = sim.state
    state["body"][:] *= 0.7
    state["glucose"][:], state["pump"][:], state["shown"][:] = 50.0, 1.0, 50.0
    state["meal_grams"][:] = 3.0
    np.testing.assert_array_equal(sim.expert_actions(rule), before)
    commands = Commands(4, 2)
    sim.task.heuristics()[rule](state, np.zeros((4, 2), np.bool_), commands)
    assert not commands.hand.any()
    assert not commands.move.any()


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_world_is_the_same_alone_and_among_others(split: str) -> None:
    many = enter(5, split=split, observers=1, num_avatars=3)
    alone = simulate(SCENARIO, split=split, observers=1, num_avatars=3, sensors=["charts"])
    for seed in (0, 4):
        many.reset(range(5))
        alone.reset([seed])
        for _ in range(60):
            many.step(many.expert_actions())
            alone.step(alone.expert_actions())
            assert many.state.digest(seed) == alone.state.digest(0)
            assert many.rewards[seed].tolist() == alone.rewards[0].tolist()
            charts = alone.observations["charts"][0]
            np.testing.assert_array_equal(many.observations["charts"][seed], charts)


def test_a_monitor_that_nobody_read_shows_no_number() -> None:
    assert monitor_text(0, 0.0, 0.0, NOTHING, (0.0, 0.0), 0.0) == "BED 1\n---\n \nIOB 0.0 U"
