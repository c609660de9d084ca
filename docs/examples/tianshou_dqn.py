"""Tianshou: DQN with a replay buffer learns to walk to things, among levels never seen.

python docs/examples/tianshou_dqn.py --steps 20000
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["als-engine", "tianshou>=2.0"]
# [tool.uv.sources]
# als-engine = { path = "../..", editable = true }
# ///

import argparse
import copy

import gymnasium as gym
import tianshou as ts
from tianshou.algorithm.modelfree.dqn import DQN, DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.trainer import OffPolicyTrainerParams
from tianshou.utils.net.common import Net
from tianshou.utils.space_info import SpaceInfo

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--steps", type=int, default=20_000)
parser.add_argument("--envs", type=int, default=8)
parser.add_argument("--episodes", type=int, default=32)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()


def make(split, num_envs):
    def one():
        return gym.make(
            "als_engine:ALS/Vocabulary-v0", split=split, flatten=True,
            sensors=["entities", "proprioception"],
        )  # fmt: skip

    envs = ts.env.DummyVectorEnv([one for _ in range(num_envs)])
    envs.seed(args.seed)
    return envs


training, validation, test = make("train", args.envs), make("validation", 4), make("test", 4)
space = SpaceInfo.from_spaces(training.action_space[0], training.observation_space[0])
net = Net(
    state_shape=space.observation_info.obs_shape,
    action_shape=space.action_info.action_shape,
    hidden_sizes=[64, 64],
)
policy = DiscreteQLearningPolicy(
    model=net, action_space=training.action_space[0], eps_training=0.2, eps_inference=0.05
)
algorithm = DQN(
    policy=policy, optim=AdamOptimizerFactory(lr=1e-3), gamma=0.97, n_step_return_horizon=3,
    target_update_freq=200,
)  # fmt: skip
report = {"n_episode": args.episodes, "reset_before_collect": True}
chance, best = Collector(policy, test).collect(random=True, **report), {}
algorithm.run_training(
    OffPolicyTrainerParams(
        training_collector=Collector(
            algorithm, training, VectorReplayBuffer(20_000, args.envs), exploration_noise=True
        ),
        test_collector=Collector(algorithm, validation, exploration_noise=True),
        max_epochs=4,
        epoch_num_steps=max(1, args.steps // 4),
        collection_step_num_env_steps=4 * args.envs,
        test_step_num_episodes=max(4, args.episodes // 4),
        batch_size=128,
        update_step_num_gradient_steps_per_sample=1 / 8,
        save_best_fn=lambda _: best.update(copy.deepcopy(policy.state_dict())),
        show_progress=False,
    )
)
policy.load_state_dict(best)  # By the validation split.
learnt = Collector(algorithm, test, exploration_noise=True).collect(**report)
for name, played in (("random", chance), ("DQN", learnt)):
    print(f"{name:>7}: return {played.returns.mean():5.2f} on the test split")
