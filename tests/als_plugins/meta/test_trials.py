"""Trials: what a learner sees of them, that memory over episodes pays, and what adapting leaves."""

from __future__ import annotations

import numpy as np
import pytest
from side_worlds import ID, sides  # noqa: F401

from als_engine.agents.saving import AgentRecord, load_agent, make_agent, open_agent, save_agent
from als_engine.agents.training import train_agent
from als_engine.envs.rows import Rows
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.company import keep_company
from als_engine.evaluation.protocol import evaluate
from als_engine.simulation import simulate
from als_plugins.meta import fine_tuning
from als_plugins.meta.fine_tuning import Adapting, adapt
from als_plugins.meta.playing import Played, plan_trials, play
from als_plugins.meta.scoring import Contestant, Settings, run_scores, ways_of
from als_plugins.meta.tasks import TaskLevels, parse_tasks
from als_plugins.meta.trial_sensor import ACTION, BEGINS, FIRST, REWARD, TRIAL
from als_plugins.meta.trials import TrialRows

pytestmark = pytest.mark.usefixtures("sides")

TASKS = {"by": {"kind": "quantity", "quantity": "side"}, "scenario": ID, "told": ["pay"]}
CONFIG = {
    "tasks": TASKS,
    "net_arch": [16],
    "memory_size": 16,
    "memory_steps": 8,
    "rollout": 256,
    "batch_size": 64,
    "learning_rate": 2e-2,
    "n_epochs": 6,
}
LEFT, RIGHT = 1, 2


def trial_rows(told=("pay",), episodes=3, hold=1, worlds=4):
    rows = Rows(ID, worlds)
    levels = TaskLevels(parse_tasks(TASKS), ID, "train")
    trials = TrialRows(rows, levels, episodes, told, 0, hold)
    trials.seed(5)
    trials.reset()
    return trials


def test_a_task_lasts_for_a_trial_and_what_came_of_an_action_is_told():
    rows = trial_rows()
    seen, tasks = [], []
    for _ in range(6):
        seen.append(rows.observations[TRIAL].copy())
        tasks.append(list(rows.tasks))
        rows.step(np.full(4, LEFT))
        # One step is an episode, whose side the reward tells.
        assert np.array_equal(rows.inner.rewards, tasks[-1])
        assert rows.ended.all() == rows.terminated.all() == (len(tasks) % 3 == 0)
    rows.close()
    assert tasks[0] == tasks[1] == tasks[2]
    assert tasks[3] == tasks[4] == tasks[5]
    assert seen[0][:, ACTION:].sum() == seen[3][:, ACTION:].sum() == 0.0
    assert (seen[1][:, ACTION + LEFT] == 1.0).all()
    assert [bool(each[0, BEGINS]) for each in seen] == [True] * 6
    assert [bool(each[0, FIRST]) for each in seen] == [True, False, False] * 2
    assert np.array_equal(np.sign(seen[1][:, REWARD]), tasks[0])
    assert (seen[0][:, REWARD] == 0.0).all()


def test_the_same_seed_gives_the_same_trials():
    found = []
    for _ in range(2):
        rows = trial_rows(worlds=3)
        found.append([])
        for _ in range(7):
            rows.step(np.full(3, LEFT))
            found[-1].append((list(rows.tasks), rows.observations[TRIAL].tobytes()))
        rows.close()
    assert found[0] == found[1]
    assert len({str(tasks) for tasks, _ in found[0]}) > 1


def test_what_is_not_told_is_not_seen():
    rows = trial_rows(told=("bait",))
    rows.step(np.full(4, LEFT))
    assert (rows.observations[TRIAL][:, REWARD] == 0.0).all()
    assert (rows.rewards != 0.0).all()
    rows.close()
    with pytest.raises(ArgumentError, match='reward "pray"; did you mean "pay"'):
        trial_rows(told=("pray",))


