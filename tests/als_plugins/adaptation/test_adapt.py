"""Feedback makes an agent better; what makes it worse is taken back; a changed world is noticed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from adapt_worlds import ID, NO_EXPERT, find
from als_command import als

from als_engine import hookimpl
from als_engine.agents.saving import load_agent, make_agent, open_agent
from als_engine.agents.training import train_agent
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.protocol import evaluate
from als_engine.plugins.registry import registry
from als_plugins.adaptation import plugin
from als_plugins.adaptation.adapt import adapt, finished_adaptation, resume_adaptation
from als_plugins.adaptation.channel import DELAY, Event
from als_plugins.adaptation.judge import compare

__all__ = ["find"]

pytestmark = pytest.mark.usefixtures("find")

CONFIG = {
    "rollout": 256, "batch_size": 64, "net_arch": [32], "n_epochs": 4, "learning_rate": 2e-3
}  # fmt: skip
QUICK = {"evaluate_every": 512, "episodes": 8, "learning_rate": 2e-3, "device": "cpu"}
BRIEF = {**QUICK, "evaluate_every": 256, "episodes": 4}
"""Where it does not matter what is learnt: rounds of one rollout."""


@pytest.fixture(scope="module")
def agents(tmp_path_factory, find):
    """One that has hardly begun, one that finds the flag, and one whose actions are continuous."""
    folder = tmp_path_factory.mktemp("agents")
    for name, steps, mode in (
        ("beginner", 256, "discrete"),
        ("finder", 2_048, "discrete"),
        ("steerer", 1_024, "continuous"),
    ):
        train_agent(
            ID, steps=steps, folder=folder / name, config=CONFIG,
            arguments={"action_mode": mode}, device="cpu",
        )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def whole(agents):
    """An adaptation of four rounds by the task's reward alone, and its folder."""
    folder = agents / "whole"
    return adapt(agents / "beginner", folder=folder, feedback=None, steps=1_024, **BRIEF), folder


def weights(folder):
    agent, _ = load_agent(folder)
    return {name: tensor.numpy() for name, tensor in agent.policy.state_dict().items()}


def same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


def outcomes(adapted):
    return [line.outcome for line in adapted.rounds]


# Learning


def test_feedback_alone_makes_an_agent_better_when_the_tasks_reward_is_hidden(agents, tmp_path):
    adapted = adapt(
        agents / "beginner", folder=tmp_path / "a", feedback="simulated:0.1", steps=3_072,
        task_weight=0.0, **{**QUICK, "evaluate_every": 1_024},
    )  # fmt: skip
    before = open_agent(str(agents / "beginner"))
    after = open_agent(str(tmp_path / "a"))
    # Episodes that neither the agent nor the loop has seen.
    first = evaluate(before.agent, ID, 20, arguments=before.arguments)
    last = evaluate(after.agent, ID, 20, arguments=after.arguments)
    assert (last.returns - first.returns).mean() > 1.0
    assert last.success.value > 0.8
    assert adapted.rounds[-1].trust > 0.3
    assert sum(line.events for line in adapted.rounds) == pytest.approx(0.3 * 3_072, rel=0.1)


class Listener:
    """A plugin that writes down where episodes are played."""

    def __init__(self):
        self.splits = set()

    @hookimpl
    def als_episode_end(self, record):
        self.splits.add(record.split)


def test_rounds_are_kept_and_taken_back_by_validation_episodes_and_never_by_test_ones(
    agents, tmp_path, monkeypatch
):
    listener = Listener()
    registry._manager.register(listener)
    monkeypatch.setattr(registry, "episode_end", listener.als_episode_end)
    try:
        adapted = adapt(
            agents / "finder", folder=tmp_path / "a", feedback="simulated:0.1", steps=1_024,
            drift={"bearing": 60.0}, **QUICK,
        )  # fmt: skip
    finally:
        registry._manager.unregister(listener)
    assert adapted.split == "validation"
    assert listener.splits == {"train", "validation"}
    with pytest.raises(ArgumentError, match='"test" is for reporting alone; choose by'):
        adapt(agents / "finder", folder=tmp_path / "b", steps=1_024, split="test")
    with pytest.raises(ArgumentError, match='"test" is for reporting alone'):
        compare(evaluated("test"), evaluated("test"), 0.0)
    job = tmp_path / "a" / "adaptation.json"
    job.write_text(job.read_text().replace('"validation"', '"test"'))
    with pytest.raises(SavedFileError, match='"test" is for reporting alone'):
        resume_adaptation(tmp_path / "a")


