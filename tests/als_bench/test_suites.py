"""Suites are found by id and by file, and say in one line what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import ROOT

from als_bench.suites import check_suite, find_suite, read_suite
from als_engine.errors import ArgumentError, SavedFileError, UnknownIdError
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SuiteSpec

FIELDS = ("field/education", "field/medicine", "field/office", "field/social")
BUNDLED = ("core", *FIELDS, "generalisation", "smoke", "social", "world")
FOLDER = ROOT / "benchmarks" / "suites"


def test_the_bundled_suites_are_installed() -> None:
    assert sorted(suite.id for suite in registry.suites()) == sorted(BUNDLED)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_suite_names_what_exists_and_is_calibrated(name: str) -> None:
    suite = find_suite(name)
    check_suite(suite)
    assert suite == read_suite(FOLDER / f"{name.replace('/', '-')}.toml")
    for entry in suite.entries:
        assert entry.random is not None, entry.name
        assert entry.expert is not None, entry.name


def test_the_same_place_has_the_same_yardsticks_in_every_suite() -> None:
    found: dict[object, tuple[float | None, float | None]] = {}
    for suite in registry.suites():
        for entry in suite.entries:
            place = (entry.scenario, repr(entry.arguments), repr(entry.held_out), entry.split)
            assert found.setdefault(place, (entry.random, entry.expert)) == (
                entry.random,
                entry.expert,
            ), f"{suite.id}: {entry.name}"


def test_core_has_every_bundled_scenario() -> None:
    ours = {spec.id for spec in registry.scenarios() if spec.id.startswith("ALS/")}
    assert {entry.scenario for entry in find_suite("core").entries} == ours


@pytest.mark.parametrize("name", FIELDS)
def test_the_suite_of_a_field_plays_entries_of_core(name: str) -> None:
    field, core = find_suite(name), find_suite("core")
    assert set(field.entries) <= set(core.entries)
    assert (field.agents, field.seeds, field.episodes) == (core.agents, core.seeds, core.episodes)


def test_generalisation_has_what_was_trained_on_beside_what_was_not() -> None:
    suite = find_suite("generalisation")
    for scenario in {entry.scenario for entry in suite.entries}:
        splits = {entry.split for entry in suite.entries if entry.scenario == scenario}
        assert splits == {"train", "test"}, scenario


def test_world_trains_once_and_tests_on_tasks_that_were_trained_on_and_on_others() -> None:
    entries = find_suite("world").entries
    assert len({(entry.scenario, repr(entry.arguments), entry.steps) for entry in entries}) == 1
    trained = set(entries[0].arguments["tasks"])
    tested = [set(entry.held_out.get("tasks", trained)) for entry in entries]
    assert trained in tested
    assert any(trained.isdisjoint(tasks) for tasks in tested)
    assert any(trained < tasks for tasks in tested)


def test_the_players_of_social_are_held_out_of_training() -> None:
    from als_engine.simulation import simulate

    for entry in find_suite("social").entries:
        if entry.cross_play:
            continue
        simulation = simulate(entry.scenario, observers=1, **entry.arguments)
        behaviour = simulation.task.behaviours()[entry.held_out["background"]]
        simulation.close()
        assert behaviour.splits == ("test",), entry.name


def test_an_unknown_suite_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownIdError, match=r'unknown suite "smok"; did you mean "smoke"\?'):
        find_suite("smok")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("entries = [", "is not TOML"),
        ('seed = 3\n[[entries]]\nscenario = "ALS/Tag-v0"', 'unknown key "seed"; .*"seeds"'),
        ("seeds = 3", "entries .* one or more entries"),
        ('[[entries]]\nscenario = "ALS/Tag-v0"\nstep = 3', 'unknown key "step"; .*"steps"'),
        ('[[entries]]\nscenario = "ALS/Tag-v0"\nsteps = "3"', "a whole number of at least 1"),
        (
            '[[entries]]\nscenario = "ALS/Tag-v0"\ndeterministic = 1',
            "true or false",
        ),
    ],
)
def test_a_file_with_a_mistake_is_one_line_that_names_it(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ArgumentError, match=rf"{path}.*{message}") as caught:
        find_suite(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_huge_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(SavedFileError, match="there is no file"):
        find_suite(str(tmp_path / "none.toml"))
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * (2 << 20))
    with pytest.raises(SavedFileError, match="at most"):
        find_suite(str(huge))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"scenario": "ALS/Tagg-v0"}, 'entry "ALS/Tagg-v0": unknown scenario'),
        (
            {"scenario": "ALS/Tag-v0", "arguments": {"sens": []}},
            "unexpected keyword argument 'sens'",
        ),
        ({"scenario": "ALS/Tag-v0", "held_out": {"background": "fly"}}, 'unknown background "fly"'),
    ],
)
def test_what_an_entry_names_is_looked_up_before_anything_runs(entry, message) -> None:
    with pytest.raises(ArgumentError, match=message):
        check_suite(SuiteSpec(id="mine", entries=(entry,)))
