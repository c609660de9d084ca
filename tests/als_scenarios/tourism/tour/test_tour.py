"""The tour: what a show is, who reacts how, who leaves, what is hidden, and that it works."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from bodies import put_avatar

from als_engine.sensors import SENSORS
from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS
from als_scenarios.tourism.tour import words, yardstick
from als_scenarios.tourism.tour.museum import EXHIBITS
from als_scenarios.tourism.tour.sensors import SIZE
from als_scenarios.tourism.tour.shaping import FAR, SEEN, potential
from als_scenarios.tourism.tour.taste import appeal, enjoyment, satiate
from als_scenarios.tourism.tour.tour import LEAVING, PASS, Tour
from als_scenarios.tourism.tour.visit import LONGEST, SHOW
from als_scenarios.tourism.tour.visitors import MANNERS
from als_scenarios.tourism.tour.ways import Museum, way_lengths

SCENARIO = "ALS/Tour-v0"
STAY = 0
NOTHING = -1


def visit(num_worlds: int = 1, **arguments: Any) -> Simulation:
    """Visitors who follow, so that nothing depends on chance."""
    arguments.setdefault("sensors", ["tour"])
    arguments.setdefault("observers", 1)
    arguments.setdefault("background", {"visitor": "follows"})
    sim = simulate(SCENARIO, num_worlds, **arguments)
    sim.reset(range(num_worlds))
    sim.observe()
    return sim


def say(sim: Simulation, sentence: str) -> int:
    """The guide's discrete action."""
    return next(i for i, name in enumerate(sim.acting.codec.names) if sentence in name)


def gather(sim: Simulation, exhibit: int) -> None:
    """Puts the guide and all visitors before an exhibit, in the first world."""
    state = sim.state
    place, out = state["place"][0, exhibit], state["out"][0, exhibit]
    side = np.array([-out[1], out[0]])
    facing = math.atan2(-out[1], -out[0])
    put_avatar(sim, 0, state["stand"][0, exhibit], facing)
    for v in range(sim.num_avatars - 1):
        spot = place + 1.45 * out + 0.6 * (v - (sim.num_avatars - 2) / 2) * side
        put_avatar(sim, v + 1, spot, facing)


def do(sim: Simulation, action: int = STAY, steps: int = 1) -> None:
    for _ in range(steps):
        sim.step(np.full((sim.num_worlds, 1), action))


def show(sim: Simulation, exhibit: int, sentence: str = "look at this") -> None:
    """Presents an exhibit to all visitors until they have seen it."""
    gather(sim, exhibit)
    do(sim, say(sim, sentence))
    assert sim.state["on_show"][0] == exhibit
    while sim.state["on_show"][0] == exhibit:
        do(sim)


def earned(sim: Simulation, start: float) -> float:
    """The guide's return without shaping, from the potential at the start."""
    return float(sim.returns[0, 0] - (sim.state["potential"][0] - start))


def play(rule: str | None, num_worlds: int, **arguments: Any) -> dict[str, np.ndarray]:
    """One episode in every world: the metrics at its end, and the guide's return."""
    sim = simulate(SCENARIO, num_worlds, observers=1, sensors=["tour"], **arguments)
    sim.reset(range(num_worlds))
    rng = np.random.default_rng(0)
    ended, out = np.zeros(num_worlds, bool), {}
    while not ended.all():
        if rule == "random":
            actions = rng.integers(sim.action_space.n, size=(num_worlds, 1))
        else:
            actions = sim.expert_actions(rule)
        sim.advance(actions)
        now = (sim.terminated | sim.truncated) & ~ended
        ended |= now
        for name, value in {**sim.metrics(), "return": sim.returns[:, 0]}.items():
            out.setdefault(name, np.zeros(num_worlds))[now] = value[now]
    sim.close()
    return out


# -- shows -----------------------------------------------------------------------------------------


def test_sentences_have_the_numbers_that_kernels_go_by() -> None:
    speech = visit().state.speech
    assert speech.index("look at this") == words.LOOK
    assert speech.index("notice history") == words.NOTICE
    assert speech.index("wonderful") == words.WONDERFUL
    assert speech.index("tell me about history") == words.ASK
    assert speech.index("I see") == words.SEE
    assert speech.index("let us go on") == words.GO_ON
    assert speech.index("goodbye") == words.GOODBYE


def test_words_put_an_exhibit_on_show_within_reach_only() -> None:
    sim = visit()
    state = sim.state
    do(sim, say(sim, "look at this"))
    put_avatar(sim, 0, state["place"][0, 2] + 2.1 * state["out"][0, 2])
    before = state["on_show"][0]
    do(sim, say(sim, "look at this"))
    assert state["on_show"][0] != 2 or before == 2
    gather(sim, 2)
    do(sim, say(sim, "look at this"))
    assert state["on_show"][0] == 2
    assert state.props.present[0, state.prop("spotlight")]


