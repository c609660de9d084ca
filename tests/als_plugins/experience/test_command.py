"""`als collect` and `als data show`, as a user meets them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from als_command import als
from experience_worlds import BANG, FEVER, NO_EXPERT, WALK, trail  # noqa: F401

from als_engine.plugins.registry import registry
from als_engine.sensors import SENSORS
from als_plugins.experience import plugin as experience
from als_plugins.experience.records import read_dataset

pytestmark = pytest.mark.usefixtures("trail", "commands")


@pytest.fixture(scope="module")
def commands() -> Iterator[None]:
    """Adds the commands where the package was installed before it had them."""
    if any(plugin.module == experience.__name__ for plugin in registry.plugins()):
        yield
        return
    added = registry.add(experience, "als-engine", "experience")
    yield
    registry.remove(added)


def test_collect_and_show(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    words = ("collect", WALK, "--policy", "mix", "--episodes", 12, "--out", folder)
    first = als(*words, "--arg", "frame_size=8")
    assert first.code == 0, first.err
    assert "12 episodes" in first.out
    assert "12 new" in first.out
    again = als(*words, "--arg", "frame_size=8")
    assert "nothing new: all were there already" in again.out
    assert als("collect", BANG, "--episodes", 12, "--out", folder).code == 0
    shown = als("data", "show", folder)
    assert shown.code == 0, shown.err
    for words_in_it in (WALK, BANG, "mix", "8 x 8 x 3", "uint8", "validation", "because the ph"):
        assert words_in_it in shown.out
    assert "text" in shown.out
    assert "MiB" in shown.out or "KiB" in shown.out


def test_sensors_can_be_chosen(tmp_path: Path) -> None:
    found = als("collect", WALK, "--episodes", 1, "--sensors", "touch,entities", "--out", tmp_path)
    assert found.code == 0, found.err
    shown = als("data", "show", tmp_path).out
    assert "entities" in shown
    assert "16 x 26" in shown
    assert "rgb" not in shown


def test_all_sensors_are_the_scenarios_own_and_the_engines(tmp_path: Path) -> None:
    words = ("--episodes", 4, "--sensors", "all", "--arg", "frame_size=8")
    assert als("collect", FEVER, *words, "--out", tmp_path).code == 0
    (source,) = read_dataset(tmp_path).sources
    assert set(source.observations) == {"thermometer", *SENSORS}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("collect", "Trail/Wolk-v0"), 'did you mean "Trail/Walk-v0"'),
        (("collect", WALK, "--policy", "rendom"), 'did you mean "random"'),
        (("collect", WALK, "--policy", "ppo"), "has to be trained first"),
        (("collect", NO_EXPERT, "--policy", "expert"), "has no expert"),
        (("collect", WALK, "--sensors", "rbg"), 'did you mean "rgb"'),
        (("collect", WALK, "--split", "evaluation"), "split"),
        (("collect", WALK, "--episodes", "0"), "episodes"),
    ],
)
def test_mistakes_are_one_line(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    found = als(*words, "--out", tmp_path / "data")
    assert found.code == 2
    assert message in found.err
    assert found.err.count("\n") == 1
    assert "Traceback" not in found.err


def test_show_says_what_is_no_dataset(tmp_path: Path) -> None:
    found = als("data", "show", tmp_path)
    assert found.code == 2
    assert f"{tmp_path} is not a dataset" in found.err
    assert found.err.count("\n") == 1
