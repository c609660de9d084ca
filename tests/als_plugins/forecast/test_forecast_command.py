"""`als forecast` from a dataset, or a CSV file, to a table, a picture and a CSV file."""

import json

import numpy as np
import pytest
from als_command import als
from made_tracks import made_tracks

from als_engine.errors import ArgumentError, SavedFileError
from als_engine.simulation import simulate
from als_plugins.experience.collect import collect
from als_plugins.forecast.comparing import compare
from als_plugins.forecast.csv_file import read_rows
from als_plugins.forecast.forecaster import ForecasterRecord, Trained
from als_plugins.forecast.next_steps import answers, with_classes
from als_plugins.forecast.replay import replay_dataset
from als_plugins.forecast.tracks import read_tracks, write_tracks
from als_plugins.forecast.training import Job, train_forecaster


def run(*words):
    done = als(*words)
    assert done.code == 0, done.err
    return done.out


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tag") / "data"
    collect(
        "ALS/Tag-v0", folder, policy="expert", episodes=5, worlds=2, seed=3,
        arguments={"num_avatars": 3, "sensors": ["proprioception"], "max_episode_steps": 60},
    )  # fmt: skip
    return folder


def test_a_dataset_is_played_again_as_it_was(dataset, tmp_path):
    """Where avatars are at every third step is where the world itself has them."""
    from als_plugins.experience import episodes as files
    from als_plugins.experience.records import data_file, read_dataset

    done, total = [], []
    tracks = replay_dataset(dataset, 3, None, lambda n, of: (done.append(n), total.append(of)))
    assert done[-1] == total[-1] == tracks.scenes == 5
    source = read_dataset(dataset).sources[0]
    with files.episode_file(data_file(dataset, source.id)) as file:
        group = files.episode_group(file, 4)
        seed = files.read_attribute(group, "seed")
        actions = group["actions"][:]
    world = simulate(source.scenario, 1, 1, **{**source.arguments, "split": "train"})
    world.reset([seed])
    seen = [world.state.avatars.position[0, :, :2].copy()]
    for step, action in enumerate(actions, start=1):
        world.advance(action[None, None])
        if step % 3 == 0:
            seen.append(world.state.avatars.position[0, :, :2].copy())
    world.close()
    assert np.array_equal(tracks.position[4, : len(seen)], np.float32(seen))
    assert tracks.present[4].sum() == 3 * len(seen)
    assert tracks.time_step == pytest.approx(0.2)


def test_a_dataset_of_another_world_is_refused(dataset, monkeypatch):
    from als_scenarios.game import tag

    monkeypatch.setattr(tag, "REWARDS", tag.Rewards(closing=2.0))
    with pytest.raises(SavedFileError, match="goes another way now, at step"):
        replay_dataset(dataset)


def test_the_commands_lead_from_one_to_the_next(dataset, tmp_path):
    tracks, model = tmp_path / "tracks", tmp_path / "model"
    made = json.loads(run("forecast", "record", dataset, "--out", tracks, "--json"))
    assert made["people"] == 15
    whole = read_tracks(tracks)
    # So few levels may all be in one part, and some of them end soon.
    *others, second, longest = np.argsort(whole.present.sum(axis=(1, 2))).tolist()
    whole.part[others], whole.part[second], whole.part[longest] = 0, 1, 2
    write_tracks(whole, tracks)
    train = ("forecast", "train", tracks, "--out", model, "--model", "kalman", "--horizon", "1")
    assert json.loads(run(*train, "--json"))["model"] == "kalman"
    run(*train)  # Again: it is done.
    found = json.loads(run("forecast", "evaluate", model, tracks, "--json"))
    assert [each["model"] for each in found] == ["still", "constant-velocity", "kalman"]
    table = run("forecast", "evaluate", model, tracks)
    assert "constant-velocity" in table
    assert "in 50%, 90%" in table
    picture = tmp_path / "fan.svg"
    run("forecast", "draw", model, tracks, "--out", picture, "--scene", longest)
    assert "chaser_0" in picture.read_text()
    ahead = tmp_path / "ahead.csv"
    run("forecast", "predict", model, tracks, "--out", ahead, "--at", "2.4")
    rows = read_rows(ahead)
    assert rows.names == ("chaser_0", "chaser_1", "evader_0")
    assert rows.time.min() == pytest.approx(2.6)
    assert rows.time.max() == pytest.approx(3.4)


