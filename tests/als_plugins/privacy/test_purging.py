"""A person who is taken out of a whole folder leaves no byte in it, whatever its files are."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from itertools import cycle
from pathlib import Path

import h5py
import numpy as np
import pytest
from als_command import als
from hypothesis import given, settings
from hypothesis import strategies as st

from als_bench.identity import HUMAN
from als_bench.people import add_people
from als_bench.records import Unit
from als_bench.results.files import log_path
from als_bench.results.store import Store
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.persons import PersonEpisode, episode_seed, write_episode
from als_engine.plugins.specs import SuiteEntry, SuiteSpec
from als_engine.simulation import simulate
from als_plugins.experience.collect import collect
from als_plugins.experience.dataset import open_experience
from als_plugins.experience.records import (
    DatasetRecord,
    PeopleRecord,
    data_file,
    read_dataset,
    write_dataset,
)
from als_plugins.forecast.csv_file import read_rows, write_csv
from als_plugins.forecast.purging import purge_csv
from als_plugins.forecast.replay import replay_dataset
from als_plugins.forecast.tracks import read_tracks, write_tracks
from als_plugins.imitation.imitate import imitate
from als_plugins.privacy.purging import erase
from als_plugins.serve.study.records import People

ID, ANN, BOB = "ALS/Tag-v0", "aaaa1111", "bbbb2222"
SHORT = {"num_avatars": 2, "max_episode_steps": 12, "action_mode": "discrete"}
SUITE = SuiteSpec(
    id="people", entries=(SuiteEntry(ID, name="Tag", arguments=SHORT, random=0.0, expert=1.0),),
    seeds=1, episodes=2,
)  # fmt: skip


def walks(folder: Path) -> None:
    """A dataset in which Ann and Bob have acted in turn, with its cache."""
    collect(ID, folder, policy="random", episodes=16, worlds=4,
            arguments={**SHORT, "sensors": ["proprioception"]})  # fmt: skip
    (source,) = read_dataset(folder).sources
    with h5py.File(data_file(folder, source.id), "r+") as file:
        for group, name in zip(file.values(), cycle([ANN, BOB]), strict=False):
            group.attrs["person"] = name
    people = PeopleRecord(purpose="t", uses=("imitation", "forecasting"), persons=[ANN, BOB])
    write_dataset(folder, DatasetRecord(sources=[source.model_copy(update={"people": people})]))
    open_experience(folder)


def played(person: str, episode: int) -> PersonEpisode:
    """An episode of a suite in which somebody does nothing."""
    simulation = simulate(ID, 1, 1, **SHORT, split="test", sensors=())
    simulation.reset([episode_seed(0, episode)])
    actions = []
    while not (simulation.terminated[0] or simulation.truncated[0]):
        actions.append([0])
        simulation.step(np.array(actions[-1:]))
    digest = simulation.state.digest(0).hex()
    simulation.close()
    return PersonEpisode(suite="people", entry="Tag", episode=episode, person=person,
                         arguments=SHORT, actions=actions, digest=digest)  # fmt: skip


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A folder with one of each, and bytes that only Ann has left."""
    place = tmp_path_factory.mktemp("purging") / "all"
    walks(place / "walks")
    tracks = replay_dataset(place / "walks")
    write_tracks(tracks, place / "tracks")
    imitate(ID, str(place / "walks"), folder=place / "runs" / "shown", device="cpu",
            arguments={**SHORT, "sensors": ["proprioception"]},
            config={"net_arch": [4], "passes": 1.0})  # fmt: skip
    line = np.linspace(0.0, 1.0, 8)
    write_csv(place / "walks.csv", [ANN, BOB] * 4, line, np.stack([line, -line], 1), False)
    (place / "more").mkdir()
    write_csv(place / "more" / "ahead.csv", [BOB, ANN] * 4, line, np.stack([line, line], 1), True,
              [("spread", ["0.1"] * 8)])  # fmt: skip
    people = People(place / "study" / "participants")
    for person in (ANN, BOB):
        people.keep(people.new().with_(person=person))
        write_episode(place / "study" / "episodes", played(person, int(person == BOB)))
    write_episode(place / "sent", played(ANN, 0))
    add_people(SUITE, place / "study" / "episodes", place / "bench.sqlite")
    (mine, *_), _ = np.nonzero(tracks.person == tracks.record.names.index(ANN))
    with Store(place / "bench.sqlite") as store:
        (run,) = store.runs()
        chunk = next(store.chunks(Unit(run.key, "Tag", HUMAN, int(ANN, 16))))
    with h5py.File(data_file(place / "walks", read_dataset(place / "walks").sources[0].id)) as file:
        observed = file["episode_0/observations/proprioception"][3]
    number = int(ANN, 16)
    return place, [
        ANN.encode(), str(number).encode(), number.to_bytes(6, "big"),
        tracks.position[mine, 2, 0].tobytes(), observed.tobytes(), chunk.chain.tobytes(),
    ]  # fmt: skip


