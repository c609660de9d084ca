"""BenchMARL: MAPPO, whose critic sees the whole state, on foragers in a common yard.

python docs/examples/benchmarl_mappo.py --steps 24000
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["als-engine", "benchmarl>=1.5"]
# [tool.uv.sources]
# als-engine = { path = "../..", editable = true }
# ///

import argparse
import tempfile

import torch
from benchmarl.algorithms import MappoConfig
from benchmarl.environments.pettingzoo.common import PettingZooClass
from benchmarl.experiment import Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from torchrl.envs import PettingZooWrapper

import als_engine

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--steps", type=int, default=24_000)
parser.add_argument("--batch", type=int, default=2_000, help="steps between two updates")
parser.add_argument("--episodes", type=int, default=10)
parser.add_argument("--limit", type=int, default=200, help="steps of an episode")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()


class Commons(PettingZooClass):
    """A task of BenchMARL; its configuration is what the scenario is made with."""

    def get_env_fun(self, num_envs, continuous_actions, seed, device):
        return lambda: PettingZooWrapper(
            als_engine.parallel_env("ALS/Commons-v0", **self.config),
            return_state=True, categorical_actions=True, seed=seed, device=device,
        )  # fmt: skip

    def supports_continuous_actions(self):
        return False

    def supports_discrete_actions(self):
        return True

    def has_state(self):
        return True

    def max_steps(self, env):
        return self.config["max_episode_steps"]


def task(split):
    scenario = {"num_avatars": 4, "max_episode_steps": args.limit, "split": split}
    return Commons("commons", {**scenario, "flatten": True, "sensors": ["orchard"]})


config = ExperimentConfig.get_from_yaml()
config.max_n_frames, config.gamma, config.lr = args.steps, 0.98, 1e-3
config.on_policy_collected_frames_per_batch, config.on_policy_n_envs_per_worker = args.batch, 4
config.on_policy_n_minibatch_iters, config.on_policy_minibatch_size = 4, args.batch // 4
config.evaluation, config.loggers, config.create_json = False, [], False
with tempfile.TemporaryDirectory() as folder:
    config.save_folder = folder
    experiment = Experiment(
        task("train"), MappoConfig.get_from_yaml(), MlpConfig.get_from_yaml(), seed=args.seed,
        config=config,
    )  # fmt: skip
    experiment.run()

env = task("test").get_env_fun(1, False, args.seed, "cpu")()
for name, policy in (("random", None), ("MAPPO", experiment.policy)):
    with torch.no_grad():
        played = [env.rollout(args.limit, policy) for _ in range(args.episodes)]
    returns = torch.stack([each["next", "forager", "reward"].sum(0).mean() for each in played])
    print(f"{name:>7}: return {returns.mean():5.2f} on {args.episodes} test levels")
