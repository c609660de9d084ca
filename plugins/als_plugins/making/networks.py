"""Small convolutional networks that make pictures or sequences, judge them, or classify scans."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["NOISE", "Classifier", "Denoiser", "Generator", "Judge", "Shape"]

NOISE: Final = 32

Shape = tuple[int, ...]
"""(channels, steps) of a sequence, or (channels, height, width) of a picture."""


class _Layers(NamedTuple):
    """What networks over pictures or over sequences are made of."""

    convolution: type[nn.Conv1d | nn.Conv2d]
    norm: type[nn.BatchNorm1d | nn.BatchNorm2d]
    size: int

    def conv(self, channels: int, found: int, stride: int = 1) -> nn.Module:
        """A convolution that keeps the size, or divides it by the stride."""
        return self.convolution(channels, found, self.size, stride, self.size // 2)

    def halve(self, channels: int, found: int) -> nn.Module:
        """A convolution that halves the size, with a spectral norm."""
        return spectral_norm(self.convolution(channels, found, 4, 2, 1))


def _layers(shape: Shape) -> _Layers:
    if len(shape) == 2:
        return _Layers(nn.Conv1d, nn.BatchNorm1d, 5)
    return _Layers(nn.Conv2d, nn.BatchNorm2d, 3)


def _smallest(shape: Shape) -> tuple[int, ...]:
    return tuple(size // 4 for size in shape[1:])


class Generator(nn.Module):
    """From noise and a class to a picture or a sequence (Radford et al. 2016, DCGAN).

    The sizes of these, as of those of all networks here, are multiples of 4.
    """

    def __init__(self, shape: Shape, classes: int, width: int = 32) -> None:
        super().__init__()
        layers, self.small = _layers(shape), _smallest(shape)
        self.classes = nn.Embedding(classes, NOISE)
        self.begin = nn.Linear(2 * NOISE, 2 * width * math.prod(self.small))
        self.grow = nn.Sequential(
            layers.norm(2 * width),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            layers.conv(2 * width, width),
            layers.norm(width),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            layers.conv(width, width),
            nn.ReLU(),
            layers.conv(width, shape[0]),
            nn.Tanh(),
        )

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """(rows, NOISE) and (rows,) to (rows, *shape)."""
        found = self.begin(torch.cat([noise, self.classes(labels)], 1))
        grown: Tensor = self.grow(found.view(len(found), -1, *self.small))
        return grown


class Judge(nn.Module):
    """How real an example of a class looks; a projection of it (Miyato and Koyama 2018)."""

    def __init__(self, shape: Shape, classes: int, width: int = 32) -> None:
        super().__init__()
        layers, features = _layers(shape), 2 * width * math.prod(_smallest(shape))
        self.look = nn.Sequential(
            layers.halve(shape[0], width),
            nn.LeakyReLU(0.2),
            layers.halve(width, 2 * width),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        self.real = spectral_norm(nn.Linear(features, 1))
        self.classes = spectral_norm(nn.Embedding(classes, features))

    def forward(self, examples: Tensor, labels: Tensor) -> Tensor:
        """(rows, *shape) and (rows,) to (rows,)."""
        seen = self.look(examples)
        fits: Tensor = (seen * self.classes(labels)).sum(1)
        judged: Tensor = self.real(seen)[:, 0]
        return judged + fits


class Denoiser(nn.Module):
    """The noise in an example of a class, at some moment of a diffusion: a small U-Net."""

    def __init__(self, shape: Shape, classes: int, width: int = 32) -> None:
        super().__init__()
        self.width, layers = width, _layers(shape)
        self.classes = nn.Embedding(classes, width)
        self.moment = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.first = layers.conv(shape[0], width)
        self.down = layers.conv(width, width, 2)
        self.deep = layers.conv(width, width, 2)
        self.middle = layers.conv(width, width)
        self.up = layers.conv(2 * width, width)
        self.last = layers.conv(2 * width, width)
        self.out = layers.conv(width, shape[0])
        self.norms = nn.ModuleList([nn.GroupNorm(4, width) for _ in range(6)])

    def forward(self, examples: Tensor, labels: Tensor, part: Tensor) -> Tensor:
        """(rows, *shape), (rows,) and the part of the diffusion, (rows,) from 0 to 1."""
        half = self.width // 2
        waves = torch.exp(-math.log(1_000.0) * torch.arange(half) / half) * 1_000.0
        angles = part[:, None] * waves
        told = self.moment(torch.cat([angles.sin(), angles.cos()], 1)) + self.classes(labels)
        told = told.view(*told.shape, *(1,) * (examples.ndim - 2))

        def step(number: int, layer: nn.Module, x: Tensor) -> Tensor:
            found: Tensor = nn.functional.silu(self.norms[number](layer(x)) + told)
            return found

        wide = step(0, self.first, examples)
        small = step(1, self.down, wide)
        smallest = step(3, self.middle, step(2, self.deep, small))
        doubled = nn.functional.interpolate(smallest, scale_factor=2)
        again = step(4, self.up, torch.cat([doubled, small], 1))
        doubled = nn.functional.interpolate(again, scale_factor=2)
        noise: Tensor = self.out(step(5, self.last, torch.cat([doubled, wide], 1)))
        return noise


class Classifier(nn.Module):
    """How likely a scan is malignant, whatever the scanner's brightness and contrast."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.InstanceNorm2d(1),
            nn.Conv2d(1, width, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.ReLU(),
        )
        self.answer = nn.Linear(4 * width, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """(rows, 1, 24, 24) to logits, (rows,)."""
        seen = self.look(pictures)
        pooled = torch.cat([seen.mean((2, 3)), seen.amax((2, 3))], 1)
        found: Tensor = self.answer(pooled)[:, 0]
        return found
