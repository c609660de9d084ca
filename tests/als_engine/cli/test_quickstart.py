"""`als quickstart` with a tiny budget: the whole way, from the list to the page."""

from __future__ import annotations

import re
from pathlib import Path
from unittest import mock

import pytest
from als_command import Result, als

from als_engine.agents.saving import load_agent
from als_engine.cli import quickstart
from als_engine.evaluation.statistics import Interval
from als_engine.plugins.registry import registry
from als_engine.reports.quickstart import judge


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """One run, and its folder; its episodes are short, above all to be filmed."""
    out = tmp_path_factory.mktemp("quickstart") / "report"
    words = ("--out", out, "--steps", 1_000, "--episodes", 4, "--worlds", 4)
    short = {**quickstart.ARGUMENTS, "max_episode_steps": 40}
    with mock.patch.object(quickstart, "ARGUMENTS", short):
        return als("quickstart", *words), out


def test_it_lists_trains_evaluates_and_writes(run: tuple[Result, Path]) -> None:
    result, out = run
    assert result.code == 0, result.err
    for spec in registry.scenarios():
        assert spec.id in result.out
    for agent in ("mappo", "random", "expert"):
        assert re.search(rf"^ *{agent} .*\d+\.\d\d \[", result.out, re.MULTILINE)
    assert f"Report: {out}/index.html" in result.out
    assert sorted(path.name for path in out.iterdir()) == ["agent", "index.html", "trained.gif"]


def test_after_so_little_training_it_does_not_claim_to_have_learned(
    run: tuple[Result, Path],
) -> None:
    result, out = run
    page = (out / "index.html").read_text()
    assert "it has learned." not in result.out
    assert "still has to learn" in page
    assert '<p class="verdict lost">' in page


def test_the_page_has_the_numbers_the_film_and_the_command(run: tuple[Result, Path]) -> None:
    _, out = run
    page = (out / "index.html").read_text()
    assert '<img src="trained.gif"' in page
    assert f"als quickstart --out {out} --steps 1000 --episodes 4 --seed 0 --worlds 4" in page
    for words in ("Learning curve", "stable-baselines3", "entities, proprioception", "Mean return"):
        assert words in page


def test_the_saved_agent_can_be_loaded_and_played(run: tuple[Result, Path], tmp_path: Path) -> None:
    agent, record = load_agent(run[1] / "agent")
    assert record.scenario == "ALS/Tag-v0"
    assert record.training is not None
    assert record.training.steps >= 1_000
    words = ["--agent", run[1] / "agent", "--arg", "max_episode_steps=5"]
    played = als("play", "ALS/Tag-v0", *words, "--out", tmp_path / "a.gif")
    assert (played.code, played.err) == (0, "")
    assert agent.action_space.shape


@pytest.mark.parametrize("out", ["/dev/null/report", "/proc/report"])
def test_a_folder_that_cannot_be_written_is_known_before_the_training(out: str) -> None:
    result = als("quickstart", "--out", out)
    assert result.code == 2
    assert result.err.startswith(f'Error: cannot write "{out}": ')
    assert result.err.count("\n") == 1
    assert result.out == ""


@pytest.mark.parametrize(
    ("random", "trained", "won", "words"),
    [
        ((-1, -2, 0), (9, 8, 10), True, "do not overlap: it has learned"),
        ((-1, -2, 0), (0, -0.5, 1), False, "overlap: that it has learned anything is not shown"),
        ((-1, -2, 0), (-5, -6, -4), False, "worse than random"),
    ],
)
def test_the_verdict_is_true(
    random: tuple[float, ...], trained: tuple[float, ...], won: bool, words: str
) -> None:
    verdict = judge(Interval(*random), Interval(*trained))
    assert verdict[0] is won
    assert words in verdict[1]
