"""The delivery office: what counts as delivered, why it takes two, and that it can be solved."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from bodies import put_avatar

from als_engine.errors import ArgumentError
from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS, split_of
from als_scenarios.office import delivery_floor as floor
from als_scenarios.office.delivery import (
    DONE_REWARD,
    STEP_REWARD,
    STYLES,
    WRONG_REWARD,
    Delivery,
    potential,
)
from als_scenarios.office.delivery_floor import CRATE, FIRST_PARCEL, PAIRS, draw_plan
from als_scenarios.office.delivery_orders import COLUMNS

SCENARIO = "ALS/Delivery-v0"
STAY, FORWARD, PUT_DOWN = 0, 1, 8


def office(num_worlds: int = 1, **arguments: object) -> Simulation:
    arguments.setdefault("sensors", ["orders"])
    sim = simulate(SCENARIO, num_worlds, **arguments)
    sim.reset(range(num_worlds))
    return sim


def place(sim: Simulation, avatar: int, plan_xy: tuple[float, float], heading: float) -> None:
    """Puts an avatar somewhere, at rest; place and heading are in plan coordinates."""
    mirror = sim.state["mirror"][0]
    turned = np.arctan2(mirror[1] * np.sin(heading), mirror[0] * np.cos(heading))
    put_avatar(sim, avatar, np.asarray(plan_xy) * mirror, turned)


def give(sim: Simulation, avatar: int, prop: int) -> None:
    """Puts a parcel into an avatar's hands."""
    sim.state.avatars.held[0, avatar], sim.state.props.holder[0, prop] = prop, avatar
    sim.state.moved[0, prop] = True


def plan_position(sim: Simulation, prop: int) -> np.ndarray:
    return sim.state.props.position[0, prop, :2] * sim.state["mirror"][0]


def before_desk(sim: Simulation, desk: int, away: float) -> tuple[tuple[float, float], float]:
    """A place so far from a desk's middle, and the heading that looks at the desk from there."""
    z, w = sim.state.props.orientation[0, desk, 2:4]
    out = np.array([2 * w * z, z * z - w * w]) * sim.state["mirror"][0]
    x, y = plan_position(sim, desk) + away * out
    return (float(x), float(y)), float(np.arctan2(-out[1], -out[0]))


def play(policy: str, num_worlds: int, **arguments: object) -> dict[str, np.ndarray]:
    """One episode in each world, in lock-step: metrics, return and length at its end."""
    sim = office(num_worlds, **arguments)
    rng = np.random.default_rng(5)
    shape = (num_worlds, sim.observers)
    over = np.zeros(num_worlds, np.bool_)
    result: dict[str, np.ndarray] = {}
    for _ in range(sim.state.max_episode_steps):
        expert = policy == "expert"
        sim.step(sim.expert_actions() if expert else rng.integers(0, len(sim.action_names), shape))
        now = {**sim.metrics(), "return": sim.returns[:, 0], "length": sim.state.step}
        ending = (sim.terminated | sim.truncated) & ~over
        for name, values in now.items():
            result.setdefault(name, np.zeros(num_worlds))[ending] = values[ending]
        over |= ending
        if over.all():
            break
    sim.close()
    return result


# -- orders ---------------------------------------------------------------------------------------


def test_no_pair_of_colour_and_desk_is_ordered_in_two_splits():
    assert {split: len(set(pairs)) for split, pairs in PAIRS.items()} == {
        "train": 18, "validation": 6, "test": 12,
    }  # fmt: skip
    assert len({pair for pairs in PAIRS.values() for pair in pairs}) == floor.PARCELS * floor.DESKS
    for level in [level for levels in LEVELS.values() for level in levels[:300]]:
        plan = draw_plan(np.random.default_rng(level), level)
        assert set(plan.orders) <= set(PAIRS[split_of(level)])


@pytest.mark.parametrize("split", LEVELS)
def test_every_colour_and_every_desk_is_ordered_in_each_split(split):
    assert {color for color, _ in PAIRS[split]} == set(range(floor.PARCELS))
    assert {number for _, number in PAIRS[split]} == set(range(floor.DESKS))


