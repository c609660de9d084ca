"""The party: what the host's words do, who gets in, what is hidden, and that it can be hosted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from bodies import put_avatar

from als_engine.sensors import SENSORS
from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS
from als_scenarios.social.gathering import words
from als_scenarios.social.gathering.company import COLUMNS, PORTRAIT, VOICE
from als_scenarios.social.gathering.cues import EARSHOT
from als_scenarios.social.gathering.door import (
    ADMITTED,
    GAVE_UP,
    INSIDE,
    PARTY,
    PATIENCE,
    REFUSED,
    WAITING,
    is_genuine,
)
from als_scenarios.social.gathering.evening import NEVER
from als_scenarios.social.gathering.feelings import ANGRY, MOODS, SAD
from als_scenarios.social.gathering.gathering import IDLE, WRONG_MOOD, Gathering
from als_scenarios.social.gathering.house import POST, WAIT
from als_scenarios.social.gathering.people import BLANK, GAITS, VOICES

SCENARIO = "ALS/Gathering-v0"


def party(num_worlds: int = 1, **arguments: Any) -> Simulation:
    arguments.setdefault("sensors", ["company", "portraits"])
    arguments.setdefault("observers", 1)
    sim = simulate(SCENARIO, num_worlds, **arguments)
    sim.reset(range(num_worlds))
    sim.observe()
    return sim


def says(sim: Simulation, sentence: str) -> None:
    """The host of the first world says something; every other host stands still."""
    actions = np.zeros((sim.num_worlds, sim.observers), np.int64)
    actions[0, 0] = sim.acting.codec.names.index(f"say '{sentence}'")
    sim.step(actions)


def wait(sim: Simulation, steps: int = 1) -> None:
    for _ in range(steps):
        sim.step(np.zeros((sim.num_worlds, sim.observers), np.int64))


def meet(sim: Simulation, guest: int, away: float = 1.2) -> None:
    """Puts the host before a guest and looks at it, and everybody else far off."""
    state = sim.state
    for other in range(sim.state.num_avatars - 1):
        if other != guest:
            put_avatar(sim, other + 1, (-3.4 + 0.75 * other, 2.0))
    put_avatar(sim, guest + 1, (0.0, -1.5))
    put_avatar(sim, 0, (-away, -1.5))
    state["due"][:] = NEVER  # Nobody goes to the door now.


def come_to_door(sim: Simulation, genuine: bool) -> int:
    """Lets a guest who is genuine, or is not, stand at the door and say its name."""
    state = sim.state
    names = state["invited"][0][np.maximum(state["claims"][0], 0)]
    right = names == state["person"][0]
    guest = int(np.flatnonzero((state["claims"][0] >= 0) & (right == genuine))[0])
    state["due"][:] = NEVER
    state["due"][0, guest] = 0
    put_avatar(sim, guest + 1, state["places"][0, WAIT])
    put_avatar(sim, 0, state["places"][0, POST])
    wait(sim, 3)
    assert state["stage"][0, guest] == WAITING
    return guest


def play(act: str, num_worlds: int, **arguments: Any) -> dict[str, np.ndarray]:
    """One episode in every world: the host's returns and the metrics at its end."""
    sim = party(num_worlds, sensors=["proprioception"], **arguments)
    rng = np.random.default_rng(0)
    while not sim.truncated.any():
        if act == "random":
            sim.advance(rng.integers(sim.action_space.n, size=(num_worlds, 1)))
        else:
            sim.advance(sim.expert_actions(*([] if act == "expert" else [act])))
    found = {**sim.metrics(), "return": sim.returns[:, 0].copy()}
    sim.close()
    return found


def test_the_numbers_of_verbs_are_those_of_what_is_said() -> None:
    verbs = party().state.speech.verbs
    numbered = ("ADMIT", "REFUSE", "INTRODUCE", "YOU_SEEM", "I_AM", "THANKS", "HURT", "HELLO")
    said = ("admit", "refuse", "introduce", "you seem", "i am", "thank you", "that hurts", "hello")
    for name, verb in zip(numbered, said, strict=True):
        assert verbs[getattr(words, name)] == verb


# -- moods -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mood", [ANGRY, SAD])
def test_a_mood_told_rightly_takes_the_burden_away(mood: int) -> None:
    sim = party()
    meet(sim, 2)
    state = sim.state
    state["mood"][0, 2], state["burden"][0, 2] = mood, (-1.0, 0.1)
    state["feeling"][0, 2] = (-0.5, 0.5 if mood == ANGRY else -0.5)
    before = state["feeling"][0, 2, 0]
    says(sim, f"you seem {MOODS[mood]}")
    assert not state["burden"][0, 2].any()
    assert state["feeling"][0, 2, 0] > before
    assert sim.metrics()["mood_recognised"][0] == 1.0
    assert state["eased"][0] == 1
    wait(sim)
    assert state.speech.sentences[state.avatars.utterance[0, 3]] == "thank you"


