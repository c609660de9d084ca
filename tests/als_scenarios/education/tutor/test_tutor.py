"""The lesson: who is spoken to, what is seen and hidden, the examination, and that it works."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import pytest
from bodies import put_avatar

from als_engine.bodies.avatar import Possible
from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS
from als_engine.world.layout import rgb
from als_scenarios.education.tutor.curriculum import NUM_SKILLS
from als_scenarios.education.tutor.lesson import (
    BUSY,
    FIRST_OF_PUPILS,
    IDLE,
    LAMPS,
    LISTEN,
    LISTENING,
    PUPIL_SAYS,
    RIGHT,
    WORK,
    WORKING,
)
from als_scenarios.education.tutor.manners import LOW
from als_scenarios.education.tutor.register import COLUMNS, PLAN
from als_scenarios.education.tutor.room import standing_places
from als_scenarios.education.tutor.tutor import EXAMINATION, MASTERY, PASS, Tutor

SCENARIO = "ALS/Tutor-v0"
STAY = 0
HIDDEN = ("known", "attention", "traits")


def attend(num_worlds: int = 1, **arguments: Any) -> Simulation:
    arguments.setdefault("sensors", ["register"])
    arguments.setdefault("observers", 1)
    sim = simulate(SCENARIO, num_worlds, **arguments)
    sim.reset(range(num_worlds))
    sim.observe()
    return sim


def stand_before(sim: Simulation, pupil: int, world: int = 0) -> None:
    """Puts the teacher before a pupil's desk, facing the pupil."""
    state = sim.state
    places = state.avatars.position[:, 1:, :2]
    spot = standing_places(places, state["front"])[world, pupil]
    away = places[world, pupil] - spot
    put_avatar(sim, 0, spot, math.atan2(away[1], away[0]), world)


def act(sim: Simulation, action: str = "", steps: int = 1) -> None:
    """The teacher of every world says something once, then stands still."""
    for i in range(steps):
        name = f"say {action!r}"
        chosen = sim.action_names.index(name) if action and i == 0 else STAY
        sim.step(np.full((sim.num_worlds, sim.observers), chosen))


def page(sim: Simulation, pupil: int, world: int = 0) -> np.ndarray:
    """A pupil's part of the register."""
    rows = sim.observations["register"][world, 0, PLAN:].reshape(-1, COLUMNS)
    return rows[pupil]


def layout_of(level: int, num_avatars: int = 5) -> Any:
    rng = np.random.default_rng([zlib.crc32(SCENARIO.encode()), level])
    return Tutor(num_avatars).layout(rng, level)


def play(policy: str, num_worlds: int, **arguments: Any) -> dict[str, np.ndarray]:
    """One episode in every world: returns of the teacher, and the metrics at its end."""
    sim = attend(num_worlds, **arguments)
    rng = np.random.default_rng(0)
    while not (sim.terminated | sim.truncated).any():
        if policy == "random":
            actions = rng.integers(sim.action_space.n, size=(num_worlds, sim.observers))
        else:
            actions = sim.expert_actions(None if policy == "expert" else policy)
        sim.advance(actions)
    assert (sim.terminated | sim.truncated).all()
    out = {**sim.metrics(), "return": sim.returns[:, 0].copy()}
    sim.close()
    return out


# -- speaking to pupils ----------------------------------------------------------------------------


@pytest.mark.parametrize("pupil", range(6))
def test_the_teacher_speaks_to_the_pupil_before_which_it_stands(pupil: int) -> None:
    sim = attend(num_avatars=7)
    stand_before(sim, pupil)
    act(sim)
    assert sim.state["addressed"][0] == pupil
    assert [page(sim, p)[3] for p in range(6)] == [float(p == pupil) for p in range(6)]
    act(sim, "practise adding")
    assert sim.state["task"][0, pupil] == WORKING
    assert sim.state["topic"][0, pupil] == 1
    assert (sim.state["task"][0] == IDLE).sum() == 5


def test_nobody_hears_a_teacher_who_is_far_or_turned_away() -> None:
    sim = attend()
    act(sim, "practise adding")
    assert sim.state["addressed"][0] == -1
    stand_before(sim, 0)
    sim.state.avatars.heading[0, 0] += 2.0
    act(sim, "practise adding")
    assert (sim.state["task"] == IDLE).all()


def test_an_exercise_ends_in_a_lamp_a_voice_and_the_register() -> None:
    sim = attend(8, sensors=["register", "heard"])
    sim.state["known"][:], sim.state["traits"][..., 2] = True, 0.0  # Who knows it never slips.
    for world in range(8):
        stand_before(sim, 0, world)
    act(sim, "practise dividing")
    assert (sim.state["lamp"][:, 0] == BUSY).all()
    act(sim, steps=WORK)
    assert (sim.state["lamp"][:, 0] == RIGHT).all()
    lamp = sim.state.props.color[:, 0].tolist()
    assert lamp == [list(rgb(LAMPS[RIGHT]))] * 8
    row = page(sim, 0)
    assert row[4] == row[8] == 0.0
    assert row[7] == 1.0
    skill = row[11 + 5 * 4 : 16 + 5 * 4]
    np.testing.assert_allclose(skill, [1 / 3, 0, 0, 1, 1])
    act(sim)
    said = sim.state.avatars.utterance[:, 1]
    assert (said == FIRST_OF_PUPILS).all()
    assert sim.state.utterances[said[0]] == "got it"
    assert sim.observations["heard"][:, 0, 0, 0].all()


