"""What `mappo` has trained is adapted like any other agent, whatever its network is like."""

from __future__ import annotations

import numpy as np
import pytest
from adapt_worlds import ID, find

from als_engine.agents.saving import load_agent, make_agent, open_agent
from als_engine.agents.training import train_agent
from als_engine.evaluation.protocol import evaluate
from als_plugins.adaptation.adapt import adapt, resume_adaptation

__all__ = ["find"]

pytestmark = pytest.mark.usefixtures("find")

SMALL = {"net_arch": [16], "rollout": 64, "batch_size": 32, "n_epochs": 2}
BRIEF = {
    "steps": 128, "evaluate_every": 64, "episodes": 2, "worlds": 4, "device": "cpu",
    "feedback": "simulated:0,rate=1",
}  # fmt: skip


def trained(folder, steps=64, worlds=4, arguments=None, **config):
    given = {"worlds": worlds, "config": {**SMALL, **config}, "device": "cpu"}
    return train_agent(ID, "mappo", steps=steps, folder=folder, arguments=arguments, **given)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"memory": "gru", "memory_size": 8},
        {"networks": "role"},
        {"encoder": "attention", "encoder_config": {"width": 16, "depth": 1, "heads": 2}},
        {"imitate": 64, "overlap": False, "ent_coef_end": 0.0},
    ],
    ids=["plain", "gru", "role", "attention", "imitated"],
)
def test_every_kind_is_adapted(config, tmp_path):
    sensors = ["entities", "proprioception", *(["role"] if "networks" in config else [])]
    before = trained(tmp_path / "agent", arguments={"sensors": sensors}, **config)
    adapted = adapt(tmp_path / "agent", folder=tmp_path / "a", **BRIEF)
    assert adapted.rounds[-1].round == 2
    assert sum(line.events for line in adapted.rounds) > 90
    agent, record = load_agent(tmp_path / "a")
    assert record.agent == "mappo"
    assert record.training.demonstrated == before.record.training.demonstrated
    assert record.training.steps == before.record.training.steps + 128
    assert agent.parameters.imitate == 0  # Else learning on would begin with the expert again.


def test_feedback_alone_makes_it_better_when_the_tasks_reward_is_hidden(tmp_path):
    learning = {"net_arch": [32], "rollout": 256, "batch_size": 64, "n_epochs": 4}
    trained(tmp_path / "agent", steps=256, worlds=8, **learning)
    adapted = adapt(
        tmp_path / "agent", folder=tmp_path / "a", feedback="simulated:0.1", steps=2_048,
        evaluate_every=1_024, episodes=8, task_weight=0.0, learning_rate=4e-3, device="cpu",
    )  # fmt: skip
    first, last = (
        evaluate(opened.agent, ID, 20, arguments=opened.arguments)
        for opened in (open_agent(str(tmp_path / name)) for name in ("agent", "a"))
    )
    assert (last.returns - first.returns).mean() > 1.0
    assert adapted.rounds[-1].trust > 0.3


def test_it_goes_on_after_a_stop_as_if_nothing_had_been(tmp_path):
    trained(tmp_path / "agent")
    whole = adapt(tmp_path / "agent", folder=tmp_path / "a", **BRIEF)

    def stop(line):
        if line.round == 1:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        adapt(tmp_path / "agent", folder=tmp_path / "b", on_round=stop, **BRIEF)
    rest = resume_adaptation(tmp_path / "b")
    assert [line.outcome for line in rest.rounds] == [line.outcome for line in whole.rounds]
    one, other = (load_agent(tmp_path / name)[0].policy.state_dict() for name in ("a", "b"))
    assert all(np.array_equal(one[name].numpy(), other[name].numpy()) for name in one)


def test_a_reader_reads_what_the_network_does_and_does_not_learn_with_it(tmp_path):
    done = trained(tmp_path / "agent")
    reader = done.agent.reader()
    space = make_agent("mappo", ID, {}).observation_space
    seen = {key: np.stack([part.sample() for _ in range(3)]) for key, part in space.items()}
    found = reader(seen)
    assert found.shape == (3, reader.features)
    assert np.isfinite(found).all()
    with_gradients = [p for p in done.agent.policy.parameters() if p.requires_grad]
    for weight in with_gradients:
        weight.data.add_(1.0)
    assert np.array_equal(reader(seen), found)