def evaluated(split):
    return evaluate(make_agent("random", ID, {}), ID, 2, split=split)


def test_feedback_that_is_mostly_wrong_wrecks_nothing(agents, tmp_path):
    adapted = adapt(
        agents / "finder", folder=tmp_path / "a", feedback="simulated:0.9,rate=1", steps=2_048,
        task_weight=0.0, **{**QUICK, "evaluate_every": 1_024, "learning_rate": 4e-3},
    )  # fmt: skip
    assert adapted.rolled_back >= 1
    undone = next(line for line in adapted.rounds if line.outcome == "rolled back")
    assert undone.difference_high < 0.0
    assert "rolled back to round" in undone.message
    before, after = open_agent(str(agents / "finder")), open_agent(str(tmp_path / "a"))
    first = evaluate(before.agent, ID, 20, arguments=before.arguments)
    last = evaluate(after.agent, ID, 20, arguments=after.arguments)
    assert last.returns.mean() > first.returns.mean() - 0.2


def test_a_changed_world_is_noticed_and_recovered_from(agents, tmp_path):
    adapted = adapt(
        agents / "steerer", folder=tmp_path / "a", feedback="simulated:0.1,rate=1", steps=4_096,
        drift={"bearing": 60.0}, **{**QUICK, "evaluate_every": 1_024},
    )  # fmt: skip
    kinds = outcomes(adapted)
    assert kinds.count("drift") == 1
    at = kinds.index("drift")
    assert adapted.rounds[at - 1].round == 2
    assert "the world has changed" in adapted.rounds[at].message
    before, fallen, last = adapted.rounds[at - 1], adapted.rounds[at], adapted.rounds[-1]
    assert fallen.mean < before.best - 1.5
    assert fallen.difference_high < 0.0
    assert last.best > before.best - 0.3
    # Episodes that the loop has not seen: what is left alone, and what has adapted.
    there = {**adapted.record.arguments, "bearing": 60.0}
    alone = load_agent(tmp_path / "a" / "snapshots" / "0000")[0]
    left, found = (evaluate(agent, ID, 20, arguments=there) for agent in (alone, adapted.agent))
    assert found.returns.mean() > left.returns.mean() + 1.5
    assert found.success.value > left.success.value + 0.2
    assert "the world changes" in (tmp_path / "a" / "adaptation.svg").read_text()


def test_what_is_left_alone_stays_as_it_is_even_in_a_changed_world(agents, tmp_path):
    adapted = adapt(
        agents / "finder", folder=tmp_path / "a", feedback="frozen", steps=2_048,
        drift={"bearing": 90.0}, **QUICK,
    )  # fmt: skip
    assert outcomes(adapted) == ["start", "unchanged", "unchanged", "drift"] + ["unchanged"] * 2
    assert same(weights(agents / "finder"), weights(tmp_path / "a"))
    assert adapted.rounds[-1].mean < adapted.rounds[0].mean - 1.0


def test_ctrl_c_in_the_last_round_saves_the_agent_and_is_not_lost(agents, tmp_path):
    def interrupt(line):
        if line.round == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        adapt(
            agents / "finder", folder=tmp_path / "a", feedback="none", steps=512,
            on_round=interrupt, **BRIEF,
        )  # fmt: skip
    found = finished_adaptation(tmp_path / "a")
    assert found is not None
    assert len(found.rounds) == 3


