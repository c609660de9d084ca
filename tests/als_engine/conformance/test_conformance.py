"""The conformance kit finds what is wrong: for every promise, a scenario that breaks it."""

from __future__ import annotations

import sys

import gymnasium
import pytest

from als_engine import ScenarioSpec, hookimpl
from als_engine.cli import main
from als_engine.conformance import CHECKS, ConformanceError, check_scenario
from als_engine.errors import ArgumentError, UnknownIdError
from als_engine.plugins.registry import registry

FAST = {"levels": 4, "episodes": 2, "steps": 8, "random_at_most": 1.0}
GOOD = "Rule/Good-v0"


def spec(name):
    return ScenarioSpec(
        id=f"Rule/{name}-v0",
        task=f"broken_worlds:{name}",
        max_episode_steps=25,
        max_avatars=3,
        answers={"company": "nobody but the caller's avatars is met"},
    )


@pytest.fixture(scope="module", autouse=True)
def rules():
    """Registers the broken scenarios, and takes them back: nobody else's tests may see them."""
    import broken_worlds

    class Plugin:
        @hookimpl
        def als_scenarios(self):
            return [spec(name) for name in broken_worlds.__all__]

    plugin = registry.add(Plugin(), distribution="rule-breakers")
    yield
    registry.remove(plugin)
    for name in broken_worlds.__all__:
        gymnasium.registry.pop(spec(name).id, None)


def test_a_good_scenario_passes_and_is_measured():
    report = check_scenario(GOOD, **FAST)
    assert report.ok
    assert [result.check for result in report.results] == list(CHECKS)
    assert report.figures["expert_success"] == 1.0
    assert report.figures["steps_per_second"] > 0
    assert all(result.promise.endswith(".") for result in report.results)


FAULTS = (
    ("NoSections", "docstring", "lacks the sections Observations, Actions"),
    ("NoSections", "docstring", "the docstring's Arguments do not name `reach`"),
    ("NoSections", "docstring", "the docstring's Metrics do not name `walked`"),
    ("Moody", "levels", "is laid out differently the second time"),
    ("Renaming", "levels", "names the props ('flag', 'thing 1')"),
    ("Wordy", "instructions", "are cut off in the text observation: shorten them"),
    ("SharedLevels", "levels", "is the same under a secret key: agents could look it up"),
    ("SharedLevels", "splits", "of the train split is level 10000 of the test split"),
    ("SharedLevels", "splits", "of the train split is level 20000 of the validation split"),
    ("SharedLevels", "splits", "of the validation split is level 10000 of the test split"),
    ("SharedConcepts", "splits", "are both about 'seven plus five'"),
    ("TwoSplits", "splits", "of validation are both about 'known': give each split concepts"),
    (
        "SharedCompany",
        "company",
        '"new" is held out of training and met in validation and test',
    ),
    ("OneLevel", "splits", "all levels of the train split are the same"),
    ("Remembering", "replay", "differs in the same environment after another episode"),
    ("Remembering", "autoreset", "differs: reward"),
    ("Remembering", "snapshot", "in the same worlds, reward"),
    ("LateNan", "answers", "step 5: LateNan.reward is NaN for avatar 0 of world 0"),
    ("LateMetric", "answers", 'step 5: LateMetric.metrics["walked"] is infinite for world 0'),
    ("CountingRewards", "pure", "reward changes the state at step 0"),
    ("GreedyRewards", "pure", "reward gives two answers at step 0"),
    ("LostTerms", "terms", "the terms add up to something else than the reward at step 0"),
    ("UnnamedTerms", "terms", "the terms are all, nothing, reward_names says all"),
    ("NanSensor", "sensors", '"thermometer" is NaN at step 3 with discrete actions'),
    (
        "HotSensor",
        "sensors",
        '"thermometer" is outside its space: 2 in Box(0.0, 1.0, (1,), float32) at step 0',
    ),
    ("NoExpert", "expert", "NoExpertError: Rule/NoExpert-v0: NoExpert has no expert"),
    ("LazyExpert", "expert", "the expert solves 0% of the levels, at least 80% are asked for"),
    ("Easy", "random", "random actions solve 100% of the levels, at most 50% are allowed"),
    ("Crashing", "throughput", "ZeroDivisionError: division by zero"),
)


@pytest.mark.parametrize(("name", "check", "failure"), FAULTS)
def test_a_broken_promise_is_one_clear_line(name, check, failure):
    options = {**FAST, "random_at_most": 0.5}
    with pytest.raises(AssertionError) as error:
        check_scenario(f"Rule/{name}-v0", only=[check], **options)
    assert isinstance(error.value, ConformanceError)
    lines = str(error.value).splitlines()
    assert lines[0].startswith(f"Rule/{name}-v0 breaks ")
    assert any(line.startswith(f"- {check}: ") and failure in line for line in lines[1:]), lines
    assert len(lines) == 1 + len(error.value.report.failures)


def test_checks_can_be_chosen_and_left_out():
    some = check_scenario(GOOD, only=["docstring", "levels"], skip=["levels"], **FAST)
    assert [result.check for result in some.results] == ["docstring"]
    with pytest.raises(ArgumentError, match='unknown check "replays"; did you mean "replay"'):
        check_scenario(GOOD, only=["replays"])


def test_the_caller_s_mistake_is_not_the_scenario_s():
    with pytest.raises(UnknownIdError, match='did you mean "Rule/Good-v0"'):
        check_scenario("Rule/Godo-v0")
    with pytest.raises(
        ArgumentError, match="unexpected keyword argument 'raech'; did you mean \"reach\""
    ):
        check_scenario(GOOD, raech=1.0)
    with pytest.raises(ArgumentError, match="levels must be at least 2, got 1"):
        check_scenario(GOOD, levels=1)


@pytest.fixture
def als(monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["als", *words])
        monkeypatch.setenv("COLUMNS", "100")
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    return run


def test_the_command_shows_ticks_and_ends_with_1_when_a_promise_is_broken(als):
    words = ("--only", "docstring", "--only", "levels", "--levels", "4")
    code, out, _ = als("check", GOOD, *words)
    assert code == 0
    assert out.count("✓") == 2
    assert f"{GOOD} keeps every promise" in out
    code, out, _ = als("check", "Rule/NoSections-v0", *words)
    assert code == 1
    assert (out.count("✓"), out.count("✗")) == (1, 1)
    assert "lacks the sections Observations" in out
    code, _, err = als("check", "Rule/Godo-v0")
    assert (code, len(err.splitlines())) == (2, 1)