def test_in_every_level_one_order_needs_the_back_office_and_one_does_not():
    kinds = set()
    for level in range(300):
        plan = draw_plan(np.random.default_rng(level), level)
        assert 2 <= len(plan.orders) <= floor.ORDERS
        assert len({c for c, _ in plan.orders}) == len({d for _, d in plan.orders})
        assert len({d for _, d in plan.orders}) == len(plan.orders)
        behind = [place >= 3 or color == plan.stored for (color, _), place in _places(plan)]
        assert any(behind)
        assert not all(behind)
        kinds.add((len(plan.orders), plan.crate_ordered, plan.stored >= 0))
    assert len(kinds) == 8


def test_fewer_orders_are_some_of_those_that_the_level_has_anyway():
    kinds = set()
    for level in range(200):
        every, two, one = (
            draw_plan(np.random.default_rng(level), level, most) for most in (3, 2, 1)
        )
        assert every == draw_plan(np.random.default_rng(level), level)
        assert set(one.orders) <= set(every.orders)
        assert set(two.orders) <= set(every.orders)
        assert (len(two.orders), len(one.orders)) == (2, 1)
        behind = [place >= 3 or color == two.stored for (color, _), place in _places(two)]
        assert sorted(behind) == [False, True]
        assert two.crate_ordered == every.crate_ordered
        assert not one.crate_ordered
        for plan in (two, one):
            assert plan.place == every.place
            here = {color for color, _ in plan.orders} | set(plan.others)
            assert here == {color for color, _ in every.orders} | set(every.others)
        kinds.add((one.orders[0][0] == one.stored, one.place[one.orders[0][1]] >= 3))
    assert len(kinds) == 4


@pytest.mark.parametrize("orders", [1, 2])
def test_the_expert_fills_fewer_orders_too(orders):
    result = play("expert", 3, observers=1, orders=orders)
    assert result["success"].mean() == 1.0
    assert (result["delivered"] == orders).all()


def test_one_order_is_done_by_one_courier_and_the_crate_is_out_of_the_way():
    sim = office(4, orders=1)
    assert sim.metrics()["crate_moved"].all()
    assert not sim.state["crate_open"].any()
    for _ in range(300):
        actions = sim.expert_actions()
        actions[:, 1] = 0  # The other one does nothing.
        sim.step(actions)
    assert sim.metrics()["delivered"].tolist() == [1] * 4
    sim.close()


@pytest.mark.parametrize("orders", [0, 4, 1.0, "2"])
def test_so_many_orders_are_refused(orders):
    with pytest.raises(ArgumentError, match="orders must be a whole number from 1 to 3"):
        office(orders=orders)


def _places(plan: floor.Plan) -> list[tuple[tuple[int, int], int]]:
    return [(order, plan.place[order[1]]) for order in plan.orders]


@pytest.mark.parametrize("level", [0, 1, 10_003])
def test_instruction_board_and_signs_say_what_is_ordered(level):
    sim = office(level=level)
    state = sim.state
    open_orders = state["order_open"][0]
    for color, number in zip(
        state["order_parcel"][0][open_orders], state["order_desk"][0][open_orders], strict=True
    ):
        assert floor.describe(color, number) in state.instructions[0][0]
        line = f"{floor.PARCEL_COLORS[color].upper()}: DESK {number + 1}"
        assert line in state.signs.text[0][state.signs.names.index("board")].splitlines()
    assert ("push the crate" in state.instructions[0][0]) == state["crate_open"][0]
    for number, word in enumerate(floor.DESK_WORDS):
        sign = state.signs.names.index(f"number_{number + 1}")
        assert state.signs.text[0][sign] in (word.upper(), f"DESK {number + 1}")
        gap = state.signs.position[0, sign, :2] - state.props.position[0, number, :2]
        assert np.hypot(*gap) < 0.4


def test_the_dispatcher_speaks_at_first_and_then_is_silent():
    sim = office(level=0)
    assert sim.state.sounds.text[0][0] == sim.state.instructions[0][0]
    for _ in range(50):
        sim.step(np.zeros((1, 2), int))
    assert not sim.state.sounds.on[0, 0]


# -- deliveries -----------------------------------------------------------------------------------


