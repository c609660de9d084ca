"""Faults that look innocent: each is named once, at the check that looks for it, with its place."""

from __future__ import annotations

import gymnasium
import pytest

from als_engine import ScenarioSpec, hookimpl
from als_engine.conformance import CHECKS, Options, examine
from als_engine.plugins.registry import registry

FAST = {"levels": 8, "episodes": 2, "steps": 8, "random_at_most": 1.0}
QUICK = [name for name in CHECKS if name not in ("sb3", "autoreset", "throughput", "heuristics")]
ANSWER = {"company": "nobody but the caller's avatars is met"}


def spec(name, **more):
    given = {"max_episode_steps": 25, "max_avatars": 3, "answers": ANSWER, **more}
    return ScenarioSpec(f"Faulty/{name}-v0", task=f"faulty_worlds:{name}", **given)


@pytest.fixture(scope="module", autouse=True)
def faults():
    """Registers the scenarios, and takes them back: nobody else's tests may see them."""
    import faulty_worlds

    specs = [spec(name) for name in faulty_worlds.__all__ if name != "EveryoneTrains"]
    specs.append(spec("EveryoneTrains", answers={}))

    class Plugin:
        @hookimpl
        def als_scenarios(self):
            return specs

    plugin = registry.add(Plugin(), distribution="faulty-worlds")
    yield
    registry.remove(plugin)
    for each in specs:
        gymnasium.registry.pop(each.id, None)


FAULTS = (
    ("InfiniteReward", "answers", "step 3: InfiniteReward.reward is infinite", "in reward"),
    ("NanAtTheFlag", "expert", "NanAtTheFlag.reward is NaN for avatar 0", "in reward"),
    ("MetricNanAtTheEnd", "expert", 'metrics["walked"] is NaN when an', "in metrics"),
    ("FlatReward", "answers", "reward must be (worlds, avatars), here (2, 1)", "in reward"),
    ("NumberedEnd", "answers", "terminated must be bool, got float64", "in terminated"),
    ("Exiting", "answers", "SystemExit: done", 'in after_step: raise SystemExit("done")'),
    ("LoudStep", "answers", "it prints 'step'", 'in after_step: print("step"'),
    ("LateLeaver", "memory", "LateLeaver.steps changes while it plays", "in after_step"),
    ("ClassMemory", "memory", "ClassMemory.seen changes while it plays", "in after_step"),
    ("GlobalMemory", "memory", "faulty_worlds._walked changes while it", "in after_step"),
    ("DefaultMemory", "memory", "a default argument of DefaultMemory.after_step", "in after_"),
    ("GlobalDraws", "memory", "NumPy's global generator changes while it", "in layout"),
    ("GlobalDraws", "levels", "is laid out differently the second time", "in layout"),
    ("TimedDraws", "replay", "differs in another environment: info (walked)", ""),
    ("WorldCounting", "autoreset", "the reset differs: info (walked)", ""),
    ("SwappedSplits", "splits", "are the splits exchanged?", "in layout"),
    ("SilentConcepts", "splits", 'answers={"concepts": "..."}', "in layout"),
    ("UnheldConcepts", "splits", "it names no concept of any level of train", "in concepts"),
    ("RandomConcepts", "splits", "other concepts when it is asked again", "in concepts"),
    ("EveryoneTrains", "company", 'answers={"company": "..."}', "in behaviours"),
    ("MovingBehaviour", "company", "behaviours writes avatars.position", "in behaviours"),
    ("MovingReset", "answers", "after_reset writes props.position", "in after_reset"),
    ("MovingExpert", "pure", "expert changes the state at step 0", "in expert"),
    ("MovingLate", "random", "step 20: MovingLate.after_step writes", "in after_step"),
    ("PushingStep", "answers", "after_step writes avatars.velocity", "in after_step"),
    ("CutLater", "sensors", "are cut off in the text observation while it plays", ""),
    ("NumberedLevel", "secrecy", "stands in its instruction", "in layout"),
    ("ListedLevel", "secrecy", "stands in its signs", "in layout"),
    ("SlyLevel", "secrecy", '"thermometer" depends on state.level', "in read"),
    ("SlyQuantity", "secrecy", '"thermometer" tells the number of the level', ""),
    ("EmptySensor", "buffers", "2 of 2 numbers depend on what the array held", "in read"),
    ("AccumulatingSensor", "buffers", "depend on what the array held before", "in read"),
    ("MindfulSensor", "buffers", "shows something else when it looks at the same", "in read"),
    ("SlowSensor", "buffers", "at 2 worlds takes 0.1", "in read"),
    ("LyingSpace", "sensors", "is outside its space: 0.2 in Box(0.0, 0.1", "in read"),
    ("NanObserved", "sensors", '"thermometer" is NaN at step 0', "in read"),
    ("SlowLayout", "layout-time", "a level takes 0.3", "in layout"),
)


@pytest.mark.parametrize(("name", "check", "failure", "place"), FAULTS)
def test_a_fault_is_one_line_with_its_place(name, check, failure, place):
    report = examine(f"Faulty/{name}-v0", Options(**FAST, only=[check]), {})
    (found,) = [each for each in report.results[0].failures if failure in each.text]
    assert place in found.place
    assert found.place.startswith("tests/support/faulty_worlds.py:") or not place


@pytest.mark.parametrize("name", ["InfiniteReward", "FlatReward", "LoudStep"])
def test_what_every_check_meets_is_told_once(name):
    report = examine(f"Faulty/{name}-v0", Options(**FAST, only=QUICK, skip=["pettingzoo"]), {})
    assert len(report.failures) == 1
    broken_off = [result for result in report.results if result.told_by]
    (teller,) = {result.check for result in report.results if result.failures}
    assert {result.told_by for result in broken_off} <= {teller}
    assert len(broken_off) > 8 or name == "LoudStep"


def test_a_question_that_the_spec_answers_is_a_note():
    options = Options(**FAST, only=["company"])
    (asked,) = examine("Faulty/EveryoneTrains-v0", options, {}).results
    (answered,) = examine("Faulty/Exiting-v0", Options(**FAST, only=["splits"]), {}).results
    assert asked.outcome == "broken"
    assert answered.outcome == "kept"
    (answered,) = examine("Faulty/LyingSpace-v0", options, {}).results
    assert answered.outcome == "kept"
    assert f'the spec answers "company": {ANSWER["company"]}' in answered.note


def test_the_report_scores_every_point_and_goes_through_json():
    import json

    from als_engine.conformance import Result

    report = examine("Faulty/NumberedLevel-v0", Options(**FAST, only=["splits", "secrecy"]), {})
    assert [result.score for result in report.results] == [0.0, 0.0]
    assert report.score == 0.0
    read = json.loads(json.dumps(report.as_dict()))
    assert (read["id"], read["kind"], read["ok"]) == ("Faulty/NumberedLevel-v0", "scenario", False)
    assert tuple(map(Result.from_dict, read["results"])) == report.results
