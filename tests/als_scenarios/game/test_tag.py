"""Tag: what a touch does, that it is zero-sum, what is held out, and that both parts can be won."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from bodies import put_avatar

from als_engine.errors import ArgumentError
from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS
from als_engine.world.layout import rgb
from als_scenarios.game.obstacles import gather, hidden
from als_scenarios.game.tag import CHASER, EVADER, HEAD_START, OUT_COLOR, REWARDS, Tag

SCENARIO = "ALS/Tag-v0"
STAY, FORWARD = 0, 1
COUNTS = (2, 3, 4, 8)


def game(num_worlds: int = 1, **arguments: object) -> Simulation:
    arguments.setdefault("sensors", ["proprioception"])
    sim = simulate(SCENARIO, num_worlds, **arguments)
    sim.reset(range(num_worlds))
    return sim


def everybody(sim: Simulation, action: int = STAY) -> np.ndarray:
    return np.full((sim.num_worlds, sim.observers), action)


def touch(sim: Simulation, *pairs: tuple[int, int]) -> None:
    """A step of the rules in which just these avatars of world 0 touch."""
    touches = sim.state.avatars.touches_avatar
    touches.fill(False)
    for one, two in pairs:
        touches[0, one, two] = touches[0, two, one] = True
    sim.task.after_step(sim.state)


def play(policy: str, num_worlds: int = 24, **arguments: object) -> dict[str, np.ndarray]:
    """One episode in every world, avatar 0 against scripted players: its return and the metrics."""
    sim = game(num_worlds, observers=1, **arguments)
    rng = np.random.default_rng(0)
    ended = np.zeros(num_worlds, bool)
    out: dict[str, np.ndarray] = {}
    while not ended.all():
        if policy == "expert":
            actions = sim.expert_actions()
        elif sim.action_mode == "discrete":
            actions = rng.integers(sim.action_space.n, size=(num_worlds, 1))
        else:
            actions = rng.uniform(-1, 1, (num_worlds, 1, *sim.action_space.shape))
        sim.advance(actions)
        now = (sim.terminated | sim.truncated) & ~ended
        ended |= now
        for name, value in {**sim.metrics(), "return": sim.returns[:, 0]}.items():
            out.setdefault(name, np.zeros(num_worlds))[now] = value[now]
    sim.close()
    return out


# -- the rules ------------------------------------------------------------------------------------


def test_walking_into_an_evader_tags_it_and_ends_the_game_of_two():
    sim = game()
    put_avatar(sim, 0, (-3.2, -3.5))
    put_avatar(sim, 1, (-2.2, -3.5))
    while not sim.terminated[0]:
        assert sim.state.step[0] < 20
        sim.step([[FORWARD, STAY]])
    assert sim.metrics()["success"][0]
    assert sim.metrics()["tags"][0] == 1
    assert sim.metrics()["time_to_first_tag"][0] == sim.state.step[0]
    assert sim.rewards[0, 0] > 0.9 * REWARDS.tag


def test_an_evader_that_was_tagged_is_grey_and_told_so():
    sim = game()
    touch(sim, (0, 1))
    assert tuple(sim.state.avatars.color[0, 1]) == rgb(OUT_COLOR)
    assert sim.state.instructions[0][1] == "you are out"
    sim.reset([1])
    assert tuple(sim.state.avatars.color[0, 1]) == rgb(EVADER.color)
    assert sim.state["free"][0].tolist() == [False, True]
    assert sim.state.instructions[0][1] == "keep away from everyone in red"


def test_an_evader_is_worth_its_share_and_only_once():
    sim = game(num_avatars=4)
    touch(sim, (0, 2))
    assert sim.state["points"][0].tolist() == [0.5, 0.0, -0.5, 0.0]
    assert not sim.task.terminated(sim.state)[0]
    touch(sim, (0, 2))
    assert not sim.state["points"].any()
    touch(sim, (1, 3))
    assert sim.state["points"][0].tolist() == [0.0, 0.5, 0.0, -0.5]
    assert sim.task.terminated(sim.state)[0]


def test_chasers_that_touch_the_same_evader_share_it():
    sim = game(num_avatars=3)
    touch(sim, (0, 2), (1, 2))
    assert sim.state["points"][0].tolist() == [0.5, 0.5, -1.0]


def test_a_larger_arena_holds_the_same_things_farther_apart():
    usual, large = Tag(2).layout(np.random.default_rng(0), 0), Tag(2, side=16)
    wide = large.layout(np.random.default_rng(0), 0)
    assert usual.props.keys() == wide.props.keys()
    assert max(abs(wall.position[0]) for wall in wide.walls) == pytest.approx(8.0, abs=0.2)
    assert any(max(map(abs, prop.position[:2])) > 4.0 for prop in wide.props.values())


@pytest.mark.parametrize("pair", [(0, 1), (2, 3)])
def test_nobody_is_tagged_by_their_own_side(pair):
    sim = game(num_avatars=4)
    touch(sim, pair)
    assert not sim.state["points"].any()
    assert sim.state["free"][0].sum() == 2


@pytest.mark.parametrize("num_avatars", COUNTS)
@pytest.mark.parametrize("role", ["chaser", "evader"])
def test_rewards_add_up_to_zero_in_every_step(num_avatars, role):
    sim = game(4, num_avatars=num_avatars, role=role, observers=1)
    tags = 0.0
    for _ in range(120):
        # A chaser plays well and an evader stands still, so that all that is rewarded happens.
        sim.advance(sim.expert_actions() if role == "chaser" else everybody(sim))
        tags += np.abs(sim.state["points"]).sum()
        np.testing.assert_allclose(sim.rewards.sum(axis=1), 0.0, atol=1e-9)
    assert tags > 0


def test_the_shaping_adds_up_to_the_distance_that_was_closed():
    sim = game(8)
    first = sim.state.distance("avatar_0", "avatar_1")
    closed = np.zeros(8)
    for _ in range(30):
        sim.advance(sim.expert_actions())
        closed += sim.state["shaping"][:, 0]
    free = sim.state["free"][:, 1]
    last = sim.state.distance("avatar_0", "avatar_1")
    assert free.any()
    np.testing.assert_allclose(closed[free], (first - last)[free], atol=1e-9)


def test_looking_at_the_score_changes_nothing():
    sim = game(4, num_avatars=4)
    sim.step(sim.expert_actions())
    task, state = sim.task, sim.state
    before = [state.digest(w) for w in range(4)]
    rewards = task.reward(state)
    task.terminated(state), task.success(state), task.metrics(state)
    np.testing.assert_array_equal(task.reward(state), rewards)
    assert [state.digest(w) for w in range(4)] == before


def test_the_evader_wins_only_when_the_time_is_up():
    sim = game(role="evader", max_episode_steps=30)
    put_avatar(sim, 0, (-3.5, -3.5))
    put_avatar(sim, 1, (3.5, 3.5))
    for _ in range(29):
        sim.step(everybody(sim))
        assert not sim.metrics()["success"][0]
    sim.step(everybody(sim))
    assert sim.truncated[0]
    assert sim.metrics()["success"][0]


# -- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["chaser", "evader"])
@pytest.mark.parametrize("num_avatars", COUNTS)
def test_the_callers_role_comes_first_and_half_of_them_chase(role, num_avatars):
    names = [part.name for part in Tag(num_avatars, role).roles()]
    assert names[0] == role
    assert names == sorted(names, reverse=role == "evader")
    assert names.count("chaser") == (num_avatars + 1) // 2


def test_the_number_of_chasers_can_be_chosen():
    assert Tag(5, num_chasers=1).chasers.tolist() == [True, False, False, False, False]


@pytest.mark.parametrize(
    "arguments",
    [
        {"role": "judge"},
        {"num_chasers": 0},
        {"num_chasers": 2},
        {"num_chasers": True},
        {"side": 7.9},
        {"side": 21},
        {"side": "wide"},
        {"side": True},
        {"pace": 0.0},
        {"pace": float("nan")},
        {"pace": "fast"},
    ],
)
def test_an_argument_that_makes_no_sense_is_named(arguments):
    with pytest.raises(ArgumentError, match=next(iter(arguments))):
        Tag(2, **arguments)


# -- places ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_avatars", COUNTS)
def test_every_arena_has_room_and_a_head_start(num_avatars):
    for level in (*range(40), *range(LEVELS["test"].start, LEVELS["test"].start + 40)):
        task = Tag(num_avatars)
        layout = task.layout(np.random.default_rng(level), level)
        layout.check(num_avatars)
        xy = np.array([spawn.position for spawn in layout.spawns])
        for one, two in itertools.product(xy[task.chasers], xy[~task.chasers]):
            assert np.hypot(*(one - two)) >= HEAD_START


def test_a_level_is_always_the_same_place():
    one, two = game(2, level=7), game(1, level=7)
    np.testing.assert_array_equal(one.state.props.position[1], two.state.props.position[0])
    np.testing.assert_array_equal(one.state.avatars.position[1], two.state.avatars.position[0])


def test_crates_can_be_pushed():
    sim = game()
    sim.state.move("crate 1", [0], (-3.0, -3.6, 0.25))
    put_avatar(sim, 0, (-3.7, -3.6))
    put_avatar(sim, 1, (3.7, 3.7))
    for _ in range(10):
        sim.step([[FORWARD, STAY]])
    assert sim.state.position("crate 1")[0, 0] > -2.7


# -- players --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["chaser", "evader"])
def test_every_split_has_players_that_are_met_in_no_other(role):
    behaviours = Tag(2).behaviours()
    met = {
        split: {
            name
            for name, behaviour in behaviours.items()
            if role in behaviour.roles and split in behaviour.splits
        }
        for split in LEVELS
    }
    assert all(met.values())
    assert not (met["train"] & met["test"] | met["validation"] & (met["train"] | met["test"]))
    for split, names in met.items():
        drawn = set()
        other = "evader" if role == "chaser" else "chaser"
        sim = game(24, observers=1, role=other, split=split)
        for index in sim.state.behaviour[:, 1].tolist():
            drawn.add(list(behaviours)[index])
        assert drawn == names


def test_scripted_players_leave_the_expert_some_speed_to_win_by():
    for role, body in (("chaser", EVADER), ("evader", CHASER)):
        sim = game(8, observers=1, role=role)
        fastest = 0.0
        for _ in range(60):
            sim.advance(everybody(sim))
            fastest = max(fastest, np.hypot(*sim.state.avatars.velocity[:, 1, :2].T).max())
        assert 0.3 * body.speed < fastest < 0.7 * body.speed


def test_the_pace_of_scripted_players_can_be_chosen_and_no_body_runs_faster_than_it_can():
    for role, body in (("chaser", EVADER), ("evader", CHASER)):
        fastest = {}
        for pace in (0.2, 2.5):
            sim = game(4, observers=1, role=role, pace=pace)
            fastest[pace] = 0.0
            for _ in range(30):
                sim.advance(everybody(sim))
                now = np.hypot(*sim.state.avatars.velocity[:, 1, :2].T).max()
                fastest[pace] = max(fastest[pace], now)
            sim.close()
        assert fastest[0.2] < 0.2 * body.speed
        assert 0.8 * body.speed < fastest[2.5] < 1.05 * body.speed


def near_moments(evader: str, num_worlds: int = 12) -> np.ndarray:
    """Of such an evader while a good chaser is near: whether it is behind something, and metres
    to the arena's rim; a row for each moment."""
    sim = game(num_worlds, observers=1, split="test", background=evader)
    rows = []
    for _ in range(80):
        sim.advance(sim.expert_actions())
        xy, things = sim.state.avatars.position[..., :2], gather(sim.state, sim.state["free"])
        near = np.hypot(*(xy[:, 0] - xy[:, 1]).T) < 3.4
        for w in np.flatnonzero(near & sim.state["free"][:, 1]).tolist():
            behind = hidden(*xy[w, 0], *xy[w, 1], things[w])
            rows.append((behind, sim.task.side / 2 - np.abs(xy[w, 1]).max()))
    sim.close()
    return np.array(rows)


