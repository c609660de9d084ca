"""The yard: who gets a fruit, who cleans, who is sent away, and that the tragedy is real."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from bodies import put_avatar

from als_engine.simulation import Simulation, simulate
from als_engine.system.compiling import kernel
from als_engine.task import LEVELS
from als_engine.world.arrays import NOTHING
from als_scenarios.game.commons.commons import Commons
from als_scenarios.game.commons.plan import Yard, in_reach
from als_scenarios.game.commons.rules import AWAY, HOARSE, PICKING, Bodies
from als_scenarios.game.commons.yard import FRUITS, PEN, SPOTS, TEMPERS

SCENARIO = "ALS/Commons-v0"
STAY = 0


def visit(num_worlds: int = 1, **arguments: Any) -> Simulation:
    arguments.setdefault("sensors", ["orchard"])
    sim = simulate(SCENARIO, num_worlds, **arguments)
    sim.reset(range(num_worlds))
    sim.observe()
    return sim


def do(sim: Simulation, *deeds: tuple[int, str]) -> None:
    """Some avatars of the first world do something; all others stand still."""
    actions = np.full((sim.num_worlds, sim.observers), STAY)
    for avatar, deed in deeds:
        actions[0, avatar] = sim.action_names.index(deed)
    sim.step(actions)


def scatter(sim: Simulation) -> None:
    """Puts everybody of the first world in a lane of its own, away from fruit and pumps."""
    for avatar in range(sim.num_avatars):
        put_avatar(sim, avatar, (-3.4 + 1.2 * avatar, 0.0), math.pi / 2)


def send(sim: Simulation, avatar: int, prop: int, away: float = 0.7) -> None:
    """Puts an avatar of the first world before a fruit or a pump, on the side of the lane."""
    x, y = sim.state.props.position[0, prop, :2]
    put_avatar(sim, avatar, (x + away, y), math.pi)


def alone_in_reach(sim: Simulation) -> int:
    """Leaves one fruit in the first patch of the first world, and returns it."""
    ripe = sim.state["ripe"][0]
    patch = int(np.flatnonzero(ripe)[0]) // SPOTS
    ripe[SPOTS * patch + 1 : SPOTS * (patch + 1)] = False
    sim.state.props.present[0, :FRUITS] = ripe
    return SPOTS * patch


# -- fruit -----------------------------------------------------------------------------------------


def test_a_fruit_is_worth_one_to_whoever_eats_it_and_is_gone() -> None:
    sim = visit()
    scatter(sim)
    fruit = alone_in_reach(sim)
    send(sim, 2, fruit)
    do(sim, (2, "use"))
    assert sim.state.events.used[0, 2] == fruit
    assert sim.rewards[0].tolist() == [0, 0, 1, 0, 0, 0]
    assert not sim.state["ripe"][0, fruit]
    assert not sim.state.props.present[0, fruit]
    assert sim.metrics()["collective_return"][0] == 1


def test_a_hand_is_busy_for_a_while() -> None:
    sim = visit()
    scatter(sim)
    patch = int(np.flatnonzero(sim.state["ripe"][0])[0]) // SPOTS
    eaten = []
    for _ in range(2 * PICKING + 1):
        fruit = SPOTS * patch + int(np.flatnonzero(sim.state["ripe"][0, SPOTS * patch :])[0])
        send(sim, 0, fruit)
        do(sim, (0, "use"))
        eaten.append(bool(sim.state["ate"][0, 0]))
    assert [i for i, ate in enumerate(eaten) if ate] == [0, PICKING, 2 * PICKING]


@pytest.mark.parametrize("nearer", [1, 3])
def test_of_two_who_reach_for_a_fruit_the_nearer_gets_it(nearer: int) -> None:
    sim = visit()
    scatter(sim)
    fruit = alone_in_reach(sim)
    x, y = sim.state.props.position[0, fruit, :2]
    for avatar, side in ((1, 1.0), (3, -1.0)):
        away = 0.6 if avatar == nearer else 0.8
        put_avatar(sim, avatar, (x, y + side * away), -side * math.pi / 2)
    do(sim, (1, "use"), (3, "use"))
    assert sim.state["ate"][0].tolist() == [a == nearer for a in range(6)]


def test_where_no_fruit_is_left_the_episode_ends_without_success() -> None:
    sim = visit()
    sim.state["ripe"][0] = False
    do(sim)
    assert sim.terminated[0]
    assert not sim.metrics()["success"][0]
    assert sim.metrics()["fruit_left"][0] == 0


@kernel
def reaches_for(bodies, radius, yard, out):
    bodies, yard = Bodies(*bodies), Yard(*yard)
    for world in range(out.shape[0]):
        for avatar in range(out.shape[1]):
            out[world, avatar] = in_reach(world, avatar, bodies, radius[avatar], yard)


def test_scripted_foragers_know_what_their_hand_would_use() -> None:
    sim, rng = visit(4, num_avatars=8), np.random.default_rng(0)
    state, compared = sim.state, 0
    for _ in range(30):
        for deed in (rng.integers(6, size=(4, 8)), np.full((4, 8), STAY)):
            for _ in range(4):
                sim.step(deed)
        bodies = state.avatars.position.copy(), state.avatars.heading.copy()
        yard = (state.props.position, state["planted"], state["ripe"].copy(), state["dirt"])
        expected = np.full((4, 8), NOTHING)
        reaches_for(bodies, state.bodies.radius, yard, expected)
        sim.step(np.full((4, 8), sim.action_names.index("use")))
        still = np.abs(state.avatars.position - bodies[0]).max(-1) < 1e-6
        still &= state.avatars.heading == bodies[1]
        np.testing.assert_array_equal(state.events.used[still], expected[still])
        compared += int((expected[still] != NOTHING).sum())
    assert compared > 20


# -- the river -------------------------------------------------------------------------------------


def test_a_pump_cleans_three_cells_and_the_water_shows_it() -> None:
    sim = visit()
    scatter(sim)
    sim.state["dirt"][0] = (5, 9, 5, 5, 5, 5)
    do(sim)
    river = sim.state.props.color[0, sim.state.prop("river 1") : sim.state.prop("lawn")]
    assert river[1, 0] > river[0, 0]  # Browner,
    assert river[1, 2] < river[0, 2]  # and less blue.
    send(sim, 4, FRUITS + 1)
    do(sim, (4, "use"))
    assert sim.state["dirt"][0].tolist() == [5, 6, 5, 5, 5, 5]
    assert sim.rewards[0, 4] == 0
    assert sim.state["strokes"][0, 4] == 1


def test_who_pumps_clean_water_has_not_cleaned() -> None:
    sim = visit()
    scatter(sim)
    send(sim, 4, FRUITS)
    do(sim, (4, "use"))
    assert sim.state["strokes"][0, 4] == 0
    assert sim.state["busy"][0, 4] > 0


# -- being sent away -------------------------------------------------------------------------------

SAY = "say 'go away'"


def face_to_face(away: float = 2.0, aside: float = 0.0) -> Simulation:
    """Avatar 0 looks along +x, and avatar 1 stands that far ahead; nobody else is near."""
    sim = visit(num_avatars=4)
    put_avatar(sim, 2, (-3.0, -0.3))
    put_avatar(sim, 3, (-3.0, 0.6))
    put_avatar(sim, 0, (0.0, 0.0), 0.0)
    put_avatar(sim, 1, (away * math.cos(aside), away * math.sin(aside)), 0.0)
    return sim


def test_who_is_told_to_go_away_waits_behind_the_fence_and_comes_back() -> None:
    sim = face_to_face()
    do(sim, (0, SAY))
    assert sim.rewards[0].tolist() == [0, -1, 0, 0]
    assert sim.state["away"][0].tolist() == [0, AWAY, 0, 0]
    assert sim.state.avatars.position[0, 1, :2].tolist() == pytest.approx(PEN[1])
    assert sim.state.instructions[0][1] == "you have been sent away"
    gone = 1
    while sim.state["away"][0, 1]:
        do(sim, (1, "forward"))
        gone += 1
    assert gone == AWAY
    assert abs(sim.state.avatars.position[0, 1, 0]) < 7.0
    assert sim.metrics()["peace"][0] == pytest.approx(1 - (AWAY - 1) / (4 * AWAY))
    assert sim.observations["orchard"][0, 1, 0] == 0.0


@pytest.mark.parametrize(("away", "aside"), [(3.2, 0.0), (2.0, 0.6), (2.0, math.pi)])
def test_nobody_is_sent_away_from_afar_or_aside(away: float, aside: float) -> None:
    sim = face_to_face(away, aside)
    do(sim, (0, SAY))
    assert not sim.state["sent"].any()
    assert sim.state["hoarse"][0, 0] == 0


def test_the_speaker_is_hoarse_for_a_while() -> None:
    sim = face_to_face()
    do(sim, (0, SAY))
    put_avatar(sim, 2, (1.0, 0.0))
    for step in range(1, HOARSE + 1):
        do(sim, (0, SAY))
        assert sim.state["sent"][0, 2] == (step == HOARSE)


def test_who_is_away_neither_eats_nor_cleans_nor_sends() -> None:
    sim = face_to_face()
    sim.state["away"][0, 1] = 30
    sim.state["dirt"][0] = 4
    fruit = int(np.flatnonzero(sim.state["ripe"][0])[0])
    for prop in (fruit, FRUITS):
        send(sim, 1, prop)
        before = sim.state["dirt"].sum(), sim.state["ripe"].sum()
        do(sim, (1, "use"))
        assert (sim.state["dirt"].sum(), sim.state["ripe"].sum()) == before
    put_avatar(sim, 1, (-1.0, 0.0), 0.0)
    do(sim, (1, SAY))
    assert not sim.state["sent"].any()


def test_masks_say_what_hands_and_voices_can_do_in_the_next_step() -> None:
    sim = face_to_face()
    use, say = sim.action_names.index("use"), sim.action_names.index(SAY)
    assert sim.action_masks().all()
    do(sim, (0, SAY))
    assert not sim.action_masks()[0, 0, say]
    assert not sim.action_masks()[0, 1, [use, say]].any()
    sim.state["away"][0, 1], sim.state["hoarse"][0, 0], sim.state["busy"][0, 0] = 0, 1, 2
    assert sim.action_masks()[0, 0, say]
    assert not sim.action_masks()[0, 0, use]


def test_whoever_finds_no_room_at_a_gate_waits_or_takes_another() -> None:
    sim = face_to_face()
    do(sim, (0, SAY))
    sim.state["away"][0, 1] = 1
    put_avatar(sim, 2, (6.55, -2.5))  # At the gate with its number.
    do(sim)
    assert sim.state["away"][0, 1] == 0
    gap = sim.state.avatars.position[0, 1, :2] - sim.state.avatars.position[0, 2, :2]
    assert math.hypot(*gap) > 0.6


# -- who the others are ----------------------------------------------------------------------------


def test_what_somebody_is_like_is_in_no_observation() -> None:
    sensors = ["orchard", "entities", "proprioception", "rgb", "text"]
    sim = visit(2, sensors=sensors, frame_size=16)
    before = {key: array.copy() for key, array in sim.observations.items()}
    sim.state["temper"][:] = (sim.state["temper"] + 1) % len(TEMPERS)
    sim.observe()
    for key, array in sim.observations.items():
        np.testing.assert_array_equal(array, before[key], key)


def test_validation_and_test_each_meet_one_kind_that_training_does_not() -> None:
    behaviours = Commons().behaviours()
    for split in LEVELS:
        sim = visit(24, split=split, observers=1)
        met = {list(behaviours)[i] for i in sim.state.behaviour[:, 1:].ravel().tolist()}
        assert met == {name for name, one in behaviours.items() if split in one.splits}
        sim.close()
    held_out = {name: one.splits for name, one in behaviours.items() if len(one.splits) == 1}
    assert held_out == {"reciprocates": ("validation",), "hoards": ("test",)}


@pytest.mark.parametrize("background", ["cooperates", "free-rides", "hoards"])
def test_populations_do_what_they_are_called(background: str) -> None:
    sim = visit(4, observers=1, background=background)
    least = np.full(4, SPOTS)
    for _ in range(170):
        sim.step(np.full((4, 1), STAY))
        stock = sim.state["ripe"].reshape(4, -1, SPOTS).sum(2)
        planted = sim.state["planted"].reshape(4, -1, SPOTS).any(2)
        least = np.minimum(least, np.where(planted, stock, SPOTS).min(1))
    cleaned = sim.state["strokes"].sum(1) > 0
    assert (sim.state["meals"].sum(1) > 5).all()
    assert {"cooperates": least >= 2, "free-rides": least == 0, "hoards": least >= 1}[
        background
    ].all()
    assert cleaned.all() == (background != "free-rides")
    sim.close()


def test_punishers_send_those_away_who_leave_too_little() -> None:
    sim = visit(4, observers=3, background="punishes")
    for _ in range(250):
        sim.step(sim.expert_actions("greedy"))
    assert sim.state["times_sent"][:, :3].sum() >= 4
    sim.close()


def test_who_was_sent_away_holds_back_and_cleans_for_a_while() -> None:
    free, chastened = (visit(4, observers=1, background="free-rides") for _ in range(2))
    for _ in range(150):
        chastened.state["since_sent"][:] = 60
        for sim in (free, chastened):
            sim.step(np.full((4, 1), STAY))
    assert not free.state["strokes"].any()
    assert (chastened.state["strokes"].sum(1) > 0).all()
    assert (chastened.metrics()["fruit_left"] > free.metrics()["fruit_left"]).all()


# -- the tragedy -----------------------------------------------------------------------------------


def play(rule: str | None, num_worlds: int, **arguments: Any) -> dict[str, np.ndarray]:
    """One episode in every world by the expert, a heuristic, or at random; what its end was."""
    sim, rng = visit(num_worlds, **arguments), np.random.default_rng(0)
    ended, out = np.zeros(num_worlds, bool), {}
    while not ended.all():
        if rule == "random":
            actions = rng.integers(sim.action_space.n, size=(num_worlds, sim.observers))
        else:
            actions = sim.expert_actions(rule)
        sim.advance(actions)
        now = (sim.terminated | sim.truncated) & ~ended
        ended |= now
        for name, value in {**sim.metrics(), "own": sim.returns[:, 0]}.items():
            out.setdefault(name, np.zeros(num_worlds))[now] = value[now]
    sim.close()
    return out


def test_where_all_take_what_they_can_the_yard_dies_and_where_all_hold_back_it_feeds_them() -> None:
    greedy, sustainable = play("greedy", 5), play("sustainable", 5)
    assert (greedy["fruit_left"] == 0).all()
    assert (sustainable["fruit_left"] > 0.4).all()
    assert greedy["collective_return"].max() < 50
    assert sustainable["collective_return"].mean() > 2.5 * greedy["collective_return"].mean()
    assert sustainable["sustainability"].mean() > 3 * greedy["sustainability"].mean()
    assert not greedy["success"].any()
    assert sustainable["success"].mean() >= 0.8


@pytest.mark.parametrize(("split", "mode"), [("train", "continuous"), ("test", "discrete")])
def test_the_expert_keeps_the_yard_and_gets_more_than_a_random_one(split: str, mode: str) -> None:
    expert = play(None, 10, split=split, action_mode=mode, observers=1)
    assert expert["success"].mean() >= 0.7
    assert expert["own"].mean() > 10


def test_who_acts_at_random_starves_among_others() -> None:
    lost = play("random", 8, observers=1)
    assert lost["success"].mean() <= 0.4
    assert lost["own"].mean() < 4


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_world_is_the_same_alone_and_among_others(split: str) -> None:
    many, alone = visit(5, split=split, observers=1), visit(split=split, observers=1)
    for seed in (0, 3):
        many.reset(range(5))
        alone.reset([seed])
        for _ in range(70):
            many.step(many.expert_actions())
            alone.step(alone.expert_actions())
            assert many.state.digest(seed) == alone.state.digest(0)
            assert many.rewards[seed].tolist() == alone.rewards[0].tolist()