def test_an_adaptation_that_was_killed_before_its_first_snapshot_begins_and_needs_no_other_file(
    agents, tmp_path, monkeypatch
):
    said = tmp_path / "said.jsonl"
    said.write_text('{"world": 0, "step": 3, "value": 1}\n')
    monkeypatch.chdir(tmp_path)
    adapt(agents / "finder", folder="a", feedback="said.jsonl", steps=512, **BRIEF)
    for name in ("snapshots", "agent"):
        shutil.rmtree(tmp_path / "a" / name)
    (tmp_path / "a" / "state.json").unlink()
    said.unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    adapted = resume_adaptation(tmp_path / "a")
    assert len(adapted.rounds) == 3
    assert sum(line.events for line in adapted.rounds) == 1


def test_a_folder_from_somebody_else_makes_no_files_outside_of_it(agents, tmp_path):
    run = tmp_path / "a"
    adapt(agents / "finder", folder=run, feedback="live", steps=512, **BRIEF)
    shutil.rmtree(run / "agent")
    (run / "feedback.jsonl").unlink()
    job = (run / "adaptation.json").read_text()
    outside = tmp_path / "new" / "file"
    (run / "adaptation.json").write_text(job.replace('"live"', f'"live:{outside}"'))
    with pytest.raises(SavedFileError, match=f"there is no {outside}, where feedback came from"):
        resume_adaptation(run)
    assert not outside.parent.exists()
    (run / "adaptation.json").write_text(job.replace('"live"', '"live:/dev/zero"'))
    with pytest.raises(SavedFileError, match="/dev/zero is neither a file nor a FIFO"):
        resume_adaptation(run)
    for changed in ({"arguments": {"split": "test"}}, {"drift": {"num_worlds": 9}}):
        (run / "adaptation.json").write_text(json.dumps({**json.loads(job), **changed}))
        with pytest.raises(ArgumentError, match="cannot be an argument of the scenario"):
            resume_adaptation(run)
    for name in ("snapshots", "agent", "state.json"):
        (run / "adaptation.json").write_text(job)
        (tmp_path / "b").mkdir()
        shutil.copytree(run, tmp_path / "b" / "run")
        place = tmp_path / "b" / "run" / name
        if place.exists():
            place.rename(tmp_path / "b" / "outside")
        place.symlink_to(tmp_path / "b" / "outside")
        with pytest.raises(SavedFileError, match="is a link"):
            resume_adaptation(tmp_path / "b" / "run")
        shutil.rmtree(tmp_path / "b")