def test_an_explanation_is_heard_to_its_end_or_not_at_all() -> None:
    for leaves in (False, True):
        sim = attend()
        stand_before(sim, 1)
        act(sim, "explain counting")
        assert sim.state["task"][0, 1] == LISTENING
        if leaves:
            sim.state.avatars.heading[0, 0] += 2.0
        act(sim, steps=LISTEN)
        assert sim.state["explained"].sum() == (not leaves)
        assert sim.state["task"][0, 1] == IDLE


def test_masks_rule_out_to_speak_to_nobody_or_to_set_the_busy_something() -> None:
    sim = attend(action_mode="discrete")
    names = list(sim.action_names)
    told = [i for i, name in enumerate(names) if "practise" in name or "explain" in name]
    praised = [i for i, name in enumerate(names) if "well done" in name or "pay attention" in name]
    assert len(told) == 2 * NUM_SKILLS
    for faced, busy in ((False, False), (True, False), (True, True)):
        if faced:
            stand_before(sim, 2)
        act(sim, "practise adding" if busy else "")
        masks = sim.action_masks()[0, 0]
        assert masks[told].all() == masks[told].any() == (faced and not busy)
        assert masks[praised].all() == masks[praised].any() == faced


def test_an_agent_that_listens_to_masks_finds_pupils_own_words_possible() -> None:
    sim = attend(observers=None)
    possible = Possible(1, 5, len(sim.state.utterances), {})
    possible.begin(sim.state)
    sim.task.action_mask(sim.state, possible)
    assert possible.say[:, 1:].all()


# -- what is hidden --------------------------------------------------------------------------------


def test_what_goes_on_in_pupils_is_in_no_observation() -> None:
    every = ["register", "plan", "pupils", "entities", "heard", "proprioception", "text", "rgb"]
    sim = attend(2, sensors=every, frame_size=32, observers=None)
    stand_before(sim, 0)
    act(sim, steps=3)
    before = {key: array.copy() for key, array in sim.observations.items()}
    for name in HIDDEN:
        sim.state[name][:] = 1 - sim.state[name]
    sim.observe()
    for key, array in sim.observations.items():
        np.testing.assert_array_equal(array, before[key], key)


def test_little_attention_shows_in_where_a_pupil_looks() -> None:
    for background in ("attends", "fidgets", "follows", "dreams", "whispers"):
        sim = attend(4, background=background)
        sim.state["attention"][:, 0] = 0.05
        for world in range(4):  # Else one that turns away may happen to face the teacher.
            stand_before(sim, 0, world)
        act(sim, steps=25)
        assert (sim.state["attention"][:, 0] < LOW).all()
        assert sim.state["away"][:, 0].all()
        assert page(sim, 0)[10] == 1.0
        if background != "whispers":
            assert not sim.state["away"][:, 1:].any()


def test_the_register_has_both_parts_and_empty_rows_for_absent_pupils() -> None:
    sim = attend(3, sensors=["register", "plan", "pupils"], num_avatars=3)
    act(sim, steps=5)
    seen = sim.observations
    rows = seen["pupils"].reshape(3, 1, -1)
    np.testing.assert_array_equal(seen["register"], np.concatenate([seen["plan"], rows], -1))
    assert seen["pupils"][:, 0, :2, 0].all()
    assert not seen["pupils"][:, 0, 2:].any()
    np.testing.assert_allclose(seen["plan"][:, 0, 0], 1 - 5 / sim.state["ends"])
    skill, earlier = np.tril_indices(NUM_SKILLS, -1)
    np.testing.assert_array_equal(seen["plan"][:, 0, 1:], sim.state["needs"][:, skill, earlier])


# -- rewards and the examination -------------------------------------------------------------------


def test_mastery_pays_for_what_is_learnt_and_takes_back_what_is_forgotten() -> None:
    sim = attend(6)
    total = np.zeros(6)
    start = sim.metrics()["mastery"].copy()
    for _ in range(120):
        sim.advance(sim.expert_actions())
        total += sim.terms[:, 0, 0]
    np.testing.assert_allclose(total, MASTERY * (sim.metrics()["mastery"] - start))
    np.testing.assert_allclose(sim.metrics()["mastery_gain"], sim.metrics()["mastery"] - start)
    assert not sim.terms[..., 1].any()


