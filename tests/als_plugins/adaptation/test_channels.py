"""Feedback comes late, seldom and with slips; from a teacher, a file, or somebody who watches."""

from __future__ import annotations

import json
import os
import threading
import time

import numpy as np
import pytest

from als_engine.errors import ArgumentError, SavedFileError
from als_plugins.adaptation.channel import Event, Moment
from als_plugins.adaptation.opening import open_channel

ROWS, STEPS = 8, 2_000


def moment(step, action, expert):
    rows = len(action)
    return Moment(step, {}, action, expert, np.zeros(rows), np.zeros(rows, np.bool_))


def taught(text, right, rows=ROWS, steps=STEPS, seed=0):
    """All events of a teacher for an avatar that always, or never, does what the expert would."""
    channel = open_channel(text, seed=seed)
    channel.open(rows, 1, 0)
    events = []
    expert = np.zeros(rows, np.int64)
    for step in range(steps):
        channel.watch(moment(step, expert if right else expert + 1, expert))
        events += channel.poll(step)
    return events


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.4])
def test_a_teacher_slips_as_often_as_it_is_told(noise):
    for right in (True, False):
        values = np.array([e.value for e in taught(f"simulated:{noise}", right)])
        assert (values == (-1.0 if right else 1.0)).mean() == pytest.approx(noise, abs=0.03)


def test_a_teacher_judges_as_many_steps_as_it_is_told():
    for rate in (0.05, 0.5):
        events = taught(f"simulated:0,rate={rate}", True)
        assert len(events) == pytest.approx(rate * ROWS * STEPS, rel=0.1)


def test_feedback_is_as_late_as_that_of_people():
    channel = open_channel("simulated:0,rate=1")
    channel.open(500, 1, 0)
    channel.watch(moment(0, np.zeros(500), np.zeros(500)))
    assert {event.step for event in channel.poll(100)} == set(range(3, 13))  # 0.2 to 0.8 seconds.
    channel = open_channel("simulated:0,rate=1,delay=1-1")
    channel.open(1, 1, 0)
    channel.watch(moment(0, np.array([0]), np.array([0])))
    assert [len(channel.poll(step)) for step in (14, 15)] == [0, 1]


def test_a_teacher_is_the_same_whatever_the_number_of_worlds():
    few, many = taught("simulated:0.2", True, rows=3), taught("simulated:0.2", True, rows=8)
    assert few == [event for event in many if event.world < 3]
    assert few != taught("simulated:0.2", True, rows=3, seed=1)


def test_of_continuous_actions_the_nearer_ones_are_praised():
    channel = open_channel("simulated:0,rate=1,delay=0-0")
    channel.open(1, 1, 0)
    rng, agree = np.random.default_rng(0), []
    for step in range(500):
        action = rng.uniform(-1, 1, (1, 2))
        channel.watch(moment(step, action, np.zeros((1, 2))))
        (event,) = channel.poll(step)
        agree.append((event.value > 0) == (np.linalg.norm(action) < 0.765))  # The mean distance.
    assert np.mean(agree[100:]) > 0.9


def lines(path, *events):
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return str(path)


def test_a_file_is_replayed_in_the_order_of_time(tmp_path):
    late, early = {"world": 1, "step": 30, "value": -1}, {"world": 0, "step": 4, "value": 0.5}
    channel = open_channel(lines(tmp_path / "f.jsonl", late, early))
    channel.open(2, 1, 0)
    assert channel.poll(3) == []
    assert channel.poll(29) == [Event(world=0, step=4, value=0.5)]
    assert channel.poll(100) == [Event(world=1, step=30, value=-1.0)]
    assert channel.poll(200) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"world": 0, "step": 1, "value": 2}', "line 2: value: .*less than or equal to 1"),
        ('{"world": 0, "step": 1}', "line 2: value: Field required"),
        ('{"world": 0, "value": 1}', "line 2: step: field required"),
        ('{"world": 0, "step": 1, "value": 1, "run": "x"}', "line 2: run: Extra"),
        ('{"world": 0, "step": 1, "value": NaN}', "line 2: "),
        ('{"world": 9, "step": 1, "value": 1}', "line 2: world 9 is not there.*worlds 0 to 1"),
        ('{"world": 0, "avatar": 1, "step": 1, "value": 1}', "line 2: avatar 1 is not there"),
        ("good", "line 2: .*JSON"),
        ('{"world": 0, "x": "' + 5_000 * "x" + '"}', "line 2 is longer"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, said):
    path = tmp_path / "f.jsonl"
    path.write_text('{"world": 0, "step": 1, "value": 1}\n' + line + "\n")
    with pytest.raises(SavedFileError, match=said) as error:
        open_channel(str(path)).open(2, 1, 0)
    assert "\n" not in str(error.value)