def test_who_sees_an_exhibit_gets_its_enjoyment_once_and_the_reward_is_the_partys_mean() -> None:
    sim = visit()
    state, start = sim.state, float(sim.state["potential"][0])
    fresh = np.zeros(6)
    whole = [
        enjoyment(appeal(state["strengths"][0, 4], taste, fresh, NOTHING))
        for taste in state["taste"][0]
    ]
    show(sim, 4)
    np.testing.assert_allclose(state["satisfaction"][0], whole, atol=1e-9)
    assert earned(sim, start) == pytest.approx(np.mean(whole))
    assert sim.metrics()["satisfaction"][0] == pytest.approx(np.mean(whole))
    assert state["looked"][0, :, 4].tolist() == [SHOW] * 3
    do(sim, say(sim, "look at this"), 5)
    assert earned(sim, start) == pytest.approx(np.mean(whole))


@pytest.mark.parametrize("attribute", range(6))
def test_saying_why_helps_or_bores_as_the_equation_says(attribute: int) -> None:
    sim = visit()
    state = sim.state
    show(sim, 5, f"notice {Tour(3).roles()[0].utterances[1].slots[attribute]}")
    whole = [
        enjoyment(appeal(state["strengths"][0, 5], taste, np.zeros(6), attribute))
        for taste in state["taste"][0]
    ]
    np.testing.assert_allclose(state["satisfaction"][0], whole, atol=1e-9)


def test_after_a_show_visitors_are_satiated_by_the_published_equation() -> None:
    sim = visit()
    show(sim, 1)
    show(sim, 6)
    expected = np.zeros(6)
    for exhibit in (1, 6):
        satiate(sim.state["strengths"][0, exhibit], 1.0, False, expected)
    for satiation in sim.state["satiation"][0]:
        np.testing.assert_allclose(satiation, expected, atol=1e-9)


def test_a_show_ends_when_the_guide_walks_away_or_waves_or_time_is_up() -> None:
    for end in ("away", "wave", "time"):
        sim = visit()
        gather(sim, 3)
        do(sim, say(sim, "look at this"), 2)
        assert sim.state["on_show"][0] == 3
        if end == "away":
            put_avatar(sim, 0, sim.state["place"][0, 3] + 3.0 * sim.state["out"][0, 3])
            do(sim)
        elif end == "wave":
            do(sim, say(sim, "wave"))
        else:
            sim.state["looked"][0] = -200  # Nobody ever has seen enough.
            do(sim, steps=LONGEST)
        assert sim.state["on_show"][0] == NOTHING
        assert not sim.state.props.present[0, sim.state.prop("spotlight")]


def test_behind_a_wall_nobody_looks() -> None:
    sim = visit()
    state = sim.state
    gather(sim, 0)
    outside = state["place"][0, 0] - 0.5 * state["out"][0, 0]
    put_avatar(sim, 1, outside)
    do(sim, say(sim, "look at this"))
    assert state["looked"][0, :, 0].tolist() == [0, 1, 1]


# -- reactions -------------------------------------------------------------------------------------


def test_what_visitors_say_tells_how_much_they_like_it() -> None:
    sim = visit(24)
    felt, said = [], []
    for _ in range(300):
        sim.step(sim.expert_actions())
        now = sim.state.avatars.utterance[:, 1:]
        for w, v in np.argwhere((now >= words.WONDERFUL) & (now < words.GOODBYE)).tolist():
            said.append(sim.state["last"][w, v])
            felt.append(SHOW * sim.state["enjoyed"][w, v])
    assert len(said) > 100
    assert np.corrcoef(felt, said)[0, 1] > 0.6
    assert set(np.round(said, 2)) <= set(words.RATINGS)


def test_a_question_is_about_what_the_visitor_likes_best() -> None:
    sim = visit(16)
    asked = 0
    for _ in range(250):
        sim.step(sim.expert_actions())
        state = sim.state
        now = state.avatars.utterance[:, 1:]
        for w, v in np.argwhere((now >= words.ASK) & (now < words.SEE)).tolist():
            worth = state["strengths"][w, state["subject"][w]] * state["taste"][w, v]
            assert state["asked"][w, v] == now[w, v] - words.ASK == worth.argmax()
            assert state["rated"][w, v, state["subject"][w]]
            asked += 1
    assert asked > 10


# -- who leaves ------------------------------------------------------------------------------------