def test_an_action_that_is_held_goes_on_until_its_episode_ends():
    rows = trial_rows(hold=3, episodes=5)
    rows.step(np.full(4, LEFT))
    # The next two steps rest: episodes of one step each, which bring nothing.
    assert np.array_equal(rows.rewards, rows.tasks)
    rows.close()


def test_an_agent_that_holds_its_actions_trains_and_acts():
    """Trials hold them where it learns and is scored; elsewhere it does so itself."""
    given = {"sensors": ["proprioception"], "action_mode": "discrete"}
    config = {**CONFIG, "tasks": "level", "hold": 3, "episodes": 2}
    trained = train_agent(
        "ALS/Tag-v0", agent="rl2", steps=256, worlds=4, arguments=given, config=config
    )
    agent = trained.agent
    assert agent.config["hold"] == agent.parameters.hold == 3
    seen = {"proprioception": np.zeros((2, *agent.observation_space["proprioception"].shape))}
    seen = {key: array.astype(np.float32) for key, array in seen.items()}
    state, done = agent.restart(None, np.ones(2, np.bool_), [1, 2]), []
    for _ in range(9):
        actions, state = agent.act(seen, state, deterministic=False)
        done.append(actions)
    assert all(np.array_equal(done[k], done[k - k % 3]) for k in range(9))
    assert not all(np.array_equal(done[0], each) for each in done)