def holds(folder: Path, what: bytes) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and what in path.read_bytes()]


def test_no_byte_of_a_person_stays_in_a_folder_with_one_of_each(
    everything: tuple[Path, list[bytes]],
) -> None:
    place, marks = everything
    assert [bool(holds(place, mark)) for mark in marks] == [True] * len(marks)
    with Store(place / "bench.sqlite") as store:
        (run,) = store.runs()
    log = log_path(place / "bench.sqlite", Unit(run.key, "Tag", HUMAN, int(ANN, 16)), 0)
    assert log.exists()
    done = als("data", "purge", ANN, place, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert sorted(Path(each).name for each in found["gone"]) == [
        "ahead.csv", "bench.sqlite", "person-00001.json", "study", "tracks", "walks", "walks.csv"
    ]  # fmt: skip
    assert {mark: holds(place, mark) for mark in marks} == {mark: [] for mark in marks}
    assert not log.parent.exists()
    # All that Bob did is there, and can be read.
    assert {*read_rows(place / "walks.csv").names} == {BOB}
    with Store(place / "bench.sqlite") as store:
        assert [unit.seed for unit in store.units(run.key)] == [int(BOB, 16)]
        assert [len(chunk.results) for chunk in store.chunks(store.units(run.key)[0])] == [1]
    left = read_tracks(place / "tracks")
    assert left.record.names[-1] == BOB
    assert left.scenes == 8
    assert (left.person == len(left.record.names) - 1).any(axis=1).all()
    assert read_dataset(place / "walks").sources[0].episodes == 8
    again = als("data", "purge", ANN, place)
    assert again.code == 2
    assert f"has nothing of {ANN}: there are" in " ".join(again.err.split())


def test_what_nobody_can_purge_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text(f"{BOB} was late")
    (tmp_path / "scores.csv").write_text(f"training_seed\n{int(BOB, 16)}\n")
    done = als("data", "purge", BOB, tmp_path)
    assert done.code == 1
    assert "notes.txt still names" in " ".join(done.err.split())
    assert "scores.csv still names" in " ".join(done.err.split())


def test_persons_of_a_dataset_must_have_agreed_to_being_foreseen(
    tmp_path: Path, everything: tuple[Path, list[bytes]]
) -> None:
    (source,) = read_dataset(everything[0] / "walks").sources
    people = PeopleRecord(purpose="t", uses=("imitation",))
    write_dataset(tmp_path, DatasetRecord(sources=[source.model_copy(update={"people": people})]))
    with pytest.raises(ArgumentError, match="not to forecasting"):
        replay_dataset(tmp_path)


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=8)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from([ANN, BOB, "eve"]), cells), max_size=8), st.booleans())
def test_all_other_lines_of_a_csv_file_stay_as_they_are(rows, bom) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["note", "timestamp", "user_id", "x", "y"])
    lines = [out.getvalue()]
    for number, (who, note) in enumerate(rows):
        out.seek(0)
        out.truncate()
        writer.writerow([note, number, who, 0, 1])
        lines.append(out.getvalue())
    start = b"\xef\xbb\xbf" if bom else b""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "walks.csv"
        path.write_bytes(start + "".join(lines).encode())
        found = purge_csv(path, ANN)
        wanted = [lines[0], *(t for t, (who, _) in zip(lines[1:], rows, strict=True) if who != ANN)]
        assert path.read_bytes() == start + "".join(wanted).encode()
    assert found is not None
    assert bool(found.gone) == any(who == ANN for who, _ in rows)


def test_erase_says_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SavedFileError, match="there is no"):
        erase(tmp_path / "none", ANN)