def test_who_has_lost_patience_says_goodbye_walks_out_and_costs_its_share() -> None:
    sim = visit()
    start = float(sim.state["potential"][0])
    sim.state["patience"][0, 1] = 1e-4
    do(sim)
    assert sim.rewards[0, 0] - sim.state["shaping"][0] == pytest.approx(LEAVING / 3)
    assert sim.metrics()["stayed"][0] == pytest.approx(2 / 3)
    do(sim)
    assert sim.state.avatars.utterance[0, 2] == words.GOODBYE
    assert sim.rewards[0, 0] == sim.state["shaping"][0]
    do(sim, steps=90)
    assert sim.state.avatars.present[0].tolist() == [True, True, False, True]
    assert not sim.terminated[0]
    sim.state["patience"][0] = 1e-4
    do(sim)
    assert sim.terminated[0]
    assert earned(sim, start) == pytest.approx(LEAVING)
    assert not sim.metrics()["success"][0]


def test_the_flag_calls_who_lingers() -> None:
    for waves in (False, True):
        sim = visit(background={"visitor": "lingers"})
        sim.state["taste"][0] = sim.state["strengths"][0, 2]
        show(sim, 2)
        assert sim.state["errand"][0].tolist() == [2, 2, 2]
        do(sim, say(sim, "wave") if waves else STAY)
        assert sim.state["errand"][0].tolist() == ([NOTHING] if waves else [2]) * 3


def test_validation_and_test_each_have_one_manner_of_their_own() -> None:
    held_out = {n: one.splits for n, one in MANNERS.items() if "train" not in one.splits}
    assert held_out == {"trails": ("validation",), "drifts": ("test",)}
    for split in LEVELS:
        sim = simulate(SCENARIO, 24, split=split, observers=1)
        sim.reset(range(24))
        met = {list(Tour().behaviours())[i] for i in sim.state.behaviour[:, 1:].ravel().tolist()}
        assert met == {name for name, one in MANNERS.items() if split in one.splits}


# -- what is hidden --------------------------------------------------------------------------------


def test_nothing_that_is_observed_or_known_to_a_rule_tells_taste_or_patience() -> None:
    every = (*SENSORS, "tour")
    sim = visit(2, sensors=every, frame_size=16, observers=4)
    for _ in range(40):
        sim.step(sim.expert_actions())

    def answers() -> list[bytes]:
        sim.observe()
        seen = [sim.observations[key].tobytes() for key in sorted(sim.observations)]
        return seen + [sim.expert_actions(rule).tobytes() for rule in sim.task.heuristics()]

    before = answers()
    for name in ("taste", "patience", "tiring", "satiation", "kind", "oracle_gain", "relevance"):
        sim.state[name][:] = -sim.state[name]
    assert answers() == before


def test_the_sensor_tells_what_is_on_show_and_what_was_said() -> None:
    sim = visit()
    space = sim.observation_space["tour"]
    assert space.shape == (SIZE,)
    show(sim, 7)
    row = sim.observations["tour"][0, 0]
    assert space.contains(row)
    each = row[19 : 19 + 17 * EXHIBITS].reshape(EXHIBITS, 17)
    np.testing.assert_allclose(each[:, :6], sim.state["strengths"][0], atol=1e-6)
    assert each[:, 13].tolist() == [e == 7 for e in range(EXHIBITS)]
    assert each[7, 14] == 1.0
    assert each[7, 15] == pytest.approx(sim.state["rating"][0, :, 7].mean(), abs=1e-6)


def test_shaping_gives_every_episode_of_a_level_the_same_and_tells_no_taste() -> None:
    for shows in ([], [3], [5, 1]):
        sim = visit(max_episode_steps=150)
        start, total = float(sim.state["potential"][0]), 0.0
        sim.state["taste"][:] *= -1.0 if shows == [3] else 1.0
        for exhibit in shows:
            gather(sim, exhibit)
            do(sim, say(sim, "look at this"))
            total += sim.state["shaping"][0]
        while not sim.truncated[0]:
            do(sim)
            total += sim.state["shaping"][0]
        assert total == pytest.approx(-start)


def test_the_potential_is_what_was_seen_less_the_way_to_the_next_exhibit() -> None:
    sim = visit()
    state, way = sim.state, np.zeros((1, EXHIBITS))
    way_lengths(state.avatars.position, Museum.of(state), way)
    assert state["potential"][0] == pytest.approx(-FAR * way.min())
    show(sim, 4)
    way_lengths(state.avatars.position, Museum.of(state), way)
    assert state["potential"][0] == pytest.approx(SEEN - FAR * np.delete(way, 4).min())
    before = potential(state)
    state["taste"][:] *= -1.0
    assert potential(state) == before


# -- yardsticks ------------------------------------------------------------------------------------