def test_shaping_gives_every_episode_of_a_level_the_same() -> None:
    for policy in ("expert", "round-robin", ""):
        sim = attend(3, max_episode_steps=30)
        start, total = sim.state["potential"].copy(), np.zeros(3)
        for _ in range(30):
            rule = None if policy == "expert" else policy
            sim.advance(sim.expert_actions(rule) if policy else np.zeros((3, 1), int))
            total += sim.terms[:, 0, 2]
        np.testing.assert_allclose(total, -start)
        assert (start < 0).all()


@pytest.mark.parametrize("limit", [None, 12])
def test_the_examination_is_at_the_end_and_asks_what_is_true(limit: int | None) -> None:
    sim = attend(60, num_avatars=3, max_episode_steps=limit)
    state = sim.state
    ends = 12 if limit else int(state["ends"][0])
    state.step[:] = ends - 1
    state["known"][:30], state["known"][30:] = True, False
    state["traits"][..., 1], state["traits"][..., 2], state["traits"][..., 3] = 0.3, 0.1, 0.0
    act(sim)
    assert state["examined"].all()
    assert (sim.terminated if limit is None else sim.truncated).all()
    exam = sim.metrics()["exam"]
    assert abs(exam[:30].mean() - 0.9) < 0.06
    assert abs(exam[30:].mean() - 0.3) < 0.1
    np.testing.assert_allclose(sim.terms[:, 0, 1], EXAMINATION * exam)
    np.testing.assert_array_equal(sim.metrics()["success"], exam >= PASS)
    assert state.signs.text[0][0].startswith("EXAMINATION")


def test_everybody_shares_the_reward() -> None:
    sim = attend(2, observers=None)
    for _ in range(40):
        sim.advance(sim.expert_actions())
        assert (sim.rewards == sim.rewards[:, :1]).all()


# -- who is who ------------------------------------------------------------------------------------


def test_the_teacher_walks_and_the_pupils_turn_and_answer() -> None:
    sim = attend(num_avatars=3, observers=None)
    assert sim.agents == ("teacher_0", "pupil_0", "pupil_1")
    own = [codec.choices["action"] for codec in sim.acting.own]
    assert "forward" in own[0]
    assert own[1] == ("stay", "turn left", "turn right", *(f"say {each!r}" for each in PUPIL_SAYS))


def test_pupils_stay_at_their_desks_even_when_pushed() -> None:
    sim = attend(4, observers=1)
    start = sim.state.avatars.position[:, 1:].copy()
    rng = np.random.default_rng(3)
    for world in range(4):
        stand_before(sim, world, world)
    for _ in range(60):
        sim.advance(rng.choice([1, 1, 1, 3, 4], (4, 1)))
    assert np.abs(sim.state.avatars.position[:, 1:] - start).max() < 0.1


def test_validation_and_test_each_have_a_manner_and_kinds_of_their_own() -> None:
    behaviours = Tutor().behaviours()
    held_out = {name: one.splits for name, one in behaviours.items() if "train" not in one.splits}
    assert held_out == {"dreams": ("validation",), "whispers": ("test",)}
    met: dict[str, set[Any]] = {
        split: {c for level in LEVELS[split][:60] for c in Tutor().concepts(layout_of(level))}
        for split in LEVELS
    }
    kinds = {split: {c for c in found if c[0] == "kind"} for split, found in met.items()}
    assert [len(kinds[split]) for split in LEVELS] == [4, 2, 3]
    assert met["train"].isdisjoint(met["test"] | met["validation"])
    assert met["test"].isdisjoint(met["validation"])


def test_levels_seat_pupils_here_and_there() -> None:
    places = {
        tuple(np.round(spawn.position, 0))
        for level in range(40)
        for spawn in layout_of(level).spawns[1:]
    }
    assert len(places) > 10


# -- it can be taught ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "given"),
    [
        ("train", {"action_mode": "continuous", "num_avatars": 3}),
        ("test", {}),
        ("validation", {"action_mode": "factored", "num_avatars": 7}),
    ],
)
def test_the_expert_brings_most_classes_through_the_examination(split: str, given: Any) -> None:
    ends = play("expert", 20, split=split, **given)
    assert ends["success"].mean() >= 0.8
    assert ends["mastery_gain"].mean() > 0.2


def test_rules_go_by_nothing_hidden() -> None:
    for rule in Tutor().heuristics():
        sim = attend(4)
        for _ in range(60):
            actions = sim.expert_actions(rule)
            kept = {name: sim.state[name].copy() for name in HIDDEN}
            for name in HIDDEN:
                sim.state[name][:] = 1 - sim.state[name]
            np.testing.assert_array_equal(sim.expert_actions(rule), actions)
            for name in HIDDEN:
                sim.state[name][:] = kept[name]
            sim.advance(actions)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_world_is_the_same_alone_and_among_others(split: str) -> None:
    many = attend(5, split=split)
    alone = attend(1, split=split)
    for seed in (0, 3):
        many.reset(range(5))
        alone.reset([seed])
        for _ in range(60):
            many.step(many.expert_actions())
            alone.step(alone.expert_actions())
            assert many.state.digest(seed) == alone.state.digest(0)
            assert many.rewards[seed].tolist() == alone.rewards[0].tolist()
