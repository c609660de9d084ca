"""RLlib: chasers and evaders of tag learn against each other, a policy for each role.

python docs/examples/rllib_ppo.py --iterations 5
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["als-engine", "ray[rllib]>=2.40", "torch>=2.6"]
# [tool.uv.sources]
# als-engine = { path = "../..", editable = true }
# ///

import argparse

import gymnasium as gym
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

import als_engine

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--iterations", type=int, default=5)
parser.add_argument("--batch", type=int, default=2_000, help="steps of an iteration")
parser.add_argument("--episodes", type=int, default=20)
parser.add_argument("--limit", type=int, default=240, help="steps of an episode")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
SCENARIO = {
    "num_avatars": 4,
    "max_episode_steps": args.limit,
    "sensors": ["entities", "proprioception"],
    "flatten": True,
}

register_env(
    "tag",
    lambda config: ParallelPettingZooEnv(
        als_engine.parallel_env("ALS/Tag-v0", **SCENARIO, **config)
    ),
)
config = (
    PPOConfig()
    .environment("tag", env_config={"split": "train"})
    .env_runners(num_env_runners=0)  # In this process; 4, say, where there are cores for them.
    .multi_agent(
        policies={"chaser", "evader"},
        policy_mapping_fn=lambda agent, *args, **kwargs: agent.partition("_")[0],
    )
    .training(train_batch_size_per_learner=args.batch, lr=5e-4, gamma=0.98, num_epochs=6)
    .debugging(seed=args.seed)
)
algorithm = config.build_algo()
for iteration in range(args.iterations):
    result = algorithm.train()
    returns = result["env_runners"].get("module_episode_returns_mean", {})
    shown = ", ".join(f"{role} {mean:.2f}" for role, mean in sorted(returns.items()))
    print(f"{iteration + 1}: {result['num_env_steps_sampled_lifetime']:.0f} steps, return {shown}")

# One of the chasers plays among scripted players that no training has met.
chaser = algorithm.get_module("chaser")
env = gym.make("ALS/Tag-v0", split="test", **SCENARIO)
env.action_space.seed(args.seed)
for name in ("random", "PPO"):
    total = 0.0
    for episode in range(args.episodes):
        observation, ended = env.reset(seed=args.seed + episode)[0], False
        while not ended:
            action = env.action_space.sample()
            if name == "PPO":
                batch = {"obs": torch.from_numpy(observation)[None]}
                logits = chaser.forward_inference(batch)["action_dist_inputs"]
                action = torch.distributions.Categorical(logits=logits).sample()[0].numpy()
            observation, reward, terminated, truncated, _ = env.step(action)
            total, ended = total + reward, terminated or truncated
    print(f"{name:>7}: return {total / args.episodes:5.2f} on {args.episodes} test levels")
env.close()
algorithm.stop()
