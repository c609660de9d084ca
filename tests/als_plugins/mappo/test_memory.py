"""The memories of `mappo`: they remember what they should, and nothing of other episodes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from recall_worlds import ID, recall

from als_engine import Rows
from als_engine.agents.agent import Training
from als_engine.agents.saving import load_agent, make_agent
from als_engine.agents.training import resume_training, train_agent
from als_engine.evaluation.protocol import evaluate
from als_plugins.imitation.imitate import imitate
from als_plugins.mappo.memory import Past, make_memory
from als_plugins.mappo.rollout import Rollout

__all__ = ["recall"]

pytestmark = pytest.mark.usefixtures("recall")

KINDS = pytest.mark.parametrize("kind", ["gru", "attention"])
SMALL = {"net_arch": [32], "batch_size": 128, "rollout": 1_024, "n_epochs": 4}
STEPS, ROWS, WIDTH = 9, 4, 8


def trained(kind, steps=512, folder=None, **config):
    changes = {**SMALL, "memory": kind, "memory_size": 32, "memory_steps": 7, **config}
    job = {"worlds": 16, "config": changes, "device": "cpu"}
    return train_agent(ID, "mappo", steps=steps, folder=folder, **job)


@pytest.fixture
def parts(kind):
    torch.manual_seed(0)
    memory = make_memory(kind, WIDTH, 16, 5)
    with torch.no_grad():
        for part in memory.parameters():
            part.normal_()
    begins = torch.rand(STEPS, ROWS) < 0.2
    return memory, torch.randn(STEPS * ROWS, WIDTH), begins


@KINDS
@torch.no_grad()
def test_many_steps_at_once_are_one_after_the_other(parts):
    memory, features, begins = parts
    whole, last = memory(features, Past(memory.empty(ROWS), begins))
    state, found = memory.empty(ROWS), []
    for step in range(STEPS):
        state = state.masked_fill(begins[step, :, None], 0.0)
        now = features[step * ROWS : (step + 1) * ROWS]
        one, state = memory(now, Past(state, begins[step][None]))
        found.append(one)
    assert torch.allclose(torch.cat(found), whole, atol=1e-5)
    # What lies before an episode's beginning is not read, whatever it is.
    assert torch.allclose(state[..., -1], last[..., -1], atol=1e-5)
    ahead = torch.randn(ROWS, WIDTH)
    goes_on = torch.zeros(1, ROWS, dtype=torch.bool)
    one, two = (memory(ahead, Past(each, goes_on))[0] for each in (state, last))
    assert torch.allclose(one, two, atol=1e-5)


@KINDS
@torch.no_grad()
def test_an_episode_knows_nothing_of_the_one_before(parts):
    memory, features, begins = parts
    begins[:] = False
    begins[4] = True
    whole, _ = memory(features, Past(memory.empty(ROWS), begins))
    changed = features.clone()
    changed[: 4 * ROWS] *= -1.0
    other, _ = memory(changed, Past(memory.empty(ROWS), begins))
    assert torch.equal(whole[4 * ROWS :], other[4 * ROWS :])
    assert not torch.allclose(whole[: 4 * ROWS], other[: 4 * ROWS])


@torch.no_grad()
def test_attention_looks_back_as_far_as_it_is_told():
    torch.manual_seed(0)
    memory = make_memory("attention", WIDTH, 16, 3)
    features, begins = torch.randn(STEPS, WIDTH), torch.zeros(STEPS, 1, dtype=torch.bool)
    whole, _ = memory(features, Past(memory.empty(1), begins))
    features[2] *= -1.0
    other, _ = memory(features, Past(memory.empty(1), begins))
    differs = (whole - other).abs().amax(1) > 1e-6
    assert differs.tolist() == [False, False, True, True, True, True, False, False, False]


@pytest.mark.parametrize(("kind", "solves"), [("gru", True), ("attention", True), ("none", False)])
def test_it_solves_what_cannot_be_solved_without(kind, solves):
    quick = {"learning_rate": 1e-2, "gamma": 0.9, "batch_size": 256, "memory_steps": 8}
    played = evaluate(trained(kind, 8_000, **quick).agent, ID, 8).returns.mean()
    # Of 40; whoever does not remember has 0 on average.
    assert played > 8.0 if solves else played < 5.0


@KINDS
def test_what_is_learnt_from_is_what_was_remembered(kind, monkeypatch):
    """The first gradient step finds the very probabilities that the actions were drawn with."""
    agent = make_agent("mappo", ID, {}, {**SMALL, "memory": kind, "memory_steps": 4})
    rows = Rows(ID, 16, observers=1)
    checked = []

    def check(self, last, gamma, decay):
        for batch in self.batches(64):
            policy, values, _ = agent.policy(batch.observation, batch.masks, batch.past)
            assert torch.allclose(policy.log_prob(batch.actions), batch.log_probs, atol=1e-5)
            assert torch.allclose(agent.policy.scale.back(values), batch.values, atol=1e-5)
            checked.append(len(batch.actions))

    monkeypatch.setattr(Rollout, "reckon", check)
    agent.learn(rows, Training(steps=1, device="cpu"))
    rows.close()
    assert sum(checked) == 1_024
    assert set(checked) == {64}


@KINDS
def test_it_comes_back_and_goes_on(kind, tmp_path):
    done = trained(kind, folder=tmp_path / "run", overlap=True)
    again, _ = load_agent(tmp_path / "run" / "agent")
    one, two = (evaluate(agent, ID, 6) for agent in (done.agent, again))
    assert np.array_equal(one.returns, two.returns)
    assert resume_training(tmp_path / "run", steps=1_536).progress.steps >= 1_536


@KINDS
def test_a_row_acts_the_same_whatever_the_others_are(kind):
    agent = make_agent("mappo", ID, {}, {**SMALL, "memory": kind, "memory_steps": 4})
    rng = np.random.default_rng(0)
    many = rng.uniform(-1, 1, (6, 37, 2)).astype(np.float32)

    def played(which):
        rows = np.ones(len(which), bool)
        state = agent.restart(None, rows, [*which])
        found = []
        for step in range(6):
            seen = {"cue": many[step][which]}
            actions, state = agent.act(seen, state, deterministic=False)
            found.append(actions)
            if step == 3:
                begins = np.array([row == 5 for row in which])
                state = agent.restart(state, begins, [99] * int(begins.sum()))
        return np.array(found), state.memory[0]

    whole, memory = played([*range(37)])
    for row in (0, 5, 36):
        alone, its_own = played([row])
        assert np.array_equal(alone[:, 0], whole[:, row])
        assert np.array_equal(its_own[:, 0], memory[:, row])


@pytest.mark.parametrize(
    ("how", "kind", "solves"),
    [
        ("imitation", "gru", True),
        ("imitation", "attention", True),
        ("imitation", "none", False),
        ("guidance", "attention", True),
    ],
)
def test_it_imitates_what_cannot_be_done_without(how, kind, solves):
    config = {**SMALL, "memory": kind, "memory_size": 32, "memory_steps": 8, "gamma": 0.9}
    if how == "imitation":
        config |= {"imitation_rate": 5e-3, "passes": 32}
        done = imitate(ID, agent="mappo", steps=2_560, worlds=16, config=config, device="cpu")
    else:
        config |= {"demonstrations": "expert", "demonstrations_weight": 10, "learning_rate": 5e-3}
        done = train_agent(ID, "mappo", steps=4_096, worlds=16, config=config, device="cpu")
    played = evaluate(done.agent, ID, 8).returns.mean()
    assert played > 8.0 if solves else played < 5.0


def test_sequences_hold_every_transition_once():
    rows = Rows(ID, 3, observers=1)
    rollout = Rollout(8, rows, 0, torch.device("cpu"), 4, (1, 2))
    rows.close()
    rollout.rewards[:] = torch.arange(24.0).view(8, 3)
    rollout.log_probs[:] = rollout.rewards
    for step in range(8):
        state = rollout.rewards[step].view(1, 3, 1).expand(1, 3, 2)
        rollout.remember(step, state, torch.zeros(3, dtype=torch.bool))
    seen = []
    for batch in rollout.batches(8):
        sequences = batch.log_probs.view(4, -1)
        assert (sequences.diff(dim=0) == 3).all()
        assert torch.equal(batch.past.state[0, :, 0], sequences[0])
        seen += sequences.flatten().tolist()
    assert sorted(seen) == [*itertools.chain(range(24))]
