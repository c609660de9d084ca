"""Minari: records an expert's games as a dataset, clones it, and gets the environment back.

python docs/examples/minari_dataset.py --episodes 80
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["als-engine", "minari[hdf5]>=0.5.3", "torch>=2.6"]
# [tool.uv.sources]
# als-engine = { path = "../..", editable = true }
# ///

import argparse
import os
import tempfile

import gymnasium as gym
import minari
import torch
from minari.data_collector import EpisodeBuffer
from torch import nn

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--episodes", type=int, default=80, help="to record, and half as many to play")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)
SCENARIO = {"sensors": ["entities", "proprioception"], "flatten": True}
folder = tempfile.TemporaryDirectory()  # Without this line it is kept in ~/.minari.
os.environ["MINARI_DATASETS_PATH"] = folder.name


def play(env, act, seed):
    """An episode: its observations, and what has become of them."""
    observation, _ = env.reset(seed=seed)
    buffer = EpisodeBuffer(seed=seed, observations=[observation], actions=[])
    while not (buffer.rewards and (buffer.terminations[-1] or buffer.truncations[-1])):
        buffer.actions.append(act(observation))
        observation, reward, terminated, truncated, _ = env.step(buffer.actions[-1])
        buffer.observations.append(observation)
        buffer.rewards.append(reward)
        buffer.terminations.append(terminated)
        buffer.truncations.append(truncated)
    return buffer


env = gym.make("als_engine:ALS/Tag-v0", **SCENARIO)
expert = [
    play(env, lambda _: env.unwrapped.expert_action(), args.seed + episode)
    for episode in range(args.episodes)
]
minari.create_dataset_from_buffers(
    "als/tag/expert-v0", expert, env=env, algorithm_name="expert", description="Tag, played well.",
    eval_env=gym.make("ALS/Tag-v0", split="test", **SCENARIO), author="me", author_email="me@here",
    code_permalink="docs/examples/minari_dataset.py", ref_min_score=-1.89, ref_max_score=14.12,
)  # fmt: skip
env.close()

dataset = minari.load_dataset("als/tag/expert-v0")
print(f"{dataset.total_episodes} episodes, {dataset.total_steps} steps")
episodes = list(dataset.iterate_episodes())
seen = torch.cat([torch.from_numpy(each.observations[:-1]) for each in episodes])
done = torch.cat([torch.from_numpy(each.actions) for each in episodes])
env = dataset.recover_environment(eval_env=True)  # On levels of the test split.
net = nn.Sequential(nn.Linear(seen.shape[1], 128), nn.ReLU(), nn.Linear(128, env.action_space.n))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for _ in range(args.epochs):
    for rows in torch.randperm(len(seen)).split(128):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(seen[rows]), done[rows]).backward()
        optimizer.step()

env.action_space.seed(args.seed)
clone = lambda x: int(net(torch.from_numpy(x)).softmax(-1).multinomial(1))  # noqa: E731
for name, act in (("random", lambda _: env.action_space.sample()), ("clone", clone)):
    played = [sum(play(env, act, 1000 + each).rewards) for each in range(args.episodes // 2)]
    score = minari.get_normalized_score(dataset, sum(played) / len(played))
    print(f"{name:>7}: return {sum(played) / len(played):5.2f}, normalized {score:.2f}, test split")