def test_evaders_live_up_to_their_names():
    moments = {name: near_moments(name) for name in ("flee", "corner", "hide")}
    behind = {name: rows[:, 0].mean() for name, rows in moments.items()}
    rim = {name: np.median(rows[:, 1]) for name, rows in moments.items()}
    assert behind["hide"] > 0.3 > behind["flee"]
    assert rim["corner"] < rim["hide"]


def test_a_pack_comes_from_different_sides():
    spread = {}
    for tactic in ("pack", "direct"):
        sim = game(12, num_avatars=4, num_chasers=3, observers=1, role="evader", background=tactic)
        angles = []
        for _ in range(40):
            sim.advance(everybody(sim))
            away = sim.state.avatars.position[:, 1:, :2] - sim.state.avatars.position[:, :1, :2]
            angles.append(np.exp(1j * np.arctan2(away[..., 1], away[..., 0])).mean(1))
        spread[tactic] = 1 - np.abs(angles[-20:]).mean()
    assert spread["pack"] > spread["direct"]


@pytest.mark.parametrize(
    ("role", "split", "mode"),
    [
        ("chaser", "train", "discrete"),
        ("chaser", "test", "continuous"),
        ("evader", "train", "continuous"),
        ("evader", "test", "discrete"),
    ],
)
def test_the_expert_wins_and_a_random_player_does_not(role, split, mode):
    expert = play("expert", 10, role=role, split=split, action_mode=mode)
    random = play("random", 10, role=role, split=split, action_mode=mode)
    assert expert["success"].mean() >= 0.95
    assert random["success"].mean() <= 0.25
    assert expert["return"].mean() > random["return"].mean() + 5.0


@pytest.mark.parametrize("num_avatars", [4, 8])
def test_the_expert_helps_its_side_in_larger_games(num_avatars):
    games = {"num_avatars": num_avatars, "split": "test", "num_worlds": 8}
    assert play("expert", **games)["tags"].mean() > play("random", **games)["tags"].mean()


# -- exactness ------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["chaser", "evader"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_world_of_a_batch_is_the_world_alone(role, split):
    arguments = {"num_avatars": 4, "observers": 1, "role": role, "split": split}
    batch, rng = game(5, **arguments), np.random.default_rng(0)
    actions = rng.integers(batch.action_space.n, size=(80, 5, 1))
    for step in actions:
        batch.advance(step)
    for world in (0, 3):
        alone = simulate(SCENARIO, 1, sensors=["touch"], **arguments)
        alone.reset([world])
        for step in actions[:, world : world + 1]:
            alone.advance(step)
        assert alone.state.digest(0) == batch.state.digest(world)