def greedy(state: Any, world: int) -> list[tuple[float, float]]:
    """The oracle once more, in plain Python: ends and gains of its shows."""
    room, doors, hops = state["rooms"][world], state["door"][world], state["next_room"][world]
    tastes, seen = state["taste"][world], np.zeros_like(state["taste"][world])
    here = state.avatars.position[world, 0, :2]
    inside = int(np.argmax([(r[0] <= here[0] <= r[2]) and (r[1] <= here[1] <= r[3]) for r in room]))
    now, left, shows = 0.0, set(range(EXHIBITS)), []

    def cost(exhibit: int) -> float:
        at, where, total = here, inside, 0.0
        target = int(state["room_of"][world, exhibit])
        while where != target:
            door = doors[where, target]
            total, at, where = total + math.dist(at, door), door, int(hops[where, target])
        total += math.dist(at, state["stand"][world, exhibit])
        return total / yardstick.PACE + yardstick.GATHER + SHOW

    def gain(exhibit: int) -> float:
        x = state["strengths"][world, exhibit]
        return max(
            np.mean([enjoyment(appeal(x, w, s, k)) for w, s in zip(tastes, seen, strict=True)])
            for k in range(-1, 6)
        )

    while True:
        rates = {e: gain(e) / cost(e) for e in left if now + cost(e) <= state.max_episode_steps}
        best = max(rates, key=lambda e: (rates[e], -e), default=None)
        if best is None or rates[best] <= 0:
            return shows
        now += cost(best)
        shows.append((now, gain(best)))
        for s in seen:
            satiate(state["strengths"][world, best], 1.0, False, s)
        here, inside = state["stand"][world, best], int(state["room_of"][world, best])
        left.remove(best)


def test_the_oracle_is_the_greedy_one_and_regret_is_what_it_is_ahead() -> None:
    sim = visit(4)
    for world in range(4):
        shows = greedy(sim.state, world)
        np.testing.assert_allclose(
            sim.state["oracle_end"][world, : len(shows)], [end for end, _ in shows]
        )
        np.testing.assert_allclose(
            sim.state["oracle_gain"][world, : len(shows)], [gain for _, gain in shows]
        )
        assert not sim.state["oracle_gain"][world, len(shows) :].any()
    assert (sim.metrics()["regret"] == 0).all()
    sim.state.step[:] = sim.state.max_episode_steps
    total = sim.state["oracle_gain"].sum(1)
    np.testing.assert_allclose(sim.metrics()["regret"], total)
    sim.state["satisfaction"][:] = total[:, None] * PASS * 1.01
    np.testing.assert_allclose(sim.metrics()["regret"], total * (1 - PASS * 1.01))
    assert sim.metrics()["success"].all()


def test_ndcg_is_that_of_the_literature() -> None:
    from sklearn.metrics import ndcg_score

    sim = visit(3)
    rng = np.random.default_rng(0)
    for _ in range(5):
        order = rng.permutation(EXHIBITS)
        sim.state["shown"][:, order] = np.arange(1, EXHIBITS + 1)
        scores = -sim.state["shown"].astype(float)
        expected = [
            ndcg_score(sim.state["relevance"][w : w + 1], scores[w : w + 1], k=yardstick.TOP)
            for w in range(3)
        ]
        np.testing.assert_allclose(sim.metrics()["ndcg"], expected)
    best = np.argsort(-sim.state["relevance"][0])
    sim.state["shown"][0, best] = np.arange(1, EXHIBITS + 1)
    assert sim.metrics()["ndcg"][0] == pytest.approx(1.0)
    sim.state["shown"][:] = 0
    assert (sim.metrics()["ndcg"] == 0).all()


# -- it can be solved ------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "mode"), [("train", "continuous"), ("test", "discrete")])
def test_the_expert_gives_nearly_what_the_oracle_does(split: str, mode: str) -> None:
    ends = play(None, 12, split=split, action_mode=mode)
    assert ends["success"].mean() >= 0.8
    assert ends["regret"].mean() < 0.8
    assert ends["ndcg"].mean() > 0.75
    assert ends["stayed"].mean() > 0.6


def test_a_party_of_experts_sees_the_museum() -> None:
    sim = visit(4, observers=4)
    for _ in range(200):
        sim.step(sim.expert_actions())
    assert (sim.metrics()["shown"] >= 2).mean() >= 0.5
    assert (sim.state["rated"].any(2)).mean() > 0.7


def test_a_world_is_the_same_alone_and_among_others() -> None:
    many, alone = (simulate(SCENARIO, n, split="test", observers=1) for n in (5, 1))
    many.reset(range(5))
    alone.reset([3])
    for rule in [None] * 60 + ["lin-ucb"] * 30:
        many.step(many.expert_actions(rule))
        alone.step(alone.expert_actions(rule))
        assert many.state.digest(3) == alone.state.digest(0)
        assert many.rewards[3].tolist() == alone.rewards[0].tolist()