def test_the_same_seed_adapts_in_the_same_way(agents, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        adapt(agents / "beginner", folder=tmp_path / name, steps=256, seed=seed, **BRIEF)
    one, two, three = (weights(tmp_path / name / "snapshots" / "0001") for name in "abc")
    assert same(one, two)
    assert not same(one, three)


# Rolling back and going on


class PowerCutError(Exception):
    """Stands for a power cut."""


def test_an_adaptation_goes_on_after_a_power_cut_as_if_nothing_had_been(agents, whole, tmp_path):
    uncut, folder = whole
    job = {"feedback": None, "steps": 1_024, **BRIEF}

    def cut(line):
        if line.round == 2:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        adapt(agents / "beginner", folder=tmp_path / "cut", on_round=cut, **job)
    assert not (tmp_path / "cut" / "agent").exists()
    rest = resume_adaptation(tmp_path / "cut")
    assert rest.rounds == uncut.rounds
    assert same(weights(tmp_path / "cut"), weights(folder))
    with pytest.raises(ArgumentError, match="has come to its end: all 4 rounds"):
        resume_adaptation(tmp_path / "cut")


def test_after_a_rollback_learning_goes_on_from_the_best_agent(agents, tmp_path):
    states = []

    def note(line):
        if line.outcome == "rolled back":
            states.append(json.loads((tmp_path / "a" / "state.json").read_text()))

    adapted = adapt(
        agents / "finder", folder=tmp_path / "a", feedback="simulated:1,rate=1", steps=1_536,
        task_weight=0.0, margin=0.0, on_round=note, **{**QUICK, "learning_rate": 1e-2},
    )  # fmt: skip
    assert len(states) == adapted.rolled_back >= 1
    assert all(state["current"] == state["best"] for state in states)
    last = json.loads((tmp_path / "a" / "state.json").read_text())
    kept = {path.name for path in (tmp_path / "a" / "snapshots").iterdir()}
    assert kept == {"0000", last["current"], last["best"]}
    assert same(weights(tmp_path / "a"), weights(tmp_path / "a" / "snapshots" / last["best"]))


def test_ctrl_c_keeps_the_rounds_that_are_done(agents, tmp_path):
    asked = []

    def interrupt(progress):
        if progress.steps > 300 and not asked:
            asked.append(progress)
            os.kill(os.getpid(), signal.SIGINT)

    adapted = adapt(
        agents / "beginner", folder=tmp_path / "a", steps=1_024, on_progress=interrupt, **BRIEF
    )
    assert adapted.stopped
    assert 1 <= adapted.rounds[-1].round < 4
    assert not (tmp_path / "a" / "agent").exists()
    rest = resume_adaptation(tmp_path / "a")
    assert rest.rounds[: len(adapted.rounds)] == adapted.rounds
    assert rest.rounds[-1].round == 4
    assert (tmp_path / "a" / "agent" / "agent.json").exists()


@pytest.mark.parametrize("name", ["recurrent-ppo", "dqn", "sac"])
def test_other_learners_are_adapted_too(name, tmp_path):
    small = {"net_arch": [16], "batch_size": 32}
    own = {"rollout": 64} if "ppo" in name else {"learning_starts": 32}
    job = {"worlds": 4, "config": {**small, **own}, "device": "cpu"}
    train_agent(ID, name, steps=64, folder=tmp_path / "agent", **job)
    adapted = adapt(
        tmp_path / "agent", folder=tmp_path / "a", feedback="simulated:0,rate=1", steps=128,
        **{**QUICK, "evaluate_every": 64, "episodes": 2, "worlds": 4},
    )  # fmt: skip
    assert adapted.rounds[-1].round == 2
    assert sum(line.events for line in adapted.rounds) > 80
    current = json.loads((tmp_path / "a" / "state.json").read_text())["current"]
    assert current != "0000" or adapted.rolled_back == 2
    assert load_agent(tmp_path / "a")[1].agent == name


def test_worse_means_clearly_worse(agents):
    opened = open_agent(str(agents / "finder"))
    found = evaluate(opened.agent, ID, 16, split="validation", arguments=opened.arguments)
    rng = np.random.default_rng(0)

    def shifted(by, spread):
        returns = found.returns + by + rng.normal(0, spread, 16)
        return compare(type(found)(**{**vars(found), "returns": returns}), found, 0.05)

    assert shifted(-1.0, 0.5).worse
    assert not shifted(-0.1, 2.0).worse  # It may be chance.
    assert shifted(1.0, 0.1).better
    assert not shifted(0.0, 0.0).worse


def test_what_is_left_behind(agents, whole):
    adapted, folder = whole
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["outcome"] for line in log] == outcomes(adapted)
    table = (folder / "progress.csv").read_text().splitlines()
    assert table[0].startswith("round,steps,drifted,outcome,mean,low,high,success,difference,")
    assert len(table) == len(log) + 1
    ET.parse(folder / "adaptation.svg")
    _, record = load_agent(folder)
    _, before = load_agent(agents / "beginner")
    assert record.training.steps == before.training.steps + adapted.rounds[-1].steps
    assert record.config["learning_rate"] == BRIEF["learning_rate"]


# Channels


class Button:
    """A page that a person presses buttons on."""

    asks_expert = False
    delay = DELAY

    def __init__(self):
        self.seen, self.closed = [], False

    def open(self, worlds, observers, first_step):
        self.size = worlds, observers, first_step

    def watch(self, moment):
        self.seen.append(moment)

    def poll(self, step):
        return [Event(world=step % 4, step=step, value=1.0)]

    def close(self):
        self.closed = True