def test_a_csv_file_is_foreseen_and_its_gaps_are_filled(tmp_path):
    walks = tmp_path / "walks.csv"
    lines = ["user_id,timestamp,x,y"]
    for step in range(100):
        for who in ("ann", "bob"):
            if who == "ann" or not 40 <= step < 50:
                lines.append(f"{who},2026-01-01T00:00:{step * 0.2:04.1f}Z,{step * 0.2},{len(who)}")
    walks.write_text("\n".join(lines))
    paths, gaps = tmp_path / "paths", tmp_path / "gaps"
    short = ("--history", "1", "--horizon", "2")
    run("forecast", "train", walks, "--out", paths, "--model", "constant-velocity", *short)
    run("forecast", "train", walks, "--out", gaps, "--task", "gap", "--model", "kalman", *short)
    ahead, filled = tmp_path / "ahead.csv", tmp_path / "filled.csv"
    run("forecast", "predict", paths, walks, "--out", ahead, "--futures", "4")
    rows = read_rows(_first_future(ahead))
    assert rows.iso
    assert rows.place[rows.person == 1, 0] == pytest.approx(19.8 + 0.2 * np.arange(1, 11), abs=0.5)
    said = json.loads(run("forecast", "fill", gaps, walks, "--out", filled, "--json"))
    assert said["filled"] == 0  # Two seconds are more than windows of three leave room for.
    run("forecast", "train", walks, "--out", tmp_path / "long", "--task", "gap", "--model", "line")
    run("forecast", "fill", tmp_path / "long", walks, "--out", filled)
    whole = read_rows(filled)
    bob = whole.place[whole.person == whole.names.index("bob")]
    assert bob[:, 0] == pytest.approx(0.2 * np.arange(100), abs=1e-3)


def _first_future(path):
    lines = path.read_text().splitlines()
    kept = path.with_name("first.csv")
    kept.write_text("\n".join([lines[0], *(line for line in lines if line.endswith(",0"))]))
    return kept


def test_a_bad_line_is_one_line(tmp_path):
    walks = tmp_path / "walks.csv"
    walks.write_text("user_id,timestamp,x,y\nann,0,0,0\nann,1,zero,0\n")
    done = als("forecast", "train", walks, "--out", tmp_path / "model")
    assert done.code == 2
    assert done.err.strip().endswith("walks.csv, line 3: x is 'zero', no number")


# -- what comes next ------------------------------------------------------------------------------


def test_what_happens_first_is_the_answer():
    tracks = made_tracks(scenes=12, steps=20, doing=True)
    record = ForecasterRecord(
        task="hand", model="gru", time_step=0.2, history=3, horizon=4,
        trained=Trained(source="", windows=0),
    )  # fmt: skip
    windows = np.array([[0, first, 0] for first in range(12)])

    def asked(task):
        return answers(with_classes(record.model_copy(update={"task": task}), tracks), tracks,
                       windows)[2].tolist()  # fmt: skip

    # It is held in steps 0 to 4 and 10 to 14; "down" is said in steps 1 and 11.
    assert asked("hand") == [2 if first + 2 in (1, 2, 3, 4) else 1 if 6 <= first + 2 <= 9
                             else 2 if first + 2 >= 11 else 0 for first in range(12)]  # fmt: skip
    assert asked("utterance") == [1 if 7 <= first + 2 <= 10 else 0 for first in range(12)]
    # The first person is the thing; the second one comes to it.
    windows[:, 2] = 1
    far = np.linalg.norm(tracks.position[0, :, 1] - tracks.position[0, :, 0], axis=-1)
    expected = [
        int(far[first + 2] > 1.0 and (far[first + 3 : first + 7] <= 1.0).any())
        for first in range(12)
    ]
    assert asked("goal") == expected


def test_a_network_knows_what_comes_next_where_it_can_be_known(tmp_path):
    tracks = made_tracks(doing=True)
    job = Job(
        task="hand", model="gru", steps=160, history=1.0, horizon=0.4, hidden=16, batch=64,
        learning_rate=2e-2, evaluate_every=20,
    )  # fmt: skip
    usual, again, network = compare(train_forecaster(tracks, tmp_path, job), tracks, "test")
    assert network.whether > 0.95
    assert network.which == 1.0
    assert network.accuracy > max(usual.accuracy, again.accuracy)
    assert usual.whether == 0.5
    assert again.which == 0.0  # Who has just laid something down does not do so again.
    with pytest.raises(ArgumentError, match="do not tell what people did"):
        train_forecaster(made_tracks(), tmp_path / "none", job)
