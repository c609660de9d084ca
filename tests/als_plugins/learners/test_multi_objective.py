"""One policy serves many trade-offs, is told which, and its front is drawn."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from als_command import als
from learn_worlds import ID, TRADE, learn

from als_engine import sb3_vec_env
from als_engine.agents.agent import Training
from als_engine.agents.saving import load_agent, make_agent, open_agent
from als_engine.agents.training import resume_training, train_agent
from als_engine.errors import ArgumentError
from als_engine.evaluation.protocol import evaluate
from als_plugins.learners.multi_objective import KEY, MultiObjectiveParameters, WeightedRewards
from als_plugins.learners.pareto import non_dominated, pareto

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

WALKING = {"sensors": ["proprioception"], "action_mode": "continuous"}
SMALL = {"net_arch": [32], "batch_size": 64, "rollout": 256, "n_epochs": 2}


def trained(steps=512, folder=None, **changes):
    job = {"worlds": 8, "arguments": WALKING, "config": SMALL, "folder": folder, **changes}
    return train_agent(TRADE, "multi-objective", steps=steps, **job)


def weighted(rows=4, steps=1, **drawing):
    env = sb3_vec_env(TRADE, rows, seed=1, **WALKING)
    drawing = MultiObjectiveParameters(**{"widen": 0.0, "concentration": 1.0, **drawing})
    return WeightedRewards(env, Training(steps=steps, seed=3), drawing)


def test_rewards_are_the_terms_by_the_weights_that_are_shown():
    env = weighted()
    shown = env.reset()[KEY]
    assert np.allclose(shown.sum(axis=1), 1.0)
    assert len(np.unique(shown[:, 0])) == 4
    for _ in range(5):
        told, rewards, _, _ = env.step(np.full((4, 6), 0.5, np.float32))
        # Both terms' returns are taken to lie equally far apart until some are known.
        assert np.allclose(rewards, 2 * (shown * env.venv.terms).sum(axis=1))
        assert np.array_equal(told[KEY], shown)
    env.close()


def test_every_episode_draws_new_weights_and_ends_with_its_own():
    env = weighted()
    shown = env.reset()[KEY]
    for _ in range(40):
        told, _, ended, infos = env.step(np.zeros((4, 6), np.float32))
    assert ended.all()
    assert not (told[KEY] == shown).any()
    for row, info in enumerate(infos):
        assert np.array_equal(info["terminal_observation"][KEY], shown[row])
        assert info["episode_terms"].keys() == {"progress", "effort"}
    env.close()


def test_weights_spread_along_the_training():
    env = weighted(rows=4, steps=400, widen=0.5)
    assert np.allclose(env.reset()[KEY], 0.5)
    far = []
    for _ in range(3):
        for _ in range(40):
            told, _, _, _ = env.step(np.zeros((4, 6), np.float32))
        far.append(np.abs(told[KEY] - 0.5).max())
    assert 0.0 < far[0] <= 0.4
    assert env.steps > 200
    env.close()


@pytest.mark.parametrize("concentration", [0.1, 10.0])
def test_the_concentration_says_how_often_the_ends_are_drawn(concentration):
    env = weighted(rows=64, concentration=concentration)
    shown = env.reset()[KEY][:, 0]
    ends = ((shown < 0.05) | (shown > 0.95)).mean()
    assert ends > 0.4 if concentration < 1 else ends < 0.05
    env.close()


def test_a_term_that_is_not_traded_keeps_its_weight_and_one_that_fades_its_pay_no_longer():
    env = weighted(trade=["progress", "effort"], fade=["effort"], widen=0.0)
    assert np.allclose(env.reset()[KEY], 0.5)
    _, rewards, _, _ = env.step(np.full((4, 6), 0.5, np.float32))
    assert np.allclose(rewards, env.venv.terms[:, 0])
    env.close()


def test_a_mixture_of_small_terms_is_paid_as_if_as_much_were_at_stake():
    env = weighted()
    env.reset()
    env.spread = np.array([10.0, 0.1])
    env._draw(np.ones(4, np.bool_))
    _, rewards, _, _ = env.step(np.full((4, 6), 0.5, np.float32))
    plain = (env.weights * env.venv.terms).sum(1)
    assert np.allclose(rewards, plain * 10.1 / (env.weights @ [10.0, 0.1]), rtol=1e-4)
    env.close()


def test_equal_weights_pay_the_scenarios_own_reward():
    env = weighted()
    env.reset()
    env.weights[:] = 0.5
    plain = sb3_vec_env(TRADE, 4, seed=1, **WALKING)
    env.venv.seed(1)
    env.venv.reset()
    plain.reset()
    actions = np.full((4, 6), 0.7, np.float32)
    for _ in range(3):
        assert np.allclose(env.step(actions)[1], plain.step(actions)[1])
    env.close()
    plain.close()


def test_one_policy_goes_fast_or_saves_its_strength_as_it_is_told():
    config = {"rollout": 1_280, "batch_size": 256, "net_arch": [64], "learning_rate": 2e-3,
              "gamma": 0.9, "ent_coef": 0.0}  # fmt: skip
    agent = trained(15_360, worlds=32, config=config).agent
    found = {}
    for share in (0.2, 0.5, 0.9):
        agent.weigh({"progress": share, "effort": 1.0 - share})
        found[share] = evaluate(agent, TRADE, 8, arguments=WALKING).terms
    progress = [found[share]["progress"].mean() for share in found]
    effort = [found[share]["effort"].mean() for share in found]
    assert progress[0] < progress[1] < progress[2]
    assert effort[0] > effort[1] > effort[2]
    assert progress[2] > progress[0] + 1.0


def test_terms_weights_and_policy_come_back_and_go_on(tmp_path):
    run = tmp_path / "run"
    config = {**SMALL, "weights": {"progress": 3.0, "effort": 1.0}}
    first = trained(folder=run, config=config)
    loaded, record = load_agent(run)
    assert record.config["terms"] == ["progress", "effort"]
    assert loaded.weights.tolist() == [0.75, 0.25]
    assert loaded.observation_space == first.agent.observation_space
    seen = {"proprioception": np.zeros((3, 11), np.float32)}
    assert np.array_equal(loaded.act(seen)[0], first.agent.act(seen)[0])
    loaded.weigh({"effort": 1.0})
    assert not np.array_equal(loaded.act(seen)[0], first.agent.act(seen)[0])
    assert resume_training(run, steps=1_024).progress.steps == 1_024


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"progres": 1.0}, 'term of the reward "progres"; did you mean "progress"'),
        ({"progress": 0.0}, "above 0"),
        ({"progress": -1.0}, "weights"),
    ],
)
def test_weights_that_mean_nothing_are_refused_before_the_training(weights, words):
    with pytest.raises(ArgumentError, match=words):
        trained(config={**SMALL, "weights": weights})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"trade": ["progress", "efort"]}, 'term of the reward "efort"; did you mean "effort"'),
        ({"fade": ["shaping"]}, 'term of the reward "shaping"'),
        ({"fade": ["progress", "effort"]}, "nothing is left to weigh"),
        ({"trade": ["progress"]}, "trade.*at least 2"),
        ({"concentration": 0.0}, "concentration.*greater than"),
    ],
)
def test_what_cannot_be_weighed_is_refused_before_the_training(given, words):
    with pytest.raises(ArgumentError, match=words):
        trained(config={**SMALL, **given})


def test_a_training_that_goes_on_goes_on_as_wide(tmp_path):
    run = tmp_path / "run"
    trained(folder=run, steps=512)
    assert resume_training(run, steps=1_024).agent._weighted.steps >= 1_024


def test_any_encoder_serves_and_the_weights_go_past_it():
    agent = trained(128, config={**SMALL, "rollout": 128, "encoder": "mlp"}).agent
    extractor = agent.policy.features_extractor
    assert KEY not in extractor.encoder.observation_space.spaces
    assert extractor.features_dim == extractor.encoder.features + 2


def test_what_nothing_is_better_than():
    values = np.array([[0, 3], [1, 2], [1, 1], [3, 0], [3, 0], [2, -1]], float)
    assert non_dominated(values).tolist() == [True, True, False, True, True, False]


def test_a_front_is_drawn_and_written(tmp_path):
    trained(folder=tmp_path / "run")
    words = ["pareto", tmp_path / "run", "--points", 3, "--episodes", 2, "--out", tmp_path / "f"]
    result = als(*words)
    assert result.code == 0, result.err
    front = json.loads((tmp_path / "f.json").read_text())
    assert [point["weights"]["progress"] for point in front["points"]] == [0.0, 0.5, 1.0]
    assert any(point["on_front"] for point in front["points"])
    # Equal weights are the middle one of three points, and dominate no more than all of them.
    assert front["fixed"]["terms"] == front["points"][1]["terms"]
    assert front["fixed_hypervolume"]["value"] <= front["hypervolume"]["value"]
    assert front["hypervolume"]["low"] <= front["hypervolume"]["high"]
    means = [
        [each["terms"][t]["value"] for t in ("progress", "effort")] for each in front["points"]
    ]
    assert front["distinct"] == len(
        np.unique(np.array(means)[non_dominated(np.array(means))], axis=0)
    )
    assert np.all(np.array(front["reference"]) <= np.min(means, axis=0))
    assert front["acting"] == "sampled"
    assert "Hypervolume above (progress " in result.out
    assert "drawn from the agent's policy" in result.out
    picture = (tmp_path / "f.svg").read_text()
    assert picture.startswith("<svg")
    assert "hypervolume" in picture
    assert len(re.findall(r"<circle", picture)) == 3
    assert "return of effort" in picture


def test_hypervolumes_are_measured_from_the_point_that_is_asked_for(tmp_path):
    trained(folder=tmp_path / "run")
    opened = open_agent(str(tmp_path / "run"))
    given = {"points": 2, "episodes": 2}
    front = pareto(opened, "progress", "effort", reference=(-10.0, -20.0), **given)
    assert front.reference == (-10.0, -20.0)
    fixed = [front.fixed.terms[name].value for name in ("progress", "effort")]
    assert front.fixed_hypervolume.value == pytest.approx((fixed[0] + 10) * (fixed[1] + 20))
    # Equal weights are none of two points.
    assert all(point.weights != front.fixed.weights for point in front.points)
    with pytest.raises(ArgumentError, match="two finite numbers"):
        pareto(opened, reference=(0.0, float("nan")), **given)
    for text in ("1", "1,2,3", "a,b"):
        refused = als("pareto", tmp_path / "run", "--reference", text)
        assert refused.code == 2
        assert refused.err.count("\n") == 1
        assert "--reference takes two numbers" in refused.err


def test_a_front_needs_weights_and_two_terms(tmp_path):
    random = open_agent("random", TRADE, {"sensors": ["proprioception"]})
    with pytest.raises(ArgumentError, match="only multi-objective agents"):
        pareto(random)
    agent = trained(folder=tmp_path / "run").agent
    opened = open_agent(str(tmp_path / "run"))
    with pytest.raises(ArgumentError, match='"effort" cannot be traded off against itself'):
        pareto(opened, "effort", "effort")
    with pytest.raises(ArgumentError, match='term of the reward "speed"'):
        pareto(opened, "speed")
    assert agent.terms == ("progress", "effort")


def test_a_scenario_with_one_term_is_one_objective():
    agent = make_agent("multi-objective", ID, WALKING)
    assert agent.terms == ("reward",)
    assert agent.weights.tolist() == [1.0]
