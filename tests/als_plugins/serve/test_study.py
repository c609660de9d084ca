"""Persons take part in a study: in balanced order, without names, and after a reload as before."""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from serving import Program, Served
from tabs import Tab, chromium

from als_bench.people import add_people
from als_bench.results.store import Store
from als_bench.standings import read_standings
from als_bench.suites import read_suite
from als_engine.errors import ALSError, ArgumentError, SavedFileError
from als_plugins.serve.study.design import orders, read_study, steps_of
from als_plugins.serve.study.opening import open_plan
from als_plugins.serve.study.session import StudySession

__all__ = ["chromium"]

pytestmark = pytest.mark.timeout(400)
EXAMPLE = ROOT / "docs" / "examples" / "study.toml"
TINY = """
title = "Catching <b>others</b>"
consent = "You play."
levels = [3, 14]
[tutorial]
scenario = "ALS/Tag-v0"
arguments = { num_avatars = 2, max_episode_steps = 12 }
text = "Walk with W."
[[conditions]]
name = "wander"
scenario = "ALS/Tag-v0"
arguments = { num_avatars = 2, background = "wander", max_episode_steps = 12 }
[[conditions]]
name = "flee"
scenario = "ALS/Tag-v0"
arguments = { num_avatars = 2, background = "flee", max_episode_steps = 12 }
[[questions]]
name = "effort"
text = "How hard was it?"
[[questions]]
name = "fair"
text = "Was it fair?"
kind = "choice"
choices = ["yes", "no"]
after = "end"
[[questions]]
name = "remarks"
text = "Anything else?"
kind = "text"
after = "end"
optional = true
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


@contextmanager
def studied(what: Path, folder: Path, episodes: int = 1) -> Iterator[Served]:
    found = Served.study(StudySession(open_plan(str(what), folder, [], episodes), folder))
    try:
        yield found
    finally:
        found.close()


def take_part(program: Program, pseudonym: str | None = None) -> dict[str, Any]:
    """Joins the study; returns where it stands."""
    program.until(lambda: program.board.get("study", {"client": 0})["client"] is None)
    program.send("take part", **({"pseudonym": pseudonym} if pseudonym else {}))
    program.until(lambda: any(each["type"] == "part" for each in program.answers))
    own = next(each["client"] for each in program.answers if each["type"] == "hello")
    # What stood there of whoever took part before is not where this person is.
    program.until(lambda: program.board["study"]["client"] == own)
    return dict(program.board["study"])


def go_on(program: Program, **answers: Any) -> dict[str, Any]:
    """Ends a step, a trial with all that is played in it."""
    at = program.board["study"]["at"]
    program.send("go on", answers=answers)
    program.until(lambda: program.board["study"]["at"] > at, 120.0)
    return dict(program.board["study"])


def pseudonym_of(program: Program) -> str:
    return str([a["pseudonym"] for a in program.answers if a["type"] == "part"][-1])


def rows_of(folder: Path, name: str) -> list[dict[str, Any]]:
    parquet = pytest.importorskip("pyarrow.parquet")
    found: list[dict[str, Any]] = parquet.read_table(folder / f"{name}.parquet").to_pylist()
    return found


def test_two_persons_take_part_and_one_comes_back(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    with studied(tiny, folder) as world, world.program() as ann, world.program() as other:
        assert take_part(ann)["phase"] == "consent"
        assert not list((folder / "participants").iterdir())
        other.send("take part")
        assert other.refusal().startswith("somebody else takes part")
        assert go_on(ann)["phase"] == "tutorial"
        for kind, fields in (("pace", {"speed": 8.0}), ("next", {}), ("join", {"avatar": 1})):
            ann.send(kind, **fields)
            assert "decided by the study" in ann.refusal()
        assert go_on(ann)["phase"] == "trial"
        assert go_on(ann)["phase"] == "questions"
        ann.send("go on", answers={"effort": 8})
        assert "from 1 to 7" in ann.refusal()
        ann.send("go on", answers={})
        assert "every question" in ann.refusal()
        assert go_on(ann, effort=5)["phase"] == "trial"
        name = pseudonym_of(ann)
        # The page was loaded again, or the server started again.
    with studied(tiny, folder) as world:
        with world.program() as ann:
            state = take_part(ann, name)
            assert (state["phase"], state["at"]) == ("trial", 4)
            assert go_on(ann)["phase"] == "questions"
            go_on(ann, effort=2)
            assert go_on(ann, fair="yes")["phase"] == "thanks"
            ann.send("go on")
            assert "nothing to go on" in ann.refusal()
        with world.program() as bob:
            take_part(bob)
            for _ in range(3):
                go_on(bob)
    trials = rows_of(folder, "trials")
    assert [(row["number"], row["condition"], row["level"]) for row in trials] == [
        (0, "wander", 3), (0, "flee", 14), (1, "flee", 3)
    ]  # fmt: skip
    assert {row["steps"] for row in trials} <= set(range(1, 13))
    assert trials[0]["person"] == name != trials[2]["person"]
    answers = [(a["condition"], a["question"], a["answer"]) for a in rows_of(folder, "answers")]
    assert answers == [
        ("wander", "effort", "5"), ("flee", "effort", "2"), ("", "fair", "yes")
    ]  # fmt: skip
    with (folder / "dictionary.csv").open() as file:
        meant = {(row["of"], row["name"]) for row in csv.DictReader(file)}
    assert {("trials", column) for column in trials[0]} <= meant
    assert {("condition", "flee"), ("question", "fair")} <= meant


def test_a_person_takes_part_in_the_page(chromium: Any, tiny: Path, tmp_path: Path) -> None:
    with studied(tiny, tmp_path / "results") as world:
        page = Tab(chromium, world)
        page.wait("!document.getElementById('study').hidden")
        assert page.view.inner_text("#study-title") == "Catching <b>others</b>"
        page.view.click("#study-go")
        page.wait("als.link.get('study').phase === 'tutorial'")
        page.view.reload()
        page.wait("window.als?.link.get('study')?.phase === 'tutorial'")
        for phase in ("trial", "questions"):
            page.wait("!document.getElementById('study-go').hidden")
            page.view.click("#study-go")
            page.wait(f"als.link.get('study').phase === '{phase}'")
        page.view.click("#study-go")
        assert page.view.inner_text("#study-why") == "Please answer every question."
        page.view.check("#study input[value='6']")
        page.view.click("#study-go")
        page.wait("als.link.get('study').phase === 'trial'")
        assert page.said == []
        page.view.close()
    (answer,) = rows_of(tmp_path / "results", "answers")
    assert answer["answer"] == "6"


def test_a_persons_episodes_of_a_suite_become_a_yardstick(tmp_path: Path) -> None:
    suite = tmp_path / "quick.toml"
    suite.write_text(
        'seeds = 1\nepisodes = 4\n[[entries]]\nname = "Tag"\nscenario = "ALS/Tag-v0"\n'
        'arguments = { num_avatars = 2, max_episode_steps = 12 }\n'
        'held_out = { background = "flee" }\nrandom = 0.0\nexpert = 10.0\n'
    )  # fmt: skip
    folder, store = tmp_path / "people", tmp_path / "quick.sqlite"
    with studied(suite, folder, episodes=2) as world, world.program() as ann:
        take_part(ann)
        for _ in range(2):
            go_on(ann)
        while go_on(ann)["phase"] != "thanks":
            ann.send("drive", forward=1.0)
    chosen = read_suite(suite)
    added = add_people(chosen, folder / "episodes", store)
    assert (added.episodes, added.people) == (2, 1)
    assert add_people(chosen, folder / "episodes", store).episodes == 0
    with Store(store) as opened:
        (row,) = read_standings(opened).rows
    played = rows_of(folder, "trials")
    mean = sum(trial["return"] for trial in played) / 2
    assert row.cells["Tag"].total == pytest.approx(mean)
    assert (row.label, row.rank, row.is_yardstick, row.missing) == ("human", None, True, "")
    (path, *_) = sorted((folder / "episodes").iterdir())
    path.write_text(path.read_text().replace('"episode":0', '"episode":3'))
    with pytest.raises(SavedFileError, match="does not end as it did"):
        add_people(chosen, folder / "episodes", tmp_path / "other.sqlite")


@pytest.mark.parametrize("conditions", [1, 2, 3, 4, 5])
def test_every_condition_comes_everywhere_and_after_every_other_equally_often(
    conditions: int,
) -> None:
    every = orders(conditions)
    places = Counter((place, each) for row in every for place, each in enumerate(row))
    assert len(set(places.values())) == 1
    after = Counter(pair for row in every for pair in itertools.pairwise(row))
    assert len(after) == conditions * (conditions - 1)
    assert len(set(after.values())) <= 1


def test_the_example_is_a_study() -> None:
    study = read_study(EXAMPLE)
    kinds = [step.kind for step in steps_of(study, 0)]
    assert kinds == [
        "consent", "tutorial", "trial", "trial", "questions", "trial", "trial", "questions",
        "questions", "thanks",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('title = "', 'titel = "', "titel: Extra inputs"),
        ('name = "flee"', 'name = "wander"', "conditions: two have the same name"),
        ('choices = ["yes", "no"]', "choices = []", "questions.1: choices: two or more"),
        ("levels = [3, 14]", 'levels = ["3"]', "levels.0: Input should be a valid integer"),
        ('name = "effort"', 'name = "=cmd()"', "questions.0.name: String should match"),
        ("num_avatars = 2,", "level = 2,", 'arguments: "level" is not to be given there'),
        ("[tutorial]", "[tutorial", "is not TOML"),
    ],
)
def test_a_wrong_study_is_one_line(tiny: Path, old: str, new: str, why: str) -> None:
    tiny.write_text(TINY.replace(old, new, 1))
    with pytest.raises(ALSError) as error:
        read_study(tiny)
    assert why in str(error.value)
    assert str(tiny) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_neither_a_study_nor_a_suite_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="neither the file of a study nor a suite"):
        open_plan(str(tmp_path / "none.toml"), tmp_path, [], 1)
    with pytest.raises(ArgumentError, match="did you mean"):
        open_plan("smoke", tmp_path, ["ALS/Tagg-v0"], 1)
