"""Stable-Baselines3 by hand: PPO learns tag; validation levels choose, test levels report.

python docs/examples/sb3_ppo.py --steps 40000
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["als-engine", "stable-baselines3>=2.7"]
# [tool.uv.sources]
# als-engine = { path = "../..", editable = true }
# ///

import argparse
import tempfile

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy

import als_engine

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--steps", type=int, default=40_000)
parser.add_argument("--worlds", type=int, default=16)
parser.add_argument("--episodes", type=int, default=40)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()


def make(split, num_worlds):
    return als_engine.sb3_vec_env(
        "ALS/Tag-v0",
        num_worlds,
        observers=1,  # One chaser of each world is a row; the evader is scripted.
        split=split,
        sensors=["entities", "proprioception"],
        action_mode="continuous",
        seed=args.seed,
    )


class Random:
    """What SB3 asks of a policy, with actions by chance."""

    def __init__(self, space):
        self.space = space
        space.seed(args.seed)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.array([self.space.sample() for _ in episode_start]), state


train = make("train", args.worlds)
validation, test = (make(split, args.worlds // 2) for split in ("validation", "test"))
model = PPO(
    "MultiInputPolicy", train, n_steps=64, batch_size=256, learning_rate=1e-3, gamma=0.95,
    seed=args.seed, device="cpu",
)  # fmt: skip
with tempfile.TemporaryDirectory() as folder:
    every = max(1, args.steps // 4 // args.worlds)
    choose = EvalCallback(
        validation, n_eval_episodes=args.episodes // 2, eval_freq=every,
        best_model_save_path=folder,
    )  # fmt: skip
    model.learn(args.steps, callback=choose)
    best = PPO.load(f"{folder}/best_model", device="cpu")

for name, policy in (("random", Random(test.action_space)), ("PPO", best)):
    test.seed(args.seed)
    mean, deviation = evaluate_policy(policy, test, args.episodes)
    print(f"{name:>7}: return {mean:6.2f} +- {deviation:.2f} on {args.episodes} test levels")
for env in (train, validation, test):
    env.close()