def heard(channel, count):
    """Polls until so much has come; every poll has to be quick."""
    events, until = [], time.monotonic() + 20
    while len(events) < count and time.monotonic() < until:
        begun = time.monotonic()
        events += channel.poll(7)
        assert time.monotonic() - begun < 1.0
    return events


@pytest.mark.parametrize("fifo", [False, True])
def test_live_feedback_comes_from_elsewhere_while_it_runs(tmp_path, fifo):
    path = tmp_path / "live.jsonl"
    if fifo:
        os.mkfifo(path)
    else:
        lines(path, {"world": 0, "value": 1})  # Old: said before anybody listened.
    channel = open_channel(f"live:{path}")
    channel.open(2, 1, 0)
    assert channel.poll(5) == []

    def say():
        with path.open("a") as file:
            for text in ('{"world": 1, "val', 'ue": -1}\nnonsense\n', '{"world": 5, "value": 1}\n'):
                file.write(text)
                file.flush()
            file.write('{"world": 0, "step": 3, "value": 1}\n')

    speaker = threading.Thread(target=say)
    speaker.start()
    events = heard(channel, 2)
    speaker.join()
    channel.close()
    assert events == [Event(world=1, step=7, value=-1.0), Event(world=0, step=3, value=1.0)]
    assert channel.ignored == 2


def test_an_endless_line_is_left_out_and_the_next_one_heard(tmp_path):
    path = tmp_path / "live.jsonl"
    channel = open_channel(f"live:{path}")
    channel.open(1, 1, 0)
    path.write_text(10_000 * "x")
    assert channel.poll(0) == []
    with path.open("a") as file:
        file.write('xxx\n{"world": 0, "value": 1}\n')
    assert heard(channel, 1) == [Event(world=0, step=7, value=1.0)]
    assert channel.ignored == 1
    channel.close()


def test_a_live_session_runs_no_faster_than_asked(tmp_path):
    channel = open_channel("live,pace=100", folder=tmp_path)
    channel.open(1, 1, 0)
    begun = time.monotonic()
    for step in range(10):
        channel.watch(moment(step, np.zeros(1), None))
    assert time.monotonic() - begun > 0.085
    channel.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("simulated", "noise"),
        ("simulated:loud", "noise: .*number"),
        ("simulated:1.5", "noise: .*less than or equal to 1"),
        ("simulated:0.1,rate", '"rate" is not an option'),
        ("simulated:0.1,rate=0", "rate: .*greater than 0"),
        ("simulated:0.1,mood=bad", 'there is no "mood"; allowed: noise, rate, delay'),
        ("simulated:0.1,delay=0.8-0.2", "the shorter one first"),
        ("simulatd:0.1", 'did you mean "simulated"'),
        ("live", "live:PATH"),
        ("nowhere.jsonl", "is no file"),
    ],
)
def test_a_mistake_is_one_line(text, said):
    with pytest.raises((ArgumentError, SavedFileError), match=said) as error:
        open_channel(text)
    assert "\n" not in str(error.value)


def test_an_empty_file_is_no_feedback(tmp_path):
    (tmp_path / "f.jsonl").touch()
    with pytest.raises(SavedFileError, match="holds no feedback"):
        open_channel(str(tmp_path / "f.jsonl"))
    with pytest.raises(SavedFileError, match=r"neither a file nor a FIFO|cannot read"):
        open_channel(f"live:{tmp_path}")
