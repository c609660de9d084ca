"""TorchRL: PPO with a collector, GAE and ClipPPOLoss, on a batch of worlds.

python docs/examples/torchrl_ppo.py --steps 30720
"""
# /// script
# requires-python = ">=3.10"
# dependencies = ["als-engine", "torchrl>=0.11"]
# [tool.uv.sources]
# als-engine = { path = "../..", editable = true }
# ///

import argparse

import gymnasium as gym
import torch
from tensordict.nn import TensorDictModule
from torchrl.collectors import Collector
from torchrl.data import LazyTensorStorage, ReplayBuffer, SamplerWithoutReplacement
from torchrl.envs import Compose, GymWrapper, InitTracker, RewardSum, TransformedEnv
from torchrl.modules import MLP, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--steps", type=int, default=30_720)
parser.add_argument("--envs", type=int, default=16)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
torch.manual_seed(args.seed)
FRAMES = 64 * args.envs


def make(split, num_envs):
    envs = gym.make_vec(
        "als_engine:ALS/Vocabulary-v0", num_envs, split=split, autoreset_mode="Disabled",
        sensors=["entities", "proprioception"], flatten=True,
    )  # fmt: skip
    env = GymWrapper(envs, categorical_action_encoding=True)
    env = TransformedEnv(env, Compose(InitTracker(), RewardSum()))
    env.set_seed(args.seed)
    return env


env = make("train", args.envs)
net = {"num_cells": [64, 64], "activation_class": torch.nn.Tanh}
logits = TensorDictModule(
    MLP(out_features=env.action_spec.space.n, **net), ["observation"], ["logits"]
)
policy = ProbabilisticActor(
    logits, spec=env.action_spec, in_keys=["logits"], return_log_prob=True,
    distribution_class=torch.distributions.Categorical,
)  # fmt: skip
value = ValueOperator(MLP(out_features=1, **net), ["observation"])
policy(env.reset())  # The first observation gives the lazy networks their sizes.
value(env.reset())
gae = GAE(gamma=0.98, lmbda=0.95, value_network=value, average_gae=True)
loss = ClipPPOLoss(policy, value, clip_epsilon=0.2, entropy_coeff=0.01)
optimizer = torch.optim.Adam(loss.parameters(), lr=1e-3)
buffer = ReplayBuffer(
    storage=LazyTensorStorage(FRAMES), sampler=SamplerWithoutReplacement(), batch_size=FRAMES // 4
)
for batch in Collector(env, policy, frames_per_batch=FRAMES, total_frames=args.steps):
    for _ in range(4):
        gae(batch)
        buffer.extend(batch.reshape(-1))
        for part in buffer:
            losses = loss(part)
            sum(losses[f"loss_{k}"] for k in ("objective", "critic", "entropy")).backward()
            torch.nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
            optimizer.step()
            optimizer.zero_grad()

for name, actor in (("random", None), ("PPO", policy)):
    with torch.no_grad():
        played = make("test", 64).rollout(150, actor, break_when_any_done=False)
    done = played["next", "done"]
    first = done & (done.cumsum(1) == 1)  # An episode of each world.
    mean = played["next", "episode_reward"][first].mean()
    print(f"{name:>7}: return {mean:5.2f} in {first.sum()} episodes of the test split")
