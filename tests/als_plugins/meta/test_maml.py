"""Policies that adapt by gradient steps: where the steps lead, what is learnt, and what is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from side_worlds import ID, sides  # noqa: F401
from torch.func import functional_call, grad

from als_engine.agents.saving import load_agent, make_agent, open_agent
from als_engine.agents.training import resume_training, train_agent
from als_engine.errors import ArgumentError
from als_engine.evaluation.protocol import evaluate
from als_engine.seeding import spread
from als_plugins.learners.flat_numbers import Table
from als_plugins.meta.fine_tuning import Adapting, adapt
from als_plugins.meta.playing import plan_trials, play
from als_plugins.meta.policies import Played, SmallPolicy, Ways, adapted, advantages, kl_of
from als_plugins.meta.scoring import Contestant, Settings, run_scores, ways_of
from als_plugins.meta.tasks import parse_tasks

pytestmark = pytest.mark.usefixtures("sides")

TASKS = {"by": {"kind": "quantity", "quantity": "side"}, "scenario": ID, "told": ["pay"]}
CONFIG = {
    "tasks": TASKS, "episodes": 4, "rate": 2.0, "learning_rate": 0.03, "net_arch": [8],
    "entropy": 0.0,
}  # fmt: skip


def trained(folder, steps=224, **changes):
    return train_agent(
        ID, agent="maml", steps=steps, worlds=8, seed=0, config={**CONFIG, **changes},
        folder=folder, device="cpu", checkpoint_every=128,
    )  # fmt: skip


@pytest.fixture(scope="module")
def maml(sides, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("maml") / "run"
    trained(folder)
    return folder


def planned(opened, trials=16):
    return plan_trials(
        parse_tasks(TASKS), ID, "test", opened.arguments, trials=trials, episodes=1, seed=1
    )


def right(opened, episodes, how):
    """How often it is right in a task after so many episodes of it, in tasks of both kinds."""
    plan, known = planned(opened)
    found = []
    for trial in (plan.tasks.index(1), plan.tasks.index(-1)):
        now = adapt(opened.agent, plan, trial, known, episodes, how).agent
        here = [i for i, task in enumerate(plan.tasks) if task == plan.tasks[trial]]
        found.append(play(now, plan, parse_tasks(TASKS), remembers=False).success[here].mean())
    return float(np.mean(found))


def test_who_has_learnt_to_learn_is_right_after_some_episodes_and_not_before(maml):
    opened = open_agent(maml)
    before = weights(opened.agent)
    plan, _ = planned(opened)
    assert play(opened.agent, plan, parse_tasks(TASKS), remembers=False).success.mean() < 0.75
    assert right(opened, 8, Adapting()) > 0.85
    assert same(weights(opened.agent), before)


def test_a_cautious_step_goes_no_farther_than_it_may(maml):
    opened = open_agent(maml)
    plan, known = planned(opened)
    seen, there = torch.ones((1, 1)), torch.ones(1)

    def far(how):
        now = adapt(opened.agent, plan, 0, known, 4, how).agent
        return kl_of(opened.agent.net, opened.agent.weights, now.weights, seen, there)

    free, bound = far(Adapting()), far(Adapting(kl=1e-3))
    assert 0.0 < bound <= 1e-3 < free
    assert far(Adapting()) == free


def weights(agent):
    return {name: value.detach().clone() for name, value in agent.weights.items()}


def same(one, other):
    return all(bool((one[name] == other[name]).all()) for name in one)


def test_it_is_saved_and_acts_in_a_row_whatever_the_others_do(maml):
    opened = open_agent(maml)
    found = evaluate(opened.agent, ID, 8, arguments=opened.arguments, num_worlds=3)
    again = evaluate(load_agent(maml)[0], ID, 8, arguments=opened.arguments, num_worlds=8)
    assert np.array_equal(found.returns, again.returns)


def test_a_training_goes_on_with_the_same_bits(tmp_path):
    for folder, steps in (("whole", 40), ("half", 24)):
        trained(tmp_path / folder, steps, algorithm="reptile", imitate=16)
    resume_training(tmp_path / "half", steps=40)
    whole, half = (load_agent(tmp_path / name)[0] for name in ("whole", "half"))
    assert same(weights(whole), weights(half))


@pytest.mark.parametrize("algorithm", ["joint", "fomaml", "reptile"])
def test_each_algorithm_learns(algorithm, tmp_path):
    trained(tmp_path / "run", 16, algorithm=algorithm)
    fresh = make_agent("maml", ID, {"action_mode": "discrete"}, CONFIG).fresh(spread("learner", 0))
    assert not same(weights(load_agent(tmp_path / "run")[0]), weights(fresh))


def test_scores_are_of_its_own_steps(maml):
    opened = open_agent(maml)
    ways = ways_of("one", opened, cautious=True, scratch=False)
    assert ways == ("fine-tuning", "cautious")
    settings = Settings(
        tasks=parse_tasks(TASKS), agents=["one"], after=[0, 8], trials=2, episodes=4, check=1
    )
    tuned, cautious = run_scores(settings, [Contestant("one", opened, ways)])
    assert tuned.after(1).value > tuned.after(0).value
    assert cautious.returns[0][0] == tuned.returns[0][0]


# -- the steps themselves -------------------------------------------------------------------------


def columns(rows=6, inputs=5):
    torch.manual_seed(1)
    numbers, action = torch.randn(rows, inputs).double(), torch.arange(rows) % 3
    even = torch.full((rows,), -np.log(3.0)).double()
    return numbers, action, even, torch.randn(rows).double(), torch.ones(rows).double()


def test_a_step_is_that_of_the_policy_gradient():
    net = SmallPolicy(2, [], [], 4, 3)
    one = torch.zeros(1, 2), torch.tensor([0]), torch.tensor([-np.log(3.0)]), *torch.ones(2, 1)
    after = adapted(net, net.weights(), one, Ways(1, 0.3))
    expected = 0.3 * (torch.tensor([1.0, 0.0, 0.0]) - 1.0 / 3.0)
    assert torch.allclose(after["head.bias"], expected.to(after["head.bias"].dtype))


@pytest.mark.parametrize("second_order", [True, False])
def test_only_second_order_gradients_are_those_of_what_comes_of_a_step(second_order):
    net = SmallPolicy(5, [Table(slice(1, 5), 2, 2)], [3], 2, 3).double()
    torch.manual_seed(2)
    begin = {name: torch.randn_like(value) for name, value in net.weights().items()}
    first, ways = columns(), Ways(2, 0.5, second_order)

    def worth(now):
        after = adapted(net, now, first, ways)
        return functional_call(net, after, (first[0],)).log_softmax(-1)[:, 0].mean()

    slope = grad(worth)(begin)["layers.0.bias"]
    numeric = torch.zeros_like(slope)
    for i in range(len(slope)):
        off = torch.zeros_like(slope)
        off[i] = 1e-5
        up, down = (
            worth({**begin, "layers.0.bias": begin["layers.0.bias"] + sign * off})
            for sign in (1, -1)
        )
        numeric[i] = (up - down) / 2e-5
    assert torch.allclose(slope, numeric, atol=1e-7) == second_order


def test_what_is_not_there_is_not_read():
    net = SmallPolicy(9, [Table(slice(1, 9), 4, 2)], [3], 5, 2)
    torch.nn.init.normal_(net.head.weight)
    row = torch.tensor([[0.3, 1.0, 0.5, 1.0, -0.2, 0.0, 7.0, 0.0, 9.0]])
    swapped = row[:, [0, 3, 4, 1, 2, 5, 6, 7, 8]]
    emptied = row.clone()
    emptied[:, 5:] = 0.0
    with torch.no_grad():
        assert torch.allclose(net(row), net(swapped))
        assert torch.allclose(net(row), net(emptied), atol=1e-6)


def test_advantages_end_with_their_episode():
    counts = np.array([[True, True, False], [True, True, True]])
    reward = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 4.0]])
    nothing = torch.zeros(())
    played = Played(nothing, nothing, nothing, reward, counts, 6)
    found, returns = advantages(played, np.zeros((2, 3)), gamma=0.5)
    assert np.allclose(returns, [[2.0, 2.0, 0.0], [1.0, 2.0, 4.0]])
    kept = 0.5 * 0.95
    assert np.allclose(found, [[1 + 2 * kept, 2, 0], [4 * kept**2, 4 * kept, 4]])
    known, _ = advantages(played, returns, gamma=0.5)
    assert np.allclose(known, 0.0)


@pytest.mark.parametrize(
    ("arguments", "config", "words"),
    [
        ({"action_mode": "continuous"}, {}, 'maml takes action_mode="discrete" alone'),
        ({}, {"algorithm": "magic"}, "algorithm"),
        ({}, {"tasks": "nothing"}, "task distribution"),
    ],
)
def test_what_cannot_be_learnt_with_is_one_line(arguments, config, words):
    with pytest.raises(ArgumentError, match=words):
        make_agent("maml", ID, arguments, config)


def test_worlds_that_cannot_be_shared_among_tasks_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match="8 worlds cannot be divided by 5"):
        trained(tmp_path / "run", episodes=5)