def test_a_wrong_mood_hurts_and_costs() -> None:
    sim = party()
    meet(sim, 2)
    state = sim.state
    state["mood"][0, 2], state["burden"][0, 2] = SAD, (-1.0, -0.1)
    before = state["feeling"][0, 2, 0]
    says(sim, "you seem happy")
    assert state["burden"][0, 2, 0] == -1.0
    assert state["feeling"][0, 2, 0] < before - 0.15
    assert sim.metrics()["mood_recognised"][0] == 0.0
    mistakes = sim.reward_names.index("mistakes")
    assert sim.scoring.terms[0, 0, mistakes] == pytest.approx(WRONG_MOOD)


def test_a_guest_does_not_want_to_hear_of_its_mood_all_the_time() -> None:
    sim = party()
    meet(sim, 2)
    says(sim, "you seem happy")
    told = sim.metrics()["moods_told"][0]
    meet(sim, 2)
    says(sim, "you seem sad")
    assert sim.metrics()["moods_told"][0] == told == 1
    mistakes = sim.reward_names.index("mistakes")
    assert sim.scoring.terms[0, 0, mistakes] == pytest.approx(IDLE)
    sim.state["listens_at"][0, 2] = sim.state.step[0]
    meet(sim, 2)
    says(sim, "you seem sad")
    assert sim.metrics()["moods_told"][0] == 2


def test_a_mood_is_told_to_the_nearest_guest_ahead_and_to_nobody_behind() -> None:
    sim = party()
    meet(sim, 4)
    assert words.partner(sim.state)[0] == 4
    put_avatar(sim, 0, (-1.2, -1.5), math.pi)
    assert words.partner(sim.state)[0] == -1
    put_avatar(sim, 0, (-1.2, -1.5), math.radians(55))
    assert words.partner(sim.state)[0] == 4
    meet(sim, 4, away=1.9)
    assert words.partner(sim.state)[0] == -1


def test_a_mishap_weighs_on_a_guest_from_its_step_on() -> None:
    sim = party()
    state = sim.state
    state["burden"][:], state["mishap_at"][0] = 0.0, NEVER
    state["mishap_at"][0, 1], state["mishap"][0, 1] = 2, (-1.2, -0.4)
    wait(sim, 1)
    assert not state["burden"].any()
    wait(sim, 1)
    np.testing.assert_array_equal(state["burden"][0, 1], (-1.2, -0.4))


# -- introductions ---------------------------------------------------------------------------------


def test_an_introduction_makes_those_around_the_host_acquainted_and_no_one_else() -> None:
    sim = party()
    meet(sim, 0)
    put_avatar(sim, 2, (0.3, -0.8))
    state = sim.state
    state["knows"][:] = False
    says(sim, "introduce")
    expected = np.zeros((6, 6), bool)
    expected[0, 1] = expected[1, 0] = True
    np.testing.assert_array_equal(state["knows"][0], expected)
    assert sim.metrics()["introductions"][0] == 1
    says(sim, "introduce")
    mistakes = sim.reward_names.index("mistakes")
    assert sim.scoring.terms[0, 0, mistakes] == pytest.approx(IDLE)


# -- the door --------------------------------------------------------------------------------------


@pytest.mark.parametrize("genuine", [True, False])
@pytest.mark.parametrize("admits", [True, False])
def test_an_answer_at_the_door_is_right_or_wrong(genuine: bool, admits: bool) -> None:
    sim = party()
    guest = come_to_door(sim, genuine)
    says(sim, "admit" if admits else "refuse")
    state = sim.state
    assert state["stage"][0, guest] == (ADMITTED if admits else REFUSED)
    door = sim.reward_names.index("door")
    assert sim.scoring.terms[0, 0, door] == (1.0 if genuine == admits else -2.0)
    assert sim.scoring.terms[0, guest + 1, door] == (1.0 if admits else -1.0)
    metrics = sim.metrics()
    assert metrics["false_accepts"][0] == (admits and not genuine)
    assert metrics["false_rejects"][0] == (genuine and not admits)
    # Of the other kind nobody was answered: that counts as chance.
    assert metrics["equal_error_rate"][0] == (0.25 if genuine == admits else 0.75)


def test_who_is_admitted_goes_in_and_the_door_shuts_behind() -> None:
    sim = party()
    state, guest = sim.state, come_to_door(sim, True)
    door = state.prop("private door")
    says(sim, "admit")
    wait(sim, 20)
    assert abs(state.hinges.angle[0, door]) > 1.0
    wait(sim, 50)
    assert state["stage"][0, guest] == INSIDE
    assert abs(state.position(f"avatar_{guest + 1}")[0, 0]) > 4.6
    wait(sim, 20)
    assert abs(state.hinges.angle[0, door]) < 0.05