def deliver(sim: Simulation, order: int, desk: int, away: float = 1.2) -> float:
    """Puts an ordered parcel down before a desk; returns the reward without the shaping."""
    prop = FIRST_PARCEL + int(sim.state["order_parcel"][0, order])
    place(sim, 0, *before_desk(sim, desk, away))
    give(sim, 0, prop)
    sim.step(np.array([[PUT_DOWN, STAY]]))
    assert sim.state.events.put_down[0, 0] == prop
    assert (sim.rewards[0] == sim.rewards[0, 0]).all()
    return float(sim.rewards[0, 0] - sim.state["gain"][0])


def test_a_parcel_put_down_at_its_desk_is_delivered_and_stays_there():
    sim = office(level=4)
    told = sim.state.instructions[0][0]
    desk = int(sim.state["order_desk"][0, 0])
    prop = FIRST_PARCEL + int(sim.state["order_parcel"][0, 0])
    assert deliver(sim, 0, desk) == pytest.approx(DONE_REWARD + STEP_REWARD)
    assert not sim.state["order_open"][0, 0]
    assert sim.metrics()["delivered"][0] == 1
    assert told.split("; ")[0] not in sim.state.instructions[0][0]
    on_desk = sim.state.props.position[0, prop] - sim.state.props.position[0, desk]
    assert on_desk == pytest.approx([0.0, 0.0, 0.37 + 0.125])
    for _ in range(5):
        sim.step(np.full((1, 2), 7))
    assert sim.state.avatars.held[0, 0] == -1
    assert sim.metrics()["delivered"][0] == 1


def test_a_parcel_put_down_at_another_desk_costs():
    sim = office(level=4)
    others = [d for d in range(floor.DESKS) if d != sim.state["order_desk"][0, 0]]
    assert deliver(sim, 0, others[0]) == pytest.approx(WRONG_REWARD + STEP_REWARD)
    assert sim.state["order_open"][0, 0]
    assert sim.metrics()["wrong"][0] == 1


def test_a_parcel_put_down_far_from_every_desk_counts_as_nothing():
    sim = office(level=4)
    prop = FIRST_PARCEL + int(sim.state["order_parcel"][0, 0])
    place(sim, 0, (-2.5, 0.0), 0.0)
    give(sim, 0, prop)
    sim.step(np.array([[PUT_DOWN, STAY]]))
    assert sim.state["wrong_now"][0] == sim.state["done_now"][0] == 0


@pytest.mark.parametrize("away", [0.95, 1.1, 1.3, 1.5])
def test_a_parcel_can_be_put_down_from_any_place_near_the_desk(away):
    sim = office(level=4)
    desk = int(sim.state["order_desk"][0, 0])
    assert deliver(sim, 0, desk, away) == pytest.approx(DONE_REWARD + STEP_REWARD)


def test_an_episode_ends_with_the_last_order():
    sim = office(level=4)
    sim.state["crate_open"][:] = False
    orders = np.flatnonzero(sim.state["order_open"][0])
    for order in orders:
        assert not sim.terminated[0]
        deliver(sim, int(order), int(sim.state["order_desk"][0, order]))
    assert sim.terminated[0]
    assert sim.metrics()["success"][0]
    assert sim.state.instructions[0][0] == "all done"


# -- the crate ------------------------------------------------------------------------------------


def push(pushers: list[tuple[float, float]], steps: int, level: int = 3) -> float:
    """How far avatars that walk forward from places relative to the crate move it, metres."""
    sim = office(level=level)
    start = plan_position(sim, CRATE)
    for avatar, offset in enumerate(pushers):
        place(sim, avatar, (start[0] + offset[0], start[1] + offset[1]), 0.0)
    actions = np.full((1, 2), STAY)
    actions[0, : len(pushers)] = FORWARD
    for _ in range(steps):
        sim.step(actions)
    moved = float(plan_position(sim, CRATE)[0] - start[0])
    sim.close()
    return moved


def test_one_courier_cannot_move_the_crate():
    assert push([(-0.85, 0.0)], 60) < 0.1
    assert push([(-2.0, 0.0)], 60) < 0.15


def test_two_couriers_side_by_side_push_it_through_the_doorway():
    assert push([(-0.85, -0.28), (-0.85, 0.28)], 60) > floor.CLEAR_X - floor.CRATE_X


