"""SuperSuit: PettingZoo's agents as rows of one vector environment; foragers share one policy.

python docs/examples/supersuit_ppo.py --steps 40000
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["als-engine", "supersuit>=3.9", "stable-baselines3>=2.7"]
# [tool.uv.sources]
# als-engine = { path = "../..", editable = true }
# ///

import argparse

import numpy as np
import supersuit as ss
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecMonitor

import als_engine

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--steps", type=int, default=40_000)
parser.add_argument("--worlds", type=int, default=4)
parser.add_argument("--episodes", type=int, default=16)
parser.add_argument("--limit", type=int, default=200, help="steps of an episode")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()


def make(split):
    env = als_engine.parallel_env(
        "ALS/Commons-v0", num_avatars=4, split=split, flatten=True, max_episode_steps=args.limit,
        sensors=["orchard", "proprioception"],
    )  # fmt: skip
    env = ss.frame_stack_v1(env, 2)
    env = ss.pettingzoo_env_to_vec_env_v1(env)
    envs = ss.concat_vec_envs_v1(env, args.worlds, num_cpus=0, base_class="stable_baselines3")
    envs.venv.reset(seed=args.seed)  # SuperSuit's vector environments have no `seed` for SB3.
    return VecMonitor(envs)


class Random:
    """What SB3 asks of a policy, with actions by chance."""

    def __init__(self, space):
        self.space = space
        space.seed(args.seed)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.array([self.space.sample() for _ in episode_start]), state


set_random_seed(args.seed)
envs = make("train")
model = PPO(
    "MlpPolicy", envs, n_steps=64, batch_size=256, learning_rate=1e-3, gamma=0.98, device="cpu"
)
model.learn(args.steps)
for name, policy in (("random", Random(envs.action_space)), ("PPO", model)):
    test = make("test")
    mean, _ = evaluate_policy(policy, test, args.episodes, deterministic=False)
    print(f"{name:>7}: return {mean:5.2f} of a forager on the test split")
    test.close()
envs.close()