def test_who_is_left_waiting_gives_up_and_is_hurt_if_invited() -> None:
    sim = party()
    state, guest = sim.state, come_to_door(sim, True)
    wait(sim, PATIENCE)
    assert state["stage"][0, guest] == GAVE_UP
    assert sim.metrics()["left_waiting"][0] == 1
    assert not sim.metrics()["success"][0]


def test_a_name_counts_before_the_door_alone_and_only_if_invited() -> None:
    sim = party(observers=7)
    state, names = sim.state, sim.acting.codec.names
    invited, other = state["invited"][0, 1], state["person"][0, 0]
    if other in state["invited"][0]:
        other = next(i for i in range(48) if i not in state["invited"][0])
    for where, person, stage in (((0, 0), invited, PARTY), (None, other, PARTY),
                                 (None, invited, WAITING)):  # fmt: skip
        put_avatar(sim, 1, state["places"][0, WAIT] if where is None else where)
        actions = np.zeros((1, 7), np.int64)
        sentence = state.speech.sentence[words.I_AM, person]
        actions[0, 1] = names.index(f"say '{state.speech.sentences[sentence]}'")
        sim.step(actions)
        assert state["stage"][0, 0] == stage
    assert state["claimed"][0, 0] == 1
    assert is_genuine(state)[0, 0] == (invited == state["person"][0, 0])


def test_whoever_is_not_near_the_door_answers_nobody() -> None:
    sim = party()
    guest = come_to_door(sim, True)
    put_avatar(sim, 0, (0.0, 0.0))
    says(sim, "refuse")
    assert sim.state["stage"][0, guest] == WAITING


# -- what is seen and heard ------------------------------------------------------------------------


def test_nothing_that_is_observed_depends_on_feelings_or_identities() -> None:
    every = tuple(dict.fromkeys((*SENSORS, *Gathering.extra_sensors)))
    sim = party(sensors=every, frame_size=16)
    come_to_door(sim, False)
    wait(sim, 30)
    sim.observe()
    seen = {key: array.copy() for key, array in sim.observations.items()}
    rng = np.random.default_rng(0)
    for name in ("feeling", "temper", "burden", "mishap"):
        sim.state[name][:] = rng.uniform(-1, 1, sim.state[name].shape)
    for name in ("openness", "vividness", "gait", "voice"):
        sim.state[name][:] = rng.random(sim.state[name].shape)
    for name in ("person", "mood", "claims", "due", "mishap_at", "combination", "cues"):
        sim.state[name][:] = (sim.state[name] + 1) % 3
    sim.observe()
    for key, array in sim.observations.items():
        np.testing.assert_array_equal(array, seen[key], err_msg=key)


@pytest.mark.parametrize("rule", [*Gathering().heuristics()])
def test_rules_act_on_nothing_that_is_hidden(rule: str) -> None:
    sim = party(6)
    wait(sim, 70)
    before = sim.expert_actions(rule)
    rng = np.random.default_rng(0)
    for name in ("feeling", "temper", "burden", "voice"):
        sim.state[name][:] = rng.uniform(-1, 1, sim.state[name].shape)
    for name in ("person", "mood", "cues", "claims"):
        sim.state[name][:] = (sim.state[name] + 1) % 3
    np.testing.assert_array_equal(sim.expert_actions(rule), before)


def test_well_being_is_paid_for_as_far_as_it_changes() -> None:
    sim = party(4)
    start, paid = sim.metrics()["well_being"].copy(), np.zeros(4)
    for _ in range(60):
        sim.advance(sim.expert_actions())
        paid += sim.scoring.terms[:, 0, sim.reward_names.index("well-being")]
    np.testing.assert_allclose(paid, 20 * (sim.metrics()["well_being"] - start), atol=1e-9)


def test_a_row_of_company_says_what_there_is_to_see_and_hear() -> None:
    sim = party()
    guest = come_to_door(sim, True)
    state = sim.state
    row = dict(zip(COLUMNS, sim.observations["company"][0, 0, guest].tolist(), strict=True))
    away = state.avatars.position[0, guest + 1, :2] - state.avatars.position[0, 0, :2]
    assert row["present"] == row["waits"] == 1
    assert row["inside"] == row["refused"] == 0
    assert row["distance"] == pytest.approx(np.linalg.norm(away) / 8, abs=1e-6)
    assert math.hypot(row["forward"], row["left"]) == pytest.approx(row["distance"], abs=1e-6)
    assert row["acquainted"] == pytest.approx(state["knows"][0, guest].sum() / 5)
    person = state["invited"][0, state["claimed"][0, guest]]
    portrait = sim.observations["company"][0, 0, guest, PORTRAIT:]
    np.testing.assert_allclose(portrait[:8], VOICES[person] / 20, atol=1e-6)
    np.testing.assert_allclose(portrait[8:], GAITS[person] / (2.0, 0.5), atol=1e-6)
    on_list = sim.observations["portraits"][0, 0, state["claimed"][0, guest]]
    np.testing.assert_array_equal(on_list, portrait)


