"""Experience that is made up in memory, with what a pretraining can learn from it built in.

A bright square stands somewhere in a picture; a text names the quarter, a thing's row and a sound
tell it as well; the action moves the square, and its colour is another one every 25 steps. The
labels say where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

from als_engine.sensors.tokenizer import TOLD, encode
from als_plugins.encoders.base import Statistic

SIDE = 16
PLACES = ("north west", "north east", "south west", "south east")
SPACES = {
    "audio": Box(0.0, 1.0, (2, 8), np.float32),
    "entities": Box(
        np.float32([[0] + [-1] * 25] * 4), np.float32([[1] * 26] * 4), dtype=np.float32
    ),
    "proprioception": Box(-2.0, 2.0, (3,), np.float32),
    "rgb": Box(0, 255, (SIDE, SIDE, 3), np.uint8),
    "text": Box(0, 1023, (8,), np.int32),
}


@dataclass
class MadeWindow:
    observation: dict
    actions: np.ndarray
    rewards: np.ndarray
    labels: dict
    last: dict


class MadeWindows:
    def __init__(self, arrays, labels, actions, length):
        self.arrays, self.labels, self.actions, self.length = arrays, labels, actions, length

    def __len__(self):
        return max(0, len(self.actions) - self.length + 1)

    def take(self, indices):
        rows = np.asarray(indices)[:, None] + np.arange(self.length)
        ends = np.minimum(rows[:, 0] // 25 * 25 + 24, len(self.actions) - 1)
        return MadeWindow(
            {key: array[rows] for key, array in self.arrays.items()},
            self.actions[rows],
            np.zeros(rows.shape),
            {key: array[rows] for key, array in self.labels.items()},
            {key: array[ends] for key, array in self.arrays.items()},
        )


class MadePart:
    def __init__(self, steps, seed, keys):
        rng = np.random.default_rng(seed)
        self.actions = rng.integers(0, 4, steps)
        places = np.empty((steps, 2), np.int64)
        place = np.array([4, 4])
        moves = np.array([(4, 0), (-4, 0), (0, 4), (0, -4)])
        for i, action in enumerate(self.actions):
            places[i] = place
            place = (place + moves[action]) % SIDE
        quarter = 2 * (places[:, 0] >= 8) + (places[:, 1] >= 8)
        arrays = {key: np.zeros((steps, *s.shape), s.dtype) for key, s in SPACES.items()}
        arrays["rgb"][:] = rng.integers(0, 30, arrays["rgb"].shape)
        colors = rng.integers(80, 255, (steps // 25 + 1, 3))
        arrays["proprioception"][:] = rng.uniform(-1, 1, (steps, 3))
        for i, (y, x) in enumerate(places):
            arrays["rgb"][i, y : y + 4, x : x + 4] = colors[i // 25]
            tokens = [TOLD, *encode(PLACES[quarter[i]])]
            arrays["text"][i, : len(tokens)] = tokens
            arrays["entities"][i, 0, [0, 1 + quarter[i]]] = 1
            arrays["entities"][i, 0, 8:10] = (places[i] - 8) / 10
            arrays["audio"][i, :, 2 * quarter[i]] = rng.uniform(0.5, 1, 2)
        self.arrays = {key: arrays[key] for key in keys}
        self.labels = {
            "nearest_prop": places.astype(np.float32) / 4,
            "speaker": quarter.astype(np.int64) - 1,
            "sign_number": quarter.astype(np.int64),
        }

    def windows(self, length, ends=False):
        return MadeWindows(self.arrays, self.labels, self.actions, length)


class MadeExperience:
    scenarios = ("Made/Square-v0",)
    folder, sources = Path("-"), ()

    def __init__(self, keys=tuple(SPACES), train=400, validation=100, test=200):
        self.observation_space = gymnasium.spaces.Dict({key: SPACES[key] for key in keys})
        self.action_space = Discrete(4)
        sizes = {"train": train, "validation": validation, "test": test}
        self.parts = {
            name: MadePart(size, seed, keys) for seed, (name, size) in enumerate(sizes.items())
        }
        arrays = self.parts["train"].arrays
        self.statistics = {
            key: Statistic(a.mean(0, dtype=np.float64), a.std(0, dtype=np.float64))
            for key, a in arrays.items()
            if len(a)
        }

    def part(self, name):
        return self.parts[name]
