"""Agents, sensors, encoders and suites that are wrong in one way: the check that sees it."""

from __future__ import annotations

import gymnasium
import pytest

from als_engine.conformance import Options
from als_engine.conformance.kinds.checking import check
from als_engine.plugins.registry import registry

FAST = {"levels": 4, "episodes": 2, "steps": 8}


@pytest.fixture(scope="module", autouse=True)
def parts():
    """Registers them, and takes them back: nobody else's tests may see them."""
    import faulty_parts

    plugin = registry.add(faulty_parts.Plugin(), distribution="faulty-parts")
    yield
    registry.remove(plugin)
    gymnasium.registry.pop(faulty_parts.ID, None)


def report(name, **options):
    (found,) = check(f"parts/{name}", Options(**FAST, **options), {}, on="Parts/Walk-v0")
    return found


@pytest.mark.parametrize("name", ["still", "compass", "linear", "good"])
def test_a_good_one_keeps_every_promise(name):
    found = report(name)
    assert found.ok, found.failures
    assert found.score == 1.0
    assert all(result.promise.endswith(".") for result in found.results)


FAULTS = (
    ("wild", "actions", "its discrete action 99 is not in Discrete"),
    ("flat", "actions", "have the shape (2, 2) for 2 rows, (2,) is right"),
    ("slow", "actions", "its actions take 0.6"),
    ("dice", "replay", "two new agents with one seed act differently"),
    ("nostalgic", "replay", "after other episodes it acts differently in the same one"),
    ("sociable", "rows", "in the second of two rows it acts otherwise than alone"),
    ("forgetful", "saved", "loaded again it acts differently at step 0"),
    ("diary", "files", "it writes diary.txt while it acts"),
    ("deaf", "learns", "it asked should_stop 200 times, and went on"),
    ("numb", "buffers", "numbers depend on what the array held before"),
    ("broken", "inside", '"parts/broken" is NaN at step 0'),
    ("counting", "rows", "world 0 of 3 is shown otherwise than alone"),
    ("greedy", "rows", "it writes into another sensor's array"),
    ("pushing", "pure", "it changes the state at step 0"),
    ("drawing", "pure", "it draws from a global generator: use state.uniform"),
    ("telling", "secrecy", "depends on state.level"),
    ("longer", "size", "its features have the shape (4, 8), (4, 9) is what it says"),
    ("mixing", "rows", "the features of row 0 change when the other rows are replaced"),
    ("normed", "modes", "its features are others in train() than in eval()"),
    ("random", "modes", "gives other features when it is asked again"),
    ("rooted", "gradients", "the gradient of layer.weight is NaN"),
    ("frozen", "gradients", "no weight has a gradient"),
    ("needy", "missing", "KeyError: 'touch'"),
    ("lost", "entries", 'did you mean "Parts/Walk-v0"'),
    ("lost", "agents", "there is no folder parts/nobody"),
    ("wrong", "entries", 'did you mean "reach"'),
    ("trains", "split", 'entry "a" is played on the train split'),
    ("halved", "yardsticks", "freezes one yardstick, and not expert"),
    ("flat", "yardsticks", "between them there is nothing to measure"),
    ("twice", "duplicates", 'entries "a" and "b" are the same'),
)


@pytest.mark.parametrize(("name", "point", "failure"), FAULTS)
def test_a_fault_is_one_line_at_its_point(name, point, failure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = [
        each
        for report in check(f"parts/{name}", Options(**FAST, only=[point]), {}, "Parts/Walk-v0")
        for result in report.results
        for each in result.failures
    ]
    (fault,) = [each for each in found if failure in each.text]
    assert len(found) == 1
    assert "faulty_parts.py:" in fault.place or point in (*SUITE_POINTS, "inside")


SUITE_POINTS = ("entries", "agents", "split", "yardsticks", "duplicates")