def test_a_voice_is_made_out_near_the_host_while_it_speaks() -> None:
    sim = party()
    guest = come_to_door(sim, True)
    state = sim.state
    voice = sim.observations["company"][0, 0, guest, VOICE : VOICE + 8]
    np.testing.assert_allclose(voice, state["voice"][0, guest] / 20, atol=1e-6)
    assert state["heard_for"][0, guest] > 0
    put_avatar(sim, 0, state["places"][0, WAIT] * (1 - (EARSHOT + 0.5) / 3.45, 1))
    count = state["heard_for"][0, guest]
    state["talks_until"][0, guest] = NEVER
    wait(sim)
    assert state["heard_for"][0, guest] == count


def test_a_walk_is_seen_as_fast_as_it_is() -> None:
    sim = party(8, background="circles")
    sim.state["due"][:] = NEVER
    wait(sim, 150)
    seen, usual = sim.state["seen"][..., 0], sim.state["gait"][..., 0]
    walked = sim.state["walked_for"] > 60
    assert walked.mean() > 0.8
    assert np.corrcoef(seen[walked], usual[walked])[0, 1] > 0.6


def test_faces_stand_before_heads_and_show_what_faces_show() -> None:
    sim = party(4)
    wait(sim, 40)
    state = sim.state
    gap = state.screens.position[:, :6, :2] - state.avatars.position[:, 1:, :2]
    np.testing.assert_allclose(np.linalg.norm(gap, axis=-1), 0.19, atol=1e-9)
    blank = state["cues"][..., 0] == BLANK
    assert not state["face"][blank].any()
    assert (state["drawn_face"][blank] == len(MOODS)).all()


def test_clothes_change_in_an_evening() -> None:
    sim = party()
    worn = sim.state.avatars.color[0].copy()
    sim.state["changes_at"][0, 2] = 5
    wait(sim, 4)
    np.testing.assert_array_equal(sim.state.avatars.color[0], worn)
    wait(sim, 1)
    assert (sim.state.avatars.color[0, 3] != worn[3]).any()


def test_guests_observe_nothing_of_the_hosts_company() -> None:
    sim = party(observers=7)
    assert sim.observations["company"][0, 0].any()
    assert not sim.observations["company"][0, 1:].any()
    assert not sim.observations["portraits"][0, 1:].any()


# -- company and levels ----------------------------------------------------------------------------


def test_validation_and_test_each_have_a_manner_that_is_met_there_only() -> None:
    behaviours = Gathering().behaviours()
    held_out = {name: one.splits for name, one in behaviours.items() if "train" not in one.splits}
    assert held_out == {"keeps apart": ("validation",), "shadows": ("test",)}
    for split in LEVELS:
        sim = party(12, split=split)
        met = {[*behaviours][i] for i in np.unique(sim.state.behaviour[:, 1:]).tolist()}
        assert met == {
            name for name, one in behaviours.items() if split in one.splits and "guest" in one.roles
        }


@pytest.mark.parametrize("manner", ["mingles", "clings", "circles", "keeps apart", "shadows"])
def test_guests_of_every_manner_move_about_and_stay_in_the_house(manner: str) -> None:
    sim = party(4, background={"guest": manner})
    sim.state["due"][:] = NEVER
    start = sim.state.avatars.position[:, 1:, :2].copy()
    wait(sim, 100)
    place = sim.state.avatars.position[:, 1:, :2]
    assert (np.linalg.norm(place - start, axis=-1) > 0.5).any(1).all()
    assert (np.abs(place) < (4.2, 3.2)).all()


def test_a_partial_reset_leaves_the_other_parties_alone() -> None:
    sim = party(3)
    wait(sim, 50)
    before = sim.state.digest(1)
    sim.reset([7], worlds=[0])
    assert sim.state.digest(1) == before


# -- it can be hosted ------------------------------------------------------------------------------


def test_the_expert_hosts_a_good_party_and_a_rule_a_worse_one() -> None:
    expert = play("expert", 10, split="test", action_mode="discrete")
    rule = play("nearest-portrait", 10, split="test", action_mode="discrete")
    assert expert["success"].mean() >= 0.9
    assert expert["equal_error_rate"].mean() == 0.0
    assert expert["mood_recognised"].mean() >= 0.9
    assert rule["equal_error_rate"].mean() < 0.3
    assert 0 < rule["return"].mean() < expert["return"].mean() - 2