@pytest.fixture(scope="module")
def trained(sides, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("rl2") / "run"
    config = {**CONFIG, "episodes": 4}
    train_agent(ID, agent="rl2", steps=2_560, worlds=32, seed=0, config=config, folder=folder)
    return folder


def planned(trials=40, episodes=4, split="test"):
    return plan_trials(
        parse_tasks(TASKS), ID, split, {"action_mode": "discrete", "sensors": ["left"]},
        trials=trials, episodes=episodes, seed=1,
    )  # fmt: skip


def test_who_remembers_the_first_episode_is_right_in_the_others(trained):
    agent, _ = load_agent(trained)
    plan, _ = planned()
    played = play(agent, plan, parse_tasks(TASKS), remembers=True)
    assert (played.success[:, 1:].mean(0) > 0.85).all()
    assert played.success[:, 0].mean() < 0.75
    forgets = play(agent, plan, parse_tasks(TASKS), remembers=False)
    assert forgets.success.mean() < 0.75


def test_a_saved_agent_acts_wherever_agents_act(trained):
    opened = open_agent(trained)
    found = evaluate(opened.agent, ID, 8, arguments=opened.arguments, num_worlds=4)
    again = evaluate(open_agent(trained).agent, ID, 8, arguments=opened.arguments, num_worlds=8)
    assert np.array_equal(found.returns, again.returns)


def test_it_keeps_company_and_what_it_knows_of_its_partner_lasts_for_an_episode(tmp_path):
    place = {"sensors": ["entities", "proprioception"], "action_mode": "discrete"}
    as_evader = {**place, "role": "evader"}
    config = {"episodes": 1, "net_arch": [8], "memory_size": 8}
    evader = make_agent("rl2", "ALS/Tag-v0", as_evader, config)
    record = AgentRecord(agent="rl2", scenario="ALS/Tag-v0", arguments=as_evader)
    save_agent(evader, tmp_path / "evader", record)
    world = simulate("ALS/Tag-v0", 1, 1, **place)
    keep_company(world, tmp_path / "evader")
    (name,) = world.company.hired
    act, known = world.company.behaviours[name].act, []
    for _ in range(2):
        world.reset([3])
        for _ in range(4):
            world.step(np.zeros((1, 1), np.int64))
            known.append(act._memory.inner.memory[0].copy())
    world.close()
    assert all(np.array_equal(known[i], known[i + 4]) for i in range(4))
    assert not np.array_equal(known[0], known[3])


def test_scores_say_what_episodes_bring_and_go_on_where_they_stopped(trained, tmp_path):
    opened = open_agent(trained)
    settings = Settings(
        tasks=parse_tasks(TASKS), agents=["one"], after=[0, 1, 3], trials=20, episodes=1
    )
    everybody = [Contestant("one", opened, ("memory",)), Contestant("expert", None, ("expert",))]
    assert ways_of("one", opened, cautious=True, scratch=True) == ("memory",)
    stops = iter([False, True])
    folder = tmp_path / "scores"
    assert run_scores(settings, everybody, folder, should_stop=lambda: next(stops)) is None
    memory, expert = run_scores(settings, everybody, folder)
    assert run_scores(settings, everybody) == [memory, expert]
    assert memory.after(1).value > memory.after(0).value + 0.3
    assert [expert.after(place).value for place in range(3)] == [1.0] * 3
    with pytest.raises(SavedFileError, match="other settings"):
        run_scores(settings.model_copy(update={"seed": 1}), everybody, folder)


@pytest.fixture(scope="module")
def multi_task(sides):  # noqa: F811
    arguments = {"action_mode": "discrete", "sensors": ["left"]}
    return make_agent("rl2", ID, arguments, {**CONFIG, "episodes": 1, "memory_steps": 2})


def weights_of(agent):
    return {name: value.clone() for name, value in agent.policy.state_dict().items()}


def same(one, other):
    return all(bool((one[name] == other[name]).all()) for name in one)


def test_fine_tuning_learns_a_task_and_leaves_the_agent_as_it_was(multi_task):
    plan, known = planned(trials=1, episodes=1)
    before = weights_of(multi_task)
    found = adapt(multi_task, plan, 0, known, 16, Adapting(rate=0.05, passes=20))
    assert same(before, weights_of(multi_task))
    assert not found.rolled_back
    wide, _ = planned(trials=40, episodes=1)
    here = [i for i, task in enumerate(wide.tasks) if task == plan.tasks[0]]
    played = play(found.agent, wide, parse_tasks(TASKS), remembers=False)
    assert played.success[here].mean() > 0.8
    again = adapt(multi_task, plan, 0, known, 16, Adapting(rate=0.05, passes=20))
    assert same(weights_of(found.agent), weights_of(again.agent))


def test_a_cautious_adaptation_goes_less_far_and_is_rolled_back_where_it_does_worse(
    multi_task, monkeypatch
):
    plan, known = planned(trials=1, episodes=1)

    def moved(how):
        agent = adapt(multi_task, plan, 0, known, 4, how).agent
        pairs = zip(agent.policy.parameters(), multi_task.policy.parameters(), strict=True)
        return sum(float((after - before).detach().abs().sum()) for after, before in pairs)

    assert moved(Adapting(0.05, 20, kl=1e-3)) < 0.5 * moved(Adapting(0.05, 20))
    returns = iter([0.2, 0.3, 0.3, 0.2])

    def worse(*given):
        return Played(np.full((2, 1), next(returns)), np.zeros((2, 1)))

    monkeypatch.setattr(fine_tuning, "_checked", worse)
    cautious = Adapting(0.05, 2, kl=1.0, check=2)
    back = adapt(multi_task, plan, 0, known, 2, cautious)
    assert back.rolled_back
    assert back.agent is multi_task
    kept = adapt(multi_task, plan, 0, known, 2, cautious)
    assert not kept.rolled_back
    assert kept.agent is not multi_task


def test_an_agent_of_another_kind_is_refused_with_the_remedy():
    opened = open_agent("random", ID)
    with pytest.raises(ArgumentError, match=r"is neither rl2 nor maml: .*als train --agent rl2"):
        ways_of("random", opened, cautious=False, scratch=False)


@pytest.mark.parametrize(
    ("config", "words"),
    [({"memory": "none"}, "rl2 learns with its memory"), ({"tasks": "nothing"}, "no task distr")],
)
def test_what_cannot_be_learnt_with_is_one_line(config, words):
    with pytest.raises(ArgumentError, match=words):
        make_agent("rl2", ID, {}, config)
