"""Gymnasium's wrappers: films of a town, frames in a stack, one flat vector, numbers of one size.

python docs/examples/gymnasium_wrappers.py --out videos
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["als-engine", "moviepy>=2"]
# [tool.uv.sources]
# als-engine = { path = "../..", editable = true }
# ///

import argparse
from pathlib import Path

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import (
    FlattenObservation,
    FrameStackObservation,
    GrayscaleObservation,
    NormalizeObservation,
    NormalizeReward,
    RecordVideo,
    TransformObservation,
)

import als_engine

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--episodes", type=int, default=2, help="of random actions and of the expert")
parser.add_argument("--limit", type=int, default=300, help="steps of an episode")
parser.add_argument("--out", default="videos")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()


def play(env, act):
    """The observations and rewards of some episodes."""
    seen, rewards = [], []
    for episode in range(args.episodes):
        seen.append(env.reset(seed=args.seed + episode)[0])
        ended = False
        while not ended:
            observation, reward, terminated, truncated, _ = env.step(act())
            ended = terminated or truncated
            seen.append(observation)
            rewards.append(reward)
    return np.array(seen), np.array(rewards)


def make(**arguments):
    env = gym.make("ALS/World-v0", max_episode_steps=args.limit, **arguments)
    return als_engine.FollowTimeLimit(env)  # The time that the avatar sees is this limit's, too.


# A film of every episode.
for name in ("random", "expert"):
    folder = Path(args.out) / name
    env = make(split="test", render_mode="rgb_array", captions=True)
    env = RecordVideo(env, str(folder), episode_trigger=lambda episode: True)
    env.action_space.seed(args.seed)
    act = env.action_space.sample if name == "random" else env.unwrapped.expert_action
    total = play(env, act)[1].sum()
    env.close()
    films = len(list(folder.glob("*.mp4")))
    print(f"{name:>7}: return {total / args.episodes:5.2f}, test split; {films} films in {folder}")

# Pictures as most image scripts take them: grey, four in a stack.
env = make(sensors=["rgb"], frame_size=84)
env = TransformObservation(env, lambda seen: seen["rgb"], env.observation_space["rgb"])
env = FrameStackObservation(GrayscaleObservation(env), 4)
print(f"a stack of frames: {env.observation_space.shape}, {env.reset(seed=args.seed)[0].dtype}")
env.close()

# Numbers as most other scripts take them: one vector, of mean 0 and deviation 1.
env = NormalizeReward(NormalizeObservation(FlattenObservation(make())), gamma=0.99)
seen, rewards = play(env, env.unwrapped.expert_action)
print(f"normalized: {seen.shape[1]} numbers of mean {seen.mean():.2f}, {seen.std():.2f} around it")
env.close()
