"""Persons on a board: a yardstick with its own interval, whose results nobody can claim."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from als_bench.board.pages import write_board
from als_bench.checking.writing import write_bundle
from als_bench.contestants import find_contestants
from als_bench.identity import why_mislabelled
from als_bench.people import add_people
from als_bench.results.store import Store
from als_bench.running.runner import run_suite
from als_bench.standings import read_standings
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.persons import PersonEpisode, episode_seed, read_episodes, write_episode
from als_engine.plugins.specs import SuiteEntry, SuiteSpec
from als_engine.simulation import simulate

ARGUMENTS = {"num_avatars": 2, "max_episode_steps": 12, "action_mode": "discrete"}
SUITE = SuiteSpec(
    id="people",
    entries=(
        SuiteEntry(
            "ALS/Tag-v0", name="Tag", arguments=ARGUMENTS, held_out={"background": "flee"},
            random=-1.0, expert=4.0,
        ),
    ),
    agents=("random",),
    seeds=1,
    episodes=3,
)  # fmt: skip


def played(person: str, episode: int, keen: bool) -> PersonEpisode:
    """An episode of somebody who does as the expert would, or nothing."""
    arguments = {**ARGUMENTS, "background": "flee"}
    simulation = simulate("ALS/Tag-v0", 1, 1, **arguments, split="test", sensors=())
    simulation.reset([episode_seed(0, episode)])
    actions: list[Any] = []
    while not (simulation.terminated[0] or simulation.truncated[0]):
        wanted = simulation.expert_actions()
        actions.append((wanted if keen else wanted * 0)[0].tolist())
        simulation.step([actions[-1]])
    digest = simulation.state.digest(0).hex()
    simulation.close()
    return PersonEpisode(
        suite="people", entry="Tag", episode=episode, person=person, arguments=arguments,
        actions=actions, digest=digest,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    """Three persons, one of whom played two episodes and did not care."""
    found: Path = tmp_path_factory.mktemp("people") / "episodes"
    for person, episodes, keen in (("0000000a", [0], True), ("0000000b", [1], True),
                                   ("0000000c", [1, 2], False)):  # fmt: skip
        for episode in episodes:
            write_episode(found, played(person, episode, keen))
    return found


@pytest.fixture(scope="module")
def store(folder: Path) -> Path:
    """A board with persons and random actions."""
    path = folder.parent / "people.sqlite"
    run_suite(SUITE, find_contestants(["random"]), path)
    added = add_people(SUITE, folder, path)
    assert (added.episodes, added.people) == (4, 3)
    return path


def test_persons_are_a_yardstick_whose_interval_is_over_persons(store: Path) -> None:
    with Store(store) as opened:
        rows = {row.label: row for row in read_standings(opened).rows}
    human = rows["human"]
    assert (human.is_yardstick, human.rank, human.seeds, human.missing) == (True, None, 3, "")
    assert not human.provisional
    assert human.score is not None
    assert human.score.low < human.score.value < human.score.high
    assert len(human.cells["Tag"].scores) == 3


def test_the_board_shows_persons_and_a_bundle_leaves_them_out(store: Path, tmp_path: Path) -> None:
    with Store(store) as opened:
        write_board(tmp_path / "board", opened, read_standings(opened))
        manifest = write_bundle(opened, tmp_path / "bundle")
    assert {unit.agent for unit in manifest.units} == {"random"}
    page = (tmp_path / "board" / "index.html").read_text()
    assert "human" in page
    assert "persons are not filmed" in (tmp_path / "board" / "agents" / "human.html").read_text()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"suite": "core"}, "of the suite core"),
        ({"entry": "Tug"}, 'did you mean "Tag"'),
        ({"episode": 3}, "episodes 0 to 2"),
        ({"episode": 2}, "does not end as it did"),
        ({"arguments": {**ARGUMENTS, "background": "wander"}}, "arguments of its entry"),
        ({"actions": [[99]]}, "cannot be played"),
        ({"actions": [["x"]]}, "the actions are none of"),
        ({"digest": "0" * 32}, "does not end as it did"),
    ],
)
def test_what_does_not_hold_is_refused(
    folder: Path, tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    (_, episode), *_ = read_episodes(folder)
    path = write_episode(tmp_path / "one", episode.model_copy(update=change))
    with pytest.raises(SavedFileError) as error:
        add_people(SUITE, tmp_path / "one", tmp_path / "other.sqlite")
    assert why in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{}", "[" * 9_999, '{"format": 2}'])
def test_a_damaged_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "person-00001.json").write_text(text)
    with pytest.raises(SavedFileError, match="person-00001"):
        read_episodes(tmp_path)


def test_nobody_else_is_called_human() -> None:
    with pytest.raises(ArgumentError, match="als study SUITE"):
        find_contestants(["human"])
    assert "looks like" in why_mislabelled("Hum4n", "ppo", {}, {}, []) or why_mislabelled(
        "Human", "ppo", {}, {}, []
    )
    assert why_mislabelled("human", "human", {}, {}, []) == ""
