"""A person who is taken out of a dataset leaves no byte in it, and the others stay as they are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import gymnasium
import minari
import numpy as np
import pytest
from als_command import als
from gymnasium.spaces import Box, Discrete

from als_engine.errors import ArgumentError, SavedFileError
from als_plugins.experience import purging
from als_plugins.experience.adding import Adding
from als_plugins.experience.dataset import open_experience
from als_plugins.experience.episodes import Episode
from als_plugins.experience.purging import purge
from als_plugins.experience.records import (
    PeopleRecord,
    SourceRecord,
    describe_actions,
    describe_sensors,
    read_dataset,
)
from als_plugins.privacy.purging import erase

ANN, BOB = "aaaa1111", "bbbb2222"
SPACES = (
    gymnasium.spaces.Dict({"proprioception": Box(-np.inf, np.inf, (3,), np.float32)}),
    Discrete(5),
)
MARK = {ANN: 12_345.678, BOB: 87_654.321}
"""What each of them has observed, and nobody else."""


def source(policy: str) -> SourceRecord:
    return SourceRecord(
        id=f"als/tag-{policy}-0123-v0",
        scenario="ALS/Tag-v0",
        policy=policy,
        observations=describe_sensors(SPACES[0]),
        actions=describe_actions(SPACES[1]),
        people=PeopleRecord(purpose="a test"),
    )


def episode(person: str, steps: int, level: int = 0) -> Episode:
    rows = steps + 1
    return Episode(
        observations={"proprioception": np.full((rows, 3), MARK[person], np.float32)},
        actions=np.arange(steps) % 5,
        rewards=np.linspace(0.0, 1.0, steps),
        infos={
            "nearest_prop": np.zeros((rows, 2), np.float32),
            "speaker": np.zeros(rows, np.int64),
            "sign_number": np.zeros(rows, np.int64),
            "level": np.full(rows, level, np.int64),
        },
        terminated=False,
        attributes={"seed": 1, "level": level, "policy": "person", "person": person},
    )


def adding(folder: Path, policy: str) -> Adding:
    folder.mkdir(exist_ok=True)
    return Adding(folder, source(policy), SPACES)


@pytest.fixture
def lessons(tmp_path: Path) -> Path:
    """Ann and Bob have taught; the last of it has not joined the dataset yet."""
    folder = tmp_path / "lessons"
    for policy in ("person", "praised"):
        shown = adding(folder, policy)
        for person, steps in ((ANN, 4), (BOB, 5), (ANN, 6), (BOB, 7)):
            shown.add(episode(person, steps))
        shown.join([ANN, BOB])
        shown.close()
    shown = adding(folder, "person")
    shown.add(episode(ANN, 3))
    shown.add(episode(BOB, 2))
    shown.close()
    open_experience(folder)  # Makes the caches, too.
    return folder


def holds(folder: Path, what: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and what in path.read_bytes()]


def test_no_byte_of_a_person_stays_and_the_others_are_as_they_were(lessons: Path) -> None:
    mark = np.float32(MARK[ANN]).tobytes()
    assert holds(lessons, ANN.encode())
    assert holds(lessons, mark)
    found = purge(lessons, ANN)
    assert (found.episodes, found.steps, found.known) == (5, 23, (BOB,))
    open_experience(lessons)
    assert not holds(lessons, ANN.encode())
    assert not holds(lessons, mark)
    first, second = read_dataset(lessons).sources
    assert (first.episodes, first.steps) == (3, 14)
    assert (second.episodes, second.steps) == (2, 12)
    for left in (first, second):
        assert left.people == PeopleRecord(purpose="a test", persons=[BOB])
    part = open_experience(lessons).part("train")
    assert sorted(n for one in part.sources for n in one.lengths.tolist()) == [2, 5, 5, 7, 7]
    window = part.windows(2).take(np.arange(3))
    assert (window.observation["proprioception"] == np.float32(MARK[BOB])).all()


def test_other_tools_read_what_is_left(lessons: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    purge(lessons, ANN)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(lessons / "minari"))
    found = minari.load_dataset("als/tag-person-0123-v0")
    assert (found.total_episodes, found.total_steps) == (3, 14)
    assert [(each.id, len(each.rewards)) for each in found.iterate_episodes()] == [
        (0, 5),
        (1, 7),
        (2, 2),
    ]


def test_what_was_interrupted_goes_on(lessons: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_out, calls = purging.take_out, SimpleNamespace(made=0)

    def full(*given: object) -> SourceRecord:
        calls.made += 1
        if calls.made == 2:
            raise SavedFileError("no room")
        return take_out(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(purging, "take_out", full)
    with pytest.raises(SavedFileError, match="no room"):
        purge(lessons, ANN)
    open_experience(lessons)
    monkeypatch.undo()
    assert purge(lessons, ANN).episodes == 2
    assert not holds(lessons, ANN.encode())


def test_nobody_else_and_no_other_folder_is_touched(lessons: Path, tmp_path: Path) -> None:
    record = (lessons / "dataset.json").read_bytes()
    with pytest.raises(ArgumentError, match=f"has nothing of cccc3333: there are {ANN}, {BOB}"):
        erase(lessons, "cccc3333")
    assert purge(lessons, BOB).known == (ANN,)
    assert record != (lessons / "dataset.json").read_bytes()
    (tmp_path / "else").mkdir()
    with pytest.raises(SavedFileError, match="is not a dataset"):
        purge(tmp_path / "else", ANN)
    assert not list((tmp_path / "else").iterdir())


def test_the_command_says_what_is_gone_and_who_may_have_learnt_from_it(lessons: Path) -> None:
    (lessons / "agents" / "0001").mkdir(parents=True)
    done = als("data", "purge", ANN, lessons)
    assert done.code == 0, done.err
    assert f"5 episodes of {ANN} are gone, 23 steps" in " ".join(done.out.split())
    assert "(0001) may have learnt from them" in " ".join(done.out.split())
    again = als("data", "purge", ANN, lessons)
    assert again.code == 2
    assert f"has nothing of {ANN}: there are {BOB}" in again.err
