"""PPO in one file, after CleanRL: finds the thing that is named, among levels never seen.

python docs/examples/cleanrl_ppo.py --steps 60000
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["als-engine", "torch>=2.6"]
# [tool.uv.sources]
# als-engine = { path = "../..", editable = true }
# ///

import argparse

import gymnasium as gym
import torch
from torch import nn
from torch.distributions import Categorical

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--steps", type=int, default=60_000)
parser.add_argument("--envs", type=int, default=16)
parser.add_argument("--episodes", type=int, default=64)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)
ROLLOUT, EPOCHS, MINIBATCHES, GAMMA, LAMBDA, CLIP = 64, 4, 4, 0.98, 0.95, 0.2


def make(split, num_envs):
    return gym.make_vec(
        "als_engine:ALS/Vocabulary-v0", num_envs, split=split, autoreset_mode="SameStep",
        sensors=["entities", "proprioception"], flatten=True,
    )  # fmt: skip


envs = make("train", args.envs)
size, choices = envs.single_observation_space.shape[0], int(envs.single_action_space.n)
actor, critic = (
    nn.Sequential(nn.Linear(size, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, n))
    for n in (choices, 1)
)
optimizer = torch.optim.Adam([*actor.parameters(), *critic.parameters()], lr=1e-3, eps=1e-5)
obs = torch.from_numpy(envs.reset(seed=args.seed)[0])
for _ in range(args.steps // (ROLLOUT * args.envs)):
    kept = []
    for _ in range(ROLLOUT):
        with torch.no_grad():
            policy, value = Categorical(logits=actor(obs)), critic(obs)[:, 0]
        action = policy.sample()
        seen, reward, terminated, truncated, _ = envs.step(action.numpy())
        earned, done = (torch.from_numpy(x).float() for x in (reward, terminated | truncated))
        kept.append((obs, action, policy.log_prob(action), value, earned, done))
        obs = torch.from_numpy(seen)
    *flat, value, reward, done = map(torch.stack, zip(*kept, strict=True))
    gains, last, after = torch.zeros_like(reward), 0.0, critic(obs)[:, 0].detach()
    for t in reversed(range(ROLLOUT)):
        delta = reward[t] + GAMMA * after * (1 - done[t]) - value[t]
        gains[t] = last = delta + GAMMA * LAMBDA * (1 - done[t]) * last
        after = value[t]
    seen, taken, old, gain, target = (x.flatten(0, 1) for x in (*flat, gains, gains + value))
    for rows in (r for _ in range(EPOCHS) for r in torch.randperm(len(seen)).chunk(MINIBATCHES)):
        policy, normal = Categorical(logits=actor(seen[rows])), gain[rows]
        normal = (normal - normal.mean()) / (normal.std() + 1e-8)
        ratio = (policy.log_prob(taken[rows]) - old[rows]).exp()
        surrogate = torch.min(ratio * normal, ratio.clamp(1 - CLIP, 1 + CLIP) * normal)
        error = nn.functional.mse_loss(critic(seen[rows])[:, 0], target[rows])
        optimizer.zero_grad()
        (error / 2 - surrogate.mean() - 0.01 * policy.entropy().mean()).backward()
        optimizer.step()

for name, logits in (("random", lambda x: torch.zeros(len(x), choices)), ("PPO", actor)):
    test, total, going = make("test", args.episodes), 0.0, True  # An episode of each world.
    obs = test.reset(seed=args.seed)[0]
    for _ in range(test.spec.max_episode_steps):
        with torch.no_grad():
            action = Categorical(logits=logits(torch.from_numpy(obs))).sample()
        obs, reward, terminated, truncated, _ = test.step(action.numpy())
        total, going = total + (reward * going).sum(), going & ~(terminated | truncated)
    print(f"{name:>7}: return {total / args.episodes:5.2f} on {args.episodes} test levels")
