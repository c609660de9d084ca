"""Optuna: looks for PPO's hyperparameters on validation levels, and reports on test levels.

python docs/examples/optuna_search.py --trials 6
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["als-engine", "optuna>=4", "stable-baselines3>=2.7"]
# [tool.uv.sources]
# als-engine = { path = "../..", editable = true }
# ///

import argparse

import numpy as np
import optuna
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy

import als_engine

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--trials", type=int, default=6)
parser.add_argument("--steps", type=int, default=12_000, help="of each trial")
parser.add_argument("--episodes", type=int, default=32)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()


def make(split, num_worlds=16):
    return als_engine.sb3_vec_env(
        "ALS/Vocabulary-v0", num_worlds, split=split, flatten=True, seed=args.seed,
        sensors=["entities", "proprioception"],
    )  # fmt: skip


def evaluate(policy, split):
    venv = make(split)
    mean, _ = evaluate_policy(policy, venv, args.episodes, deterministic=False)
    venv.close()
    return mean


def objective(trial):
    model = PPO(
        "MlpPolicy", make("train"), n_steps=64, batch_size=256, seed=args.seed, device="cpu",
        learning_rate=trial.suggest_float("learning_rate", 1e-4, 5e-3, log=True),
        gamma=1 - trial.suggest_float("one_minus_gamma", 5e-3, 0.1, log=True),
        ent_coef=trial.suggest_float("ent_coef", 1e-4, 0.05, log=True),
    )  # fmt: skip
    for check in range(4):  # So often a trial may be given up.
        model.learn(args.steps // 4, reset_num_timesteps=False)
        score = evaluate(model, "validation")
        trial.report(score, check)
        if trial.should_prune():
            raise optuna.TrialPruned
    MODELS[trial.number] = model
    return score


class Random:
    """What SB3 asks of a policy, with actions by chance."""

    generator = np.random.default_rng(args.seed)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return self.generator.integers(0, 12, len(observation)), state


MODELS = {}
study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=args.seed),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=2),
)
study.optimize(objective, args.trials)
best = study.best_trial
print(f"best of {args.trials}: trial {best.number}, {best.params}")
for name, policy in (("random", Random()), ("PPO", MODELS[best.number])):
    print(f"{name:>7}: return {evaluate(policy, 'test'):5.2f} on the test split")
