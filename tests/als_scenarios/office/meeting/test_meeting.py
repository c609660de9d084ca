"""The meeting: who is understood, what is asked back and written, what it earns, and who plays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from bodies import put_avatar

from als_engine.sensors.tokenizer import decode
from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS
from als_scenarios.office.meeting import minutes, senses, talk
from als_scenarios.office.meeting.boardroom import MIDDLE
from als_scenarios.office.meeting.hearing import FACED, LISTEN, NEAR, REPEAT
from als_scenarios.office.meeting.meeting import PASS, WEIGHTS, WRITE_UP, Meeting
from als_scenarios.office.meeting.words import AGREE, CHAT, DAYS, ITEMS, PROPOSE

SCENARIO = "ALS/Meeting-v0"
NOBODY = -1
STILL = {"background": "attends", "observers": 1}


def meet(num_worlds: int = 1, **arguments: Any) -> Simulation:
    arguments.setdefault("sensors", ["talk", "notes", "minutes"])
    sim = simulate(SCENARIO, num_worlds, **{**STILL, **arguments})
    sim.reset(range(num_worlds))
    sim.observe()
    return sim


def two_speeches(sim: Simulation, together: bool = False) -> None:
    """A meeting of two sentences: Ana proposes item C for Ben on Friday, Cho agrees."""
    rows = sim.state["script"]
    rows[:, :, [talk.START, talk.END]], rows[:, :, talk.ACT] = talk.NEVER, CHAT
    form = sim.state["script"][0, 0, talk.FORM]
    rows[:, 0] = (2, 30, 0, PROPOSE, 1, 2, 4, form)
    rows[:, 1] = (2 if together else 40, 30 if together else 70, 2, AGREE, -1, 2, -1, form)
    sim.state["over_at"][:] = 70
    sim.state["truth"][:] = NOBODY
    sim.state["truth"][:, 2] = (1, 4)


def stand(sim: Simulation, speaker: int, away: float = 1.2, turn: float = 0.0) -> None:
    """Puts the note-taker behind a speaker, so far away and turned so far aside from them."""
    place = sim.state.avatars.position[0, 1 + speaker, :2]
    out = (place - MIDDLE) / np.linalg.norm(place - MIDDLE)
    put_avatar(sim, 0, place + away * out, math.atan2(-out[1], -out[0]) + turn)


def act(sim: Simulation, text: str | None = None, times: int = 1) -> None:
    """The note-taker says something, or stands still."""
    action = 0 if text is None else sim.action_names.index(f"say {text!r}")
    for _ in range(times):
        sim.step(np.full((sim.num_worlds, sim.observers), action))


def listen(speaker: int = 0, steps: int = 25, **where: float) -> Simulation:
    """The first meeting, listened to from a place for some steps."""
    sim = meet()
    two_speeches(sim)
    for _ in range(steps):
        stand(sim, speaker, **where)
        act(sim)
    return sim


def play(policy: str | None, num_worlds: int, **arguments: Any) -> dict[str, np.ndarray]:
    """One episode in every world: returns of the note-taker, and the metrics at its end."""
    sim = simulate(SCENARIO, num_worlds, sensors=["proprioception"], observers=1, **arguments)
    sim.reset(range(num_worlds))
    ended, out = np.zeros(num_worlds, bool), dict[str, np.ndarray]()
    while not ended.all():
        sim.advance(sim.expert_actions(policy))
        now = (sim.terminated | sim.truncated) & ~ended
        ended |= now
        for name, value in {**sim.metrics(), "return": sim.returns[:, 0]}.items():
            out.setdefault(name, np.zeros(num_worlds))[now] = value[now]
    sim.close()
    return out


# -- who is understood -----------------------------------------------------------------------------


def test_who_is_near_and_faced_is_understood_after_ten_steps() -> None:
    sim = listen(steps=LISTEN)
    assert not sim.observations["talk"][0, 0, 0]
    assert not sim.observations["talk"][0, 0, 4:33].any()
    stand(sim, 0)
    act(sim)
    content = sim.observations["talk"][0, 0, 4:33]
    assert np.flatnonzero(content).tolist() == [0, 6 + PROPOSE, 12 + 1, 18 + 2, 24 + 4]


@pytest.mark.parametrize(
    "where", [{"away": NEAR + 0.1}, {"turn": FACED + 0.1}, {"turn": -FACED - 0.1}], ids=str
)
def test_who_is_too_far_or_not_faced_is_only_a_direction(where: dict[str, float]) -> None:
    sim = listen(**where)
    assert sim.metrics()["understood"] == 0
    assert not sim.observations["talk"][0, 0, :33].any()
    voice = sim.observations["talk"][0, 0, 33:39]
    assert voice[:2].tolist() == [1, 1]
    assert voice[5] == 0
    away = sim.state.avatars.position[0, 1, :2] - sim.state.avatars.position[0, 0, :2]
    assert voice[4] * senses.REACH == pytest.approx(np.linalg.norm(away), abs=1e-5)


def test_of_two_who_speak_at_once_the_one_faced_more_directly_is_heard() -> None:
    beside = {0: (2.6, 1.0), 2: (3.2, 1.0)}
    for speaker, (x, _) in beside.items():
        sim = meet()
        two_speeches(sim, together=True)
        for _ in range(LISTEN + 2):
            for each, place in beside.items():
                put_avatar(sim, 1 + each, place)
            put_avatar(sim, 0, (2.9, 2.2), math.atan2(-1.2, x - 2.9))
            act(sim)
        assert sim.state["faced"][0].tolist() == [True, False, True, False]
        assert sim.state["listening"][0] == speaker
        assert np.flatnonzero(sim.state["heard"][0]).tolist() == [speaker // 2]


def test_small_talk_is_heard_but_is_nothing_to_be_paid_for() -> None:
    sim = meet()
    two_speeches(sim)
    sim.state["script"][:, 0, talk.ACT] = CHAT
    for _ in range(20):
        stand(sim, 0)
        act(sim)
        assert sim.terms[0, 0, 1] == 0
    assert sim.metrics()["understood"] == 0
    assert (sim.state["noted"] == NOBODY).all()


def test_understanding_is_paid_once_step_by_step() -> None:
    sim = listen(steps=1)
    earned = []
    for _ in range(26):
        stand(sim, 0)
        act(sim)
        earned.append(sim.terms[0, 0, 1])
    assert sum(earned) == pytest.approx(WEIGHTS.understood)
    assert np.count_nonzero(earned) == LISTEN
    assert max(earned) == pytest.approx(WEIGHTS.understood / LISTEN)


def test_text_holds_the_sentence_only_while_it_is_understood() -> None:
    sim = meet(sensors=["text", "audio"])
    two_speeches(sim)
    for step in range(1, 36):
        stand(sim, 0)
        act(sim)
        read = decode(sim.observations["text"][0, 0])
        assert ("Ana: " in read) == (LISTEN + 1 <= step < 30), (step, read)
    assert not sim.state.sounds.on[0].any()


def test_voices_sound_where_the_speakers_are_whoever_understands_them() -> None:
    sim = meet(background="paces", sensors=["audio"])
    two_speeches(sim)
    act(sim, times=20)
    sounds = sim.state.sounds
    assert sounds.on[0].tolist() == [True, False, False, False]
    assert sounds.position[0, :, :2].tolist() == sim.state.avatars.position[0, 1:, :2].tolist()
    assert sounds.text[0][0] == ""
    assert sim.observations["audio"][0, 0].max() > 0.3


def test_who_speaks_wears_bright_clothes() -> None:
    sim = meet()
    two_speeches(sim)
    pale = sim.state.avatars.color[0, 1].copy()
    act(sim, times=4)
    assert sim.state.avatars.color[0, 1].tolist() != pale.tolist()
    act(sim, times=30)
    assert sim.state.avatars.color[0, 1].tolist() == pale.tolist()


def test_what_was_not_understood_is_in_no_observation() -> None:
    seen = []
    for owner, item, date in ((1, 2, 4), (3, 5, 0)):
        sim = meet(sensors=["talk", "notes", "minutes", "entities", "text", "audio", "heard"])
        two_speeches(sim)
        rows = sim.state["script"]
        rows[:, 0, [talk.OWNER, talk.ITEM, talk.DATE]] = owner, item, date
        rows[:, 1, talk.ITEM] = item
        sim.state["truth"][:] = np.roll(sim.state["truth"], item, 1)
        put_avatar(sim, 0, (3.0, 2.4))
        act(sim, times=45)
        seen.append({name: array.tobytes() for name, array in sim.observations.items()})
    assert seen[0] == seen[1]


# -- asking back -----------------------------------------------------------------------------------


def test_asked_back_a_speaker_says_again_what_was_missed_and_it_costs() -> None:
    sim = meet()
    two_speeches(sim)
    put_avatar(sim, 0, (3.0, 2.4))
    act(sim, times=31)
    stand(sim, 0)
    act(sim, "pardon")
    assert sim.state["asked"][0]
    assert sim.terms[0, 0, 2] == pytest.approx(WEIGHTS.asked)
    for _ in range(LISTEN):
        stand(sim, 0)
        act(sim)
    assert sim.state["noted"][0, 2].tolist() == [1, 4, PROPOSE]
    assert sim.observations["talk"][0, 0, 2] > 0.05  # It was said first a while ago.
    act(sim, times=REPEAT)
    assert sim.state["saying"][0, 0] == NOBODY
    assert sim.metrics()["questions"] == 1


def test_who_has_been_understood_is_not_asked_again() -> None:
    sim = listen(steps=31)
    stand(sim, 0)
    act(sim, "pardon")
    assert not sim.state["asked"][0]
    assert sim.metrics()["questions"] == 0
    assert sim.terms[0, 0, 2] == 0


def test_nobody_answers_from_afar() -> None:
    sim = meet()
    two_speeches(sim)
    put_avatar(sim, 0, (3.0, 2.4))
    act(sim, times=31)
    act(sim, "pardon")
    assert sim.metrics()["questions"] == 0


# -- the minutes -----------------------------------------------------------------------------------


def write(sim: Simulation, owner: str, task: str, date: str) -> None:
    for text in (f"owner {owner}", f"task {task}", f"date {date}", "write"):
        act(sim, text)


def test_a_line_is_made_up_of_three_words_and_stands_on_the_board() -> None:
    sim = meet()
    two_speeches(sim)
    act(sim, "owner Ben")
    act(sim, "write")  # Half a line is none.
    assert (sim.state["lines"] == NOBODY).all()
    write(sim, "Ben", "E", "Tuesday")
    assert sim.state["lines"][0, 4].tolist() == [1, DAYS.index("Tuesday")]
    board = sim.state.signs.text[0][sim.state.signs.names.index("minutes 2")]
    assert [line.rstrip() for line in board.split("\n")] == ["", "D -", "E Ben Tuesday", "F -"]
    page = sim.observations["minutes"][0, 0]
    assert np.flatnonzero(page[:17]).tolist() == [1, 6 + 4, 12 + 1]
    assert np.flatnonzero(page[17:]).tolist() == [48, 48 + 1 + 1, 48 + 7 + 1]


def test_a_line_is_replaced_and_struck() -> None:
    sim = meet()
    two_speeches(sim)
    write(sim, "Ben", "A", "Monday")
    act(sim, "date Friday")
    act(sim, "write")
    assert sim.state["lines"][0, 0].tolist() == [1, 4]
    act(sim, "strike")
    assert (sim.state["lines"] == NOBODY).all()


def test_done_counts_once_the_meeting_is_over_and_hands_in_the_minutes() -> None:
    sim = meet()
    two_speeches(sim)
    write(sim, "Ben", "C", "Friday")
    act(sim, "done")
    assert not sim.terminated[0]
    act(sim, times=70)
    assert not sim.terminated[0]
    assert not sim.metrics()["success"][0]
    act(sim, "done")
    assert sim.terminated[0]
    assert sim.metrics()["success"][0]
    assert sim.terms[0, 0].tolist() == pytest.approx([WEIGHTS.minutes, 0, 0, WEIGHTS.time, 0])


def test_half_a_line_earns_half_and_nothing_before_the_end() -> None:
    sim = meet()
    two_speeches(sim)
    write(sim, "Ana", "C", "Friday")
    earned = []
    while not sim.terminated[0]:
        act(sim)
        earned.append(sim.terms[0, 0, 0])
    assert sim.state.step[0] == 70 + WRITE_UP
    assert not np.any(earned[:-1])
    assert earned[-1] == pytest.approx(WEIGHTS.minutes / 2)
    assert not sim.metrics()["success"][0]


def test_the_time_limit_ends_a_meeting_with_the_minutes_as_they_stand() -> None:
    sim = meet(max_episode_steps=6)
    two_speeches(sim)
    write(sim, "Ben", "C", "Friday")
    act(sim, times=2)
    assert sim.truncated[0]
    assert sim.terms[0, 0, 0] == pytest.approx(WEIGHTS.minutes)
    assert sim.metrics()["f1"] >= PASS


def test_shaping_pays_for_writing_what_was_understood_and_comes_to_nothing() -> None:
    sim = listen(steps=34)
    for _ in range(30):
        stand(sim, 2)
        act(sim)
    assert (talk.agreed(sim.state["noted"])[0, 2] == (1, 4)).all()
    write(sim, "Ben", "C", "Monday")
    assert sim.terms[0, 0, 4] == pytest.approx(WEIGHTS.written / 2)
    act(sim, "date Friday")
    act(sim, "write")
    assert sim.terms[0, 0, 4] == pytest.approx(WEIGHTS.written / 2)
    while not sim.terminated[0]:
        act(sim)
    assert sim.terms[0, 0, 4] == pytest.approx(-WEIGHTS.written)


def test_no_reward_before_the_end_depends_on_what_is_agreed_upon() -> None:
    rewards = []
    for truth in ((1, 4), (0, 0)):
        sim = listen(steps=1)
        sim.state["truth"][:, 2] = truth
        for _ in range(30):
            stand(sim, 0)
            act(sim, "write")
            rewards.append(float(sim.rewards[0, 0]))
    assert rewards[:30] == rewards[30:]


def test_masks_rule_out_what_has_no_effect() -> None:
    sim = meet()
    two_speeches(sim)

    def possible(text: str) -> bool:
        return bool(sim.action_masks()[0, 0, sim.action_names.index(f"say {text!r}")])

    assert possible("owner Dee")
    assert not possible("owner Eli")  # There are four speakers.
    assert not any(map(possible, ("write", "strike", "done")))
    write(sim, "Ben", "C", "Friday")
    assert possible("write")
    assert possible("strike")
    stand(sim, 1)
    act(sim)
    assert possible("pardon")
    act(sim, times=70)
    assert possible("done")


# -- who is there ----------------------------------------------------------------------------------


@pytest.mark.parametrize("num_avatars", [4, 5, 7])
def test_one_takes_the_minutes_and_the_others_speak(num_avatars: int) -> None:
    sim = meet(8, num_avatars=num_avatars)
    assert sim.agents[:2] == ("note-taker_0", "speaker_0")
    assert set(sim.roles[1:]) == {"speaker"}
    speakers = sim.state["script"][..., talk.SPEAKER]
    assert speakers.max() == num_avatars - 2
    owners = sim.state["script"][..., talk.OWNER]
    assert owners.max() <= num_avatars - 2


def test_notes_are_the_note_taker_s_alone_and_everybody_sees_the_minutes() -> None:
    sim = meet(observers=2, background=None)
    two_speeches(sim)
    for _ in range(15):
        stand(sim, 0)
        act(sim)
    say = sim.action_names.index("say 'owner Ben'")
    sim.step(np.array([[say, 0]]))
    notes, page = sim.observations["notes"][0], sim.observations["minutes"][0]
    assert notes[0].any()
    assert not notes[1].any()
    assert page[0].tolist() == page[1].tolist()
    assert page[0].any()
    assert sim.rewards[0, 0] == sim.rewards[0, 1]


def test_a_driven_speaker_speaks_by_the_script_and_says_nothing_else() -> None:
    sim = meet(observers=2)
    two_speeches(sim)
    say = sim.action_names.index("say 'write'")
    sim.step(np.array([[0, say]]))
    assert sim.state.avatars.utterance[0].tolist() == [NOBODY] * 5
    sim.step(np.array([[0, say]]))
    assert sim.state["saying"][0, 0] == 0


def test_validation_and_test_each_have_a_manner_that_is_met_there_only() -> None:
    behaviours = Meeting().behaviours()
    held_out = {n: one.splits for n, one in behaviours.items() if "train" not in one.splits}
    assert held_out == {"steps_back": ("validation",), "presents": ("test",)}
    for split in LEVELS:
        sim = simulate(SCENARIO, 16, split=split, observers=1, sensors=["proprioception"])
        sim.reset(range(16))
        met = {list(behaviours)[i] for i in np.unique(sim.state.behaviour[:, 1:])}
        assert met == {name for name, one in behaviours.items() if split in one.splits}


@pytest.mark.parametrize(
    ("manner", "walks"),
    [
        ("attends", 0.15),
        ("paces", 0.5),
        ("turns_away", 0.15),
        ("steps_back", 0.6),
        ("presents", 0.9),
    ],
)
def test_manners_change_where_speakers_stand_but_not_what_they_say(
    manner: str, walks: float
) -> None:
    sim, other = meet(4, background=manner), meet(4, background="attends")
    seat, furthest = sim.state["seat"][:, 1:], 0.0
    for _ in range(120):
        act(sim)
        act(other)
        away = np.linalg.norm(sim.state.avatars.position[:, 1:, :2] - seat, axis=-1)
        furthest = max(furthest, float(away.max()))
    assert sim.state["saying"].tolist() == other.state["saying"].tolist()
    assert furthest <= walks
    assert furthest > 0.25 or walks < 0.2


# -- it can be solved ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "mode", "num_avatars"),
    [("test", "discrete", 5), ("validation", "factored", 7), ("train", "continuous", 4)],
)
def test_the_expert_writes_what_was_agreed_upon(split: str, mode: str, num_avatars: int) -> None:
    ends = play(None, 6, split=split, action_mode=mode, num_avatars=num_avatars)
    assert ends["success"].mean() >= 0.8
    assert ends["f1"].mean() > 0.85
    assert ends["understood"].mean() > 0.85


def test_rules_that_hear_less_write_less() -> None:
    for rule in Meeting().heuristics():
        ends = play(rule, 8)
        assert 0.05 < ends["f1"].mean() < 0.75
        assert ends["return"].mean() < 8


def test_rules_read_nothing_that_was_not_understood() -> None:
    for rule in Meeting().heuristics():
        told = []
        for hidden in (1, 3):
            sim = meet(sensors=["proprioception"])
            two_speeches(sim)
            sim.state["script"][:, 1, talk.OWNER] = hidden
            sim.state["truth"][:, 2] = (hidden, 0)
            actions = []
            for _ in range(45):
                put_avatar(sim, 0, (3.0, 2.4))
                actions.append(sim.expert_actions(rule).tolist())
                sim.step(np.array(actions[-1]))
            told.append(actions)
        assert told[0] == told[1]


def test_the_notes_are_what_follows_from_what_was_understood() -> None:
    sim = meet(6, background=None)
    for _ in range(150):
        sim.step(sim.expert_actions())
    known = sim.state["heard"] >= LISTEN
    assert known.any(1).all()
    assert (sim.state["noted"] == talk.settled(sim.state["script"], known)).all()
    marks = minutes.marked(sim.state["lines"], sim.state["truth"])
    assert sim.metrics()["f1"].tolist() == marks.f1.tolist()
    assert sim.state["lines"].shape == (6, ITEMS, 2)


def test_a_world_is_the_same_alone_and_among_others() -> None:
    many = meet(5, background=None, num_avatars=6, split="test")
    alone = simulate(SCENARIO, 1, observers=1, num_avatars=6, split="test", sensors=["talk"])
    for seed in (0, 4):
        many.reset(range(5))
        alone.reset([seed])
        for _ in range(50):
            many.advance(many.expert_actions())
            alone.advance(alone.expert_actions())
        assert many.state.digest(seed) == alone.state.digest(0)
        assert many.rewards[seed].tolist() == alone.rewards[0].tolist()