def test_a_page_can_be_a_channel(agents, tmp_path):
    page = Button()
    adapted = adapt(
        agents / "beginner", folder=tmp_path / "a", feedback=page, steps=256, worlds=4, **BRIEF
    )
    assert page.size == (4, 1, 0)
    assert page.closed
    assert [moment.step for moment in page.seen] == list(range(len(page.seen)))
    assert page.seen[0].observation["entities"].shape[0] == 4
    assert adapted.rounds[-1].events == len(page.seen)
    assert adapted.rounds[-1].praise == 1.0


# The command


@pytest.fixture
def command():
    """The command as it is once the package is installed, whether or not this tree is."""
    known = registry._manager.is_registered(plugin)
    if not known:
        registry._manager.register(plugin)
    yield
    if not known:
        registry._manager.unregister(plugin)


@pytest.mark.usefixtures("command")
def test_the_command_says_what_it_did_and_goes_on(agents, tmp_path):
    out = tmp_path / "out"
    words = ["--steps", 512, "--evaluate-every", 256, "--episodes", 4, "--set", "device=cpu"]
    result = als("adapt", agents / "beginner", "--out", out, *words)
    assert result.code == 0, result.err
    assert "Before: return" in result.out
    assert "Round 2: return" in result.out
    assert str(out / "adaptation.svg") in result.out
    assert result.err == ""
    again = als("adapt", "--resume", "--out", out)
    assert again.code == 2
    assert "come to its end" in again.err


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["random", "--on", ID], "cannot be adapted"),
        (["nowhere/at-all"], "there is no folder nowhere/at-all"),
        (["AGENT", "--on", "Adapt/Fine-v0"], ID),
        (["AGENT", "--steps", "0"], "--steps"),
        (["AGENT", "--feedback", "simulated:2"], "noise: "),
        (["AGENT", "--feedback", "words.jsonl"], '"words.jsonl" is no file'),
        (["AGENT", "--drift", "bearing"], "--drift takes key=value"),
        (["AGENT", "--drift", "baering=1"], '"bearing"'),
        (["AGENT", "--drift", "sensors=touch"], '"sensors" cannot change'),
        (["AGENT", "--steps", "10", "--drift", "bearing=1"], "two rounds at least"),
        (["AGENT", "--set", "task_weigth=0"], 'did you mean "task_weight"'),
        (["AGENT", "--set", "fade=2"], "fade: "),
        (["AGENT", "--set", "seed=1", "--seed", "2"], "--set seed: use the option"),
        (["AGENT", "--feedback", "none", "--set", "task_weight=0"], "nothing else to learn from"),
        (["AGENT", "--steps", "9999999", "--evaluate-every", "1"], "more than 1000"),
        (["AGENT", "--out", "/proc/nobody/run"], "/proc/nobody/run"),
        (["AGENT", "--on", NO_EXPERT], "NoExpert has no expert"),
        (["--resume"], "--out"),
        (["--resume", "--out", "/proc/nobody"], "there is no adaptation in /proc/nobody"),
        ([], "name the folder"),
    ],
)
def test_a_mistake_is_one_line(agents, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    result = als("adapt", *[agents / "beginner" if word == "AGENT" else word for word in words])
    assert result.code == 2
    assert said in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_damaged_adaptation_is_named(agents, tmp_path):
    job = {"feedback": "simulated:0.1", "steps": 512, **BRIEF}

    def cut(line):
        if line.round == 1:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        adapt(agents / "beginner", folder=tmp_path / "a", on_round=cut, **job)
    for name in ("state.json", "feedback.safetensors", "snapshots/0001/training.safetensors"):
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        path = tmp_path / "b" / name
        path.write_bytes(path.read_bytes()[:50])
        with pytest.raises(SavedFileError, match=path.name):
            resume_adaptation(tmp_path / "b")
        shutil.rmtree(tmp_path / "b")


def test_the_list_of_commands_needs_no_torch():
    code = (
        "import sys, als_plugins.adaptation.plugin; "
        "sys.exit('torch' in sys.modules or 'stable_baselines3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