@pytest.mark.parametrize("crate_ordered", [True, False])
def test_the_crate_in_the_zone_is_an_order_done_where_it_is_ordered(crate_ordered):
    sim = office(level=3)
    sim.state["crate_open"][:] = crate_ordered
    zone = sim.state.position("red_zone")[0]
    sim.state.move("crate", [0], (zone[0], zone[1], floor.CRATE_HEIGHT / 2))
    sim.step(np.zeros((1, 2), int))
    assert sim.metrics()["crate_moved"][0]
    assert sim.state["done_now"][0] == crate_ordered
    sim.step(np.zeros((1, 2), int))
    assert sim.state["done_now"][0] == 0


# -- rewards --------------------------------------------------------------------------------------


def test_shaping_adds_up_to_the_change_of_the_potential():
    sim = office(4, level=None)
    start = potential(sim.state)
    total = np.zeros(4)
    for _ in range(120):
        sim.step(sim.expert_actions())
        total += sim.state["gain"]
    assert total == pytest.approx(potential(sim.state) - start)
    assert (start < 0).all()


def test_reward_questions_change_nothing():
    sim = office(level=2)
    sim.step(sim.expert_actions())
    before = sim.state.digest(0)
    first = sim.task.reward(sim.state).copy()
    sim.task.terminated(sim.state), sim.task.success(sim.state), sim.task.metrics(sim.state)
    assert (sim.task.reward(sim.state) == first).all()
    assert sim.state.digest(0) == before


def test_the_way_leads_through_the_doorways():
    assert floor.way_length(-3.0, 0.0, -3.0, 2.0) == 2.0
    assert floor.way_length(2.0, -1.0, 2.0, 1.0) > 6.0
    before_door, behind_door = floor.DIVIDER_X - 0.6, floor.DIVIDER_X + 0.6
    assert floor.next_point(-3.0, 0.0, 3.0, -2.0) == pytest.approx((before_door, -1.7))
    assert floor.next_point(-2.0, -1.7, 3.0, -2.0) == pytest.approx((behind_door, -1.7))
    assert floor.next_point(0.0, -2.0, 3.0, -2.0) == (3.0, -2.0)


# -- the sensor -----------------------------------------------------------------------------------


def column(sim: Simulation, name: str, observer: int = 0) -> float:
    return float(sim.observations["orders"][0, observer, COLUMNS.index(name)])


def test_the_orders_sensor_names_the_order_and_where_it_is():
    sim = office(level=4, num_avatars=3)
    prop = FIRST_PARCEL + int(sim.state["order_parcel"][0, 0])
    x, y = plan_position(sim, prop)
    place(sim, 0, (x + 1.5, y), np.pi)
    give(sim, 1, FIRST_PARCEL + int(sim.state["order_parcel"][0, 1]))
    sim.observe()
    color = floor.PARCEL_COLORS[sim.state["order_parcel"][0, 0]]
    assert column(sim, "order_1_open") == column(sim, f"order_1_{color}") == 1.0
    assert column(sim, f"order_1_desk_{sim.state['order_desk'][0, 0] + 1}") == 1.0
    assert column(sim, "order_1_parcel_ahead") == pytest.approx(1.5 / 6)
    assert column(sim, "order_1_parcel_left") == pytest.approx(0.0, abs=1e-6)
    assert column(sim, "order_2_carried_by_other") == column(sim, "order_2_carried", 1) == 1.0
    assert column(sim, "colleague_2_present") == column(sim, "colleague_1_carries") == 1.0
    assert column(sim, "colleague_3_present") == 0.0


def test_the_orders_sensor_leads_to_the_parcel_and_then_to_the_desk():
    sim = office(level=4, num_avatars=2)
    sim.state["crate_moved"][:] = True
    order = 0
    sim.state["order_open"][0, 1:] = False
    prop = FIRST_PARCEL + int(sim.state["order_parcel"][0, order])
    x, y = plan_position(sim, prop)
    place(sim, 0, (x + 2.0, y), np.pi)
    sim.observe()
    assert column(sim, "next_exists") == 1.0
    assert column(sim, "next_ahead") == pytest.approx(2.0 / 6)
    assert column(sim, "next_hand") == 0.0
    place(sim, 0, (x + 1.0, y), np.pi)
    sim.observe()
    assert column(sim, "next_hand") == 1.0
    give(sim, 0, prop)
    place(sim, 0, *before_desk(sim, int(sim.state["order_desk"][0, order]), 1.15))
    sim.observe()
    assert column(sim, "next_ahead") == pytest.approx(1.15 / 6)
    assert column(sim, "next_hand") == 1.0


