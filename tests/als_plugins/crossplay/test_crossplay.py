"""Agents against agents: every cell is what an evaluation says, and a best response is found."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
from als_command import als

from als_engine.agents.saving import load_agent, make_agent
from als_engine.agents.training import train_agent
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.protocol import evaluate
from als_plugins.crossplay.exploiting import exploit
from als_plugins.crossplay.matches import cross_play, open_side
from als_plugins.crossplay.sides import Sides

ID = "ALS/Tag-v0"
SHORT = {"max_episode_steps": 30}
SENSED = {**SHORT, "sensors": ["proprioception", "entities"], "action_mode": "continuous"}
SMALL = {"net_arch": [16], "batch_size": 128, "rollout": 256, "n_epochs": 1}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A trained agent that draws its actions, and is not good."""
    folder = tmp_path_factory.mktemp("crossplay") / "run"
    job = {"worlds": 4, "arguments": SENSED, "config": SMALL, "device": "cpu"}
    train_agent(ID, "mappo", steps=256, folder=folder, **job)
    return str(folder)


def test_a_cell_is_what_an_evaluation_says(saved):
    names = ["expert", saved, "random"]
    agents, ground = open_side(names, None, SHORT)
    assert (ground.role, ground.first, ground.other_roles) == ("chaser", 1, ("evader",))
    matrix = cross_play(
        dict(zip(names, agents, strict=True)), ground, episodes=2, split="test", seed=2
    )
    assert matrix.rows == ("expert", saved, "random")
    held_out = {"scripted hide", "scripted zigzag", "scripted bolt"}
    assert held_out < set(matrix.columns)
    assert len(matrix.cells) == 3 * (3 + 6)
    arguments = {**SENSED, "background": "hide"}
    for name, agent in (
        ("expert", make_agent("expert", ID, SENSED)),
        (saved, load_agent(saved)[0]),
    ):
        alone = evaluate(agent, ID, 2, arguments=arguments, seed=2)
        assert np.array_equal(matrix.cells[name, "scripted hide"].returns, alone.returns)
    # The expert on both sides is one expert that drives everybody.
    both = evaluate(
        make_agent("expert", ID, SENSED), ID, 2, arguments=SENSED, observers=2, scored=1, seed=2
    )
    assert np.array_equal(matrix.cells["expert", "expert"].returns, both.returns)
    assert matrix.cells["expert", "random"].returns.mean() > both.returns.mean()


def test_what_one_gains_the_other_loses(saved):
    agents, ground = open_side([saved, "expert"], None, SHORT)
    arguments = dict(ground.arguments)
    played = [
        evaluate(Sides(pair, [0, 1]), ID, 3, arguments=arguments, observers=2, scored=scored)
        for pair, scored in ((agents, 1), (agents, 2))
    ]
    assert np.allclose(played[1].returns, 0.0)
    assert not np.allclose(played[0].returns, 0.0)


def test_an_agent_acts_the_same_whoever_is_on_the_other_side_and_however_many_worlds(saved):
    agents, ground = open_side([saved, "random"], None, SHORT)
    given = {"arguments": dict(ground.arguments), "observers": 2, "scored": 1}
    one, two = (
        evaluate(Sides(agents, [0, 1]), ID, 5, num_worlds=count, **given) for count in (1, 5)
    )
    assert np.array_equal(one.returns, two.returns)


def test_the_command_writes_a_table_and_a_figure(saved, tmp_path):
    out = tmp_path / "matrix.png"
    words = [saved, "expert", "--episodes", "2", "--arg", "max_episode_steps=20", "--out", out]
    done = als("crossplay", *words)
    assert done.code == 0, done.err
    assert out.read_bytes().startswith(b"\x89PNG")
    found = json.loads(out.with_suffix(".json").read_text())
    assert len(found["cells"]) == 2 * (2 + 6)
    assert found["behaviours"]["hide"] == ["test"]
    other = als("crossplay", saved, "--arg", "role=evader", *words[2:])
    assert other.code == 0, other.err
    assert json.loads(out.with_suffix(".json").read_text())["role"] == "evader"


def test_what_an_agent_loses_is_measured_in_matches_and_it_learns_nothing(saved):
    agents, ground = open_side([saved], None, SHORT)
    before = {k: v.clone() for k, v in agents[0].policy.state_dict().items()}
    found = exploit(agents[0], ground, steps=512, worlds=4, config=SMALL, episodes=3, device="cpu")
    assert found.record.training.steps == 512
    again = ground.play(agents[0], found.agent, 3, "test", 0)
    assert np.array_equal(again.returns, found.response.returns)
    lost = found.itself.returns.mean() - found.response.returns.mean()
    assert found.exploitability == pytest.approx(lost)
    # The agent itself is frozen.
    for name, tensor in agents[0].policy.state_dict().items():
        assert before[name].equal(tensor)


def test_the_best_response_is_saved_with_what_it_took(saved, tmp_path):
    words = ["--steps", "256", "--worlds", "4", "--episodes", "2", "--device", "cpu"]
    words += ["--set", "rollout=256", "--set", "batch_size=128", "--arg", "max_episode_steps=20"]
    done = als("exploit", saved, *words, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "out" / "exploit.json").read_text())
    assert found["against"].keys() == {"itself", "company", "response"}
    assert load_agent(tmp_path / "out" / "agent")[1].training.steps == 256
    assert found["steps"] == 256


def test_an_interrupted_search_goes_on_and_another_one_is_refused(saved, tmp_path):
    agents, ground = open_side([saved], None, SHORT)
    asked = {"steps": 1_024, "worlds": 4, "config": SMALL, "episodes": 2, "device": "cpu"}

    def interrupt(progress):
        if progress.steps > 512:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        exploit(agents[0], ground, **asked, folder=tmp_path / "out", on_progress=interrupt)
    seen = []
    whole = {**asked, "folder": tmp_path / "out"}
    found = exploit(agents[0], ground, **whole, on_progress=lambda now: seen.append(now.steps))
    assert found.record.training.steps == 1_024
    assert min(seen) >= 256
    # What is finished is played, and not trained once more.
    again = exploit(agents[0], ground, **whole, on_progress=lambda now: pytest.fail("trained"))
    assert np.array_equal(again.response.returns, found.response.returns)
    for other in ({"seed": 1}, {"steps": 2_048}):
        with pytest.raises(SavedFileError, match="name another folder"):
            exploit(agents[0], ground, **{**whole, **other})
    with pytest.raises(SavedFileError, match="best response to another agent"):
        exploit(found.agent, ground, **whole)


@pytest.mark.parametrize(
    ("names", "scenario", "words"),
    [
        (["random"], None, "name the scenario with --on"),
        (["random"], "ALS/Vocabulary-v0", "has one avatar, and no other side"),
    ],
)
def test_where_there_is_no_other_side_it_is_one_line(names, scenario, words):
    with pytest.raises(ArgumentError, match=words):
        open_side(names, scenario)
