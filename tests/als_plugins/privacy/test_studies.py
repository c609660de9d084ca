"""A person who is taken out of a study leaves no byte in it, and the others stay as they are."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pytest
from als_command import als

from als_engine.evaluation.persons import PersonEpisode, read_episodes, write_episode
from als_plugins.privacy.studies import purge_study
from als_plugins.serve.study.design import Study
from als_plugins.serve.study.records import Answer, People, TrialResult
from als_plugins.serve.study.tables import write_tables

STUDY = Study.model_validate(
    {
        "title": "t",
        "consent": "c",
        "thanks": "t",
        "conditions": [{"name": "one", "scenario": "ALS/Tag-v0"}],
    }
)


@pytest.fixture(params=["csv", "parquet"])
def study(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, str, str]:
    """Two persons have taken part."""
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    people = People(tmp_path / "participants")
    for name in ("ann", "bob"):
        new = people.new()
        trial = TrialResult(
            condition="one", trial=0, place=0, level=0, steps=9, seconds=1.0, total=1.0,
            success=True, terminated=True,
        )  # fmt: skip
        answer = Answer(condition="", question="q", value=f"I am {name}")
        people.keep(new.with_(trials=[trial], answers=[answer]))
        played = PersonEpisode(
            suite="core", entry="ALS/Tag-v0", episode=0, person=new.person, actions=[[1]],
            digest="0" * 32,
        )  # fmt: skip
        write_episode(tmp_path / "episodes", played)
    found = None if request.param == "csv" else mock.sentinel.there
    with mock.patch("als_plugins.serve.study.tables.find_spec", return_value=found):
        write_tables(tmp_path, STUDY, [*people.every.values()])
    first, second = (each for each in people.every)
    return tmp_path, first, second


def holds(folder: Path, what: str) -> list[str]:
    every = (path for path in folder.rglob("*") if path.is_file())
    return [path.name for path in every if what.encode() in path.read_bytes() or what in path.name]


def test_no_byte_of_a_person_stays_in_a_study(study: tuple[Path, str, str]) -> None:
    folder, ann, bob = study
    assert len(holds(folder, ann)) == 4
    others = holds(folder, bob)
    done = als("data", "purge", ann, folder)
    assert done.code == 0, done.err
    assert "2 rows and 1 played episodes" in done.out
    assert not holds(folder, ann)
    assert not holds(folder, "I am ann")
    assert holds(folder, bob) == others
    assert [each.person for _, each in read_episodes(folder / "episodes")] == [bob]
    assert [*People(folder / "participants").every] == [bob]
    again = als("data", "purge", ann, folder)
    assert again.code == 2
    assert f"has nothing of {ann}: there are {bob}" in " ".join(again.err.split())


def test_what_was_interrupted_goes_on(study: tuple[Path, str, str]) -> None:
    folder, ann, _ = study
    with (
        mock.patch("als_plugins.privacy.studies.read_episodes", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        purge_study(folder, ann)
    found = purge_study(folder, ann)
    assert found is not None
    assert found.gone.endswith("0 rows and 1 played episodes")
    assert not holds(folder, ann)