def test_the_orders_sensor_leads_to_the_crate_when_that_is_all_there_is_to_do():
    sim = office(level=4)
    sim.state["order_open"][:] = False
    sim.observe()
    for axis in ("ahead", "left"):
        assert column(sim, f"next_{axis}") == column(sim, f"push_{axis}") != 0.0


def test_observations_stay_in_their_space():
    sim = office(4, num_avatars=4)
    for _ in range(60):
        sim.step(sim.expert_actions())
        for world in range(4):
            assert sim.observation_space["orders"].contains(sim.observations["orders"][world, 0])


# -- who can do it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "action_mode", "num_avatars", "observers"),
    [
        ("train", "discrete", 2, None),
        ("train", "continuous", 2, 1),
        ("train", "discrete", 4, None),
        ("validation", "continuous", 2, None),
        ("validation", "discrete", 2, 1),
        ("validation", "continuous", 4, None),
        ("test", "discrete", 2, None),
        ("test", "continuous", 2, 1),
        ("test", "discrete", 4, None),
    ],
)
def test_the_expert_fills_all_orders(split, action_mode, num_avatars, observers):
    result = play(
        "expert", 4, split=split, action_mode=action_mode, num_avatars=num_avatars,
        observers=observers,
    )  # fmt: skip
    assert result["success"].mean() == 1.0
    assert 9.0 < result["return"].mean() < 21.0


def test_the_expert_fills_all_orders_with_factored_actions():
    result = play("expert", 5, action_mode="factored", observers=1)
    assert result["success"].mean() == 1.0


@pytest.mark.parametrize("background", STYLES)
def test_the_expert_gets_on_with_every_kind_of_colleague(background):
    split = STYLES[background][1][0]
    result = play("expert", 4, observers=1, background=background, split=split)
    assert result["success"].mean() == 1.0
    assert result["wrong"].mean() < 0.2


def test_random_couriers_deliver_next_to_nothing():
    result = play("random", 5, max_episode_steps=300)
    assert result["success"].mean() == 0.0
    assert result["return"].mean() < 1.0


def test_with_a_caller_who_does_nothing_a_helper_does_what_one_can_alone():
    sim = office(6, observers=1, background="helper")
    for _ in range(400):
        sim.step(np.zeros((6, 1), int))
    assert (sim.metrics()["delivered"] >= 1).mean() > 0.8
    assert not sim.metrics()["success"].any()
    assert not sim.metrics()["crate_moved"].any()


def test_some_kinds_of_colleagues_are_met_in_validation_or_in_the_test_split_only():
    held_out = {name for name, (_, splits) in STYLES.items() if splits == ("test",)}
    assert held_out == {"loafer", "eager_helper"}
    names = list(Delivery().behaviours())
    met = {
        split: {names[i] for i in office(24, observers=1, split=split).state.behaviour[:, 1]}
        for split in LEVELS
    }
    assert not (met["train"] | met["validation"]) & held_out
    assert met["test"] & held_out
    assert "dawdler" in met["validation"] - met["train"] - met["test"]


# -- exactness ------------------------------------------------------------------------------------


def test_a_world_is_the_same_alone_and_among_others():
    many = office(4, observers=1, num_avatars=3)
    alone = simulate(SCENARIO, 1, observers=1, num_avatars=3, sensors=[])
    alone.reset([2])
    for _ in range(150):
        many.step(many.expert_actions())
        alone.step(alone.expert_actions())
        assert many.state.digest(2) == alone.state.digest(0)


def test_a_replay_is_exact():
    sim = office(2, observers=1)
    digests = []
    for _ in range(2):
        sim.reset([3, 4])
        for _ in range(120):
            sim.step(sim.expert_actions())
        digests.append([sim.state.digest(0), sim.state.digest(1)])
    assert digests[0] == digests[1]


def test_the_docstring_has_every_section():
    text = inspect.cleandoc(Delivery.__doc__ or "")
    sections = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert sections == [
        "Description", "Observations", "Actions", "Rewards", "Episode end", "Arguments", "Metrics",
        "Version history",
    ]  # fmt: skip
