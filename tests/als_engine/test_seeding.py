"""No two seeds share levels, and neither do two uses of one seed, whatever the command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import typer.main
from als_command import als
from learn_worlds import ID, TRADE, learn

from als_bench.contestants import find_contestants
from als_bench.running.tasks import TrainTask, train_task
from als_bench.suites import find_suite
from als_engine.agents.training import resume_training, train_agent
from als_engine.cli import quickstart
from als_engine.cli.app import build_app
from als_engine.envs.sb3 import sb3_vec_env
from als_engine.errors import ArgumentError
from als_engine.seeding import spread
from als_engine.simulation import Simulation

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SHORT = ("--arg", "max_episode_steps=4")
TINY = ("--set", "rollout=64", "--set", "batch_size=32", "--set", "net_arch=[8]")
CONFIG = {"rollout": 64, "batch_size": 32, "net_arch": [8]}
TRAINED = {"sensors": ["proprioception"], "max_episode_steps": 4}

LOOP = """
scenario = "Learn/Reach-v0"
sensors = ["proprioception"]
seed = {seed}
[arguments]
max_episode_steps = 4
[train]
steps = 128
worlds = 4
config = {{ rollout = 64, batch_size = 32, net_arch = [8] }}
[evaluate]
episodes = 12
"""

COMMANDS = {
    "train": ("train", ID, "--steps", 128, "--worlds", 4, *SHORT, *TINY, "--out", "{out}"),
    "imitate": (
        "imitate", ID, "--steps", 128, "--worlds", 4, *SHORT, "--set", "net_arch=[8]",
        "--out", "{out}",
    ),
    "evaluate": ("evaluate", "random", "--on", ID, "--episodes", 12, *SHORT),
    "collect": ("collect", ID, "--episodes", 12, *SHORT, "--out", "{out}"),
    "play": ("play", ID, "--episodes", 4, *SHORT, "--out", "{out}.gif"),
    "explain": (
        "explain", "{agent}", "--episodes", 4, "--steps", 1, "--decisions", 1, "--out", "{out}"
    ),
    "adapt": (
        "adapt", "{agent}", "--steps", 64, "--worlds", 4, "--episodes", 8, "--evaluate-every",
        64, "--out", "{out}",
    ),
    "pareto": ("pareto", "{trader}", "--points", 2, "--episodes", 8, "--out", "{out}"),
    "robustness": (
        "robustness", "{agent}", "--try", "drop=0.5", "--episodes", 8, "--out", "{out}.svg"
    ),
    "crossplay": (
        "crossplay", "random", "--on", ID, "--episodes", 4, *SHORT, "--arg", "num_avatars=2",
        "--out", "{out}.svg",
    ),
    "exploit": (
        "exploit", "random", "--on", ID, "--steps", 128, "--worlds", 4, "--episodes", 4, *SHORT,
        "--arg", "num_avatars=2", *TINY, "--out", "{out}",
    ),
    "continual": (
        "continual", "ALS/Tag-v0", "--steps", 64, "--updates", 1, "--encoder", "mlp", "--sensors",
        "proprioception", "--episodes", 4, "--split", "train", "--out", "{out}",
    ),
    "shrink": ("shrink", "{agent}", "--episodes", 8, "--out", "{out}"),
    "fairness": (
        "fairness", "random", "--on", "ALS/Tutor-v0", "--episodes", 4, "--worlds", 4, "--arg",
        "max_episode_steps=4",
    ),
    "quickstart": (
        "quickstart", "--steps", 64, "--worlds", 4, "--episodes", 2, "--out", "{out}"
    ),
}  # fmt: skip
"""What is tried of every command with the option `--seed` that lets worlds run."""

WITHOUT_WORLDS = {"federate", "model", "pretrain", "serve"}
"""Three of them read datasets; the last shows worlds to people, and measures nothing."""


@pytest.fixture(scope="module")
def agents(tmp_path_factory, learn):
    """A trained agent, and one that takes weights."""
    folder = tmp_path_factory.mktemp("agents")
    for name, scenario, agent in (("agent", ID, "ppo"), ("trader", TRADE, "multi-objective")):
        train_agent(
            scenario, agent, steps=64, worlds=4, folder=folder / name, arguments=TRAINED,
            config=CONFIG,
        )  # fmt: skip
    return {name: folder / name for name in ("agent", "trader")}


@pytest.fixture
def begun(monkeypatch) -> Iterator[list[tuple[int, int]]]:
    """Level and 63-bit key of every episode that begins."""
    found: list[tuple[int, int]] = []
    reset = Simulation._reset_world

    def noted(self, world, seed, level):
        reset(self, world, seed, level)
        found.append((int(self.state.level[world]), int(self.state.key[world])))

    monkeypatch.setattr(Simulation, "_reset_world", noted)
    return found


def share_nothing(one, other):
    """No episode is there twice, and levels only as often as chance has it."""
    assert min(len(one), len(other)) >= 4
    assert not set(one) & set(other)
    levels = [{level for level, _ in found} for found in (one, other)]
    # Of 10,000 levels; the mean and five standard deviations of a Poisson distribution.
    chance = len(levels[0]) * len(levels[1]) / 10_000
    assert len(levels[0] & levels[1]) <= 1 + chance + 5 * chance**0.5


def test_every_command_with_a_seed_is_tried() -> None:
    app = typer.main.get_command(build_app())
    with_seed = {
        name
        for name, command in app.commands.items()
        if any(parameter.name == "seed" for parameter in command.params)
    }
    assert with_seed == {*COMMANDS, *WITHOUT_WORLDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_two_seeds_share_no_levels(command, agents, begun, tmp_path, monkeypatch) -> None:
    # What the command has no option for: worlds that are soon over, and short rollouts.
    monkeypatch.setattr(quickstart, "ARGUMENTS", {**quickstart.ARGUMENTS, "max_episode_steps": 4})
    monkeypatch.setattr(quickstart, "LEARNING", CONFIG)
    found = []
    for seed in (0, 1):
        words = [str(w).format(out=tmp_path / str(seed), **agents) for w in COMMANDS[command]]
        result = als(*words, "--seed", seed)
        assert result.code == 0, result.err
        found.append(begun[:])
        begun.clear()
    share_nothing(*found)


def test_two_seeds_of_an_experiment_share_no_levels(begun, tmp_path) -> None:
    found = []
    for seed in (0, 1):
        (tmp_path / f"{seed}.toml").write_text(LOOP.format(seed=seed))
        result = als("run", tmp_path / f"{seed}.toml", "--out", tmp_path / str(seed))
        assert result.code == 0, result.err
        found.append(begun[:])
        begun.clear()
    share_nothing(*found)


def test_two_training_seeds_of_a_benchmark_share_no_levels(begun, tmp_path) -> None:
    suite = find_suite("smoke")
    (contestant,) = find_contestants(["ppo:rollout=64,batch_size=32"])
    entry = suite.entries[0]
    entry = replace(entry, steps=128, arguments={**entry.arguments, "max_episode_steps": 4})
    found = []
    for seed in (0, 1):
        train_task(TrainTask(contestant, entry, seed))
        found.append(begun[:])
        begun.clear()
    share_nothing(*found)


def test_one_seed_in_two_commands_shares_no_levels(agents, begun, tmp_path) -> None:
    """Where both draw from the training levels."""
    found = []
    for name in ("train", "collect"):
        words = [str(w).format(out=tmp_path / name, **agents) for w in COMMANDS[name]]
        assert als(*words, "--seed", 3).code == 0
        found.append(begun[:])
        begun.clear()
    share_nothing(*found)


@pytest.mark.parametrize("agent", ["ppo", "q-learning", "dqn"])
def test_a_resumed_training_meets_new_levels(agent, begun, tmp_path) -> None:
    """Neither those of its beginning, nor those of another seed."""
    sensors = ["entities", "proprioception"] if agent == "q-learning" else ["proprioception"]
    arguments = {"max_episode_steps": 4, "sensors": sensors}
    how = {"worlds": 4, "arguments": arguments, "folder": tmp_path / "run"}
    how["config"] = {"ppo": CONFIG, "dqn": {"net_arch": [8]}}.get(agent, {})
    train_agent(ID, agent, steps=128, **how)
    beginning, _ = begun[:], begun.clear()
    resume_training(tmp_path / "run", steps=256)
    resumed, _ = begun[:], begun.clear()
    share_nothing(beginning, resumed)
    train_agent(ID, agent, steps=128, **{**how, "folder": None, "seed": 128})
    share_nothing(resumed, begun)


def test_the_public_views_keep_their_promise() -> None:
    """World `i` of an `sb3_vec_env` with seed `s` is the single environment with `s + i`."""
    arguments = {"max_episode_steps": 4, "sensors": ["proprioception"]}
    env = sb3_vec_env(ID, 3, observers=1, seed=5, **arguments)
    env.reset()
    keys = env.worlds.simulation.state.key.tolist()
    env.close()
    for world in range(3):
        alone = sb3_vec_env(ID, 1, observers=1, seed=5 + world, **arguments)
        alone.reset()
        assert alone.worlds.simulation.state.key[0] == keys[world]
        alone.close()


def test_seeds_of_uses_parts_and_runs_are_all_different() -> None:
    uses = ("training", "evaluation", "collecting", "benchmark")
    found = [spread(use, s, i) for use in uses for s in range(20) for i in range(50)]
    assert len(set(found)) == len(found)
    assert max(found) < 1 << 62
    assert spread("training", np.int64(3), 1) == spread("training", 3, 1)


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None])
def test_what_is_no_seed_is_refused(seed) -> None:
    with pytest.raises(ArgumentError, match="seed must be a whole number of at least 0"):
        spread("training", seed)
