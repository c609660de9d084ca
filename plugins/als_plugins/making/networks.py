"""Small convolutional networks that make pictures, judge them, and tell what they show."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["CLASSES", "NOISE", "Classifier", "Denoiser", "Generator", "Judge"]

CLASSES, NOISE = 2, 32


class Generator(nn.Module):
    """From noise and a class to a picture of 24 by 24 pixels (Radford et al. 2016, DCGAN)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.width = width
        self.classes = nn.Embedding(CLASSES, NOISE)
        self.begin = nn.Linear(2 * NOISE, 2 * width * 36)
        self.grow = nn.Sequential(
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(2 * width, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 1, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """(rows, NOISE) and (rows,) to (rows, 1, 24, 24)."""
        found = self.begin(torch.cat([noise, self.classes(labels)], 1))
        grown: Tensor = self.grow(found.view(-1, 2 * self.width, 6, 6))
        return grown


class Judge(nn.Module):
    """How real a picture of a class looks; a projection of it (Miyato and Koyama 2018)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.look = nn.Sequential(
            spectral_norm(nn.Conv2d(1, width, 4, 2, 1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, 2, 1)),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        self.real = spectral_norm(nn.Linear(2 * width * 36, 1))
        self.classes = spectral_norm(nn.Embedding(CLASSES, 2 * width * 36))

    def forward(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """(rows, 1, 24, 24) and (rows,) to (rows,)."""
        seen = self.look(pictures)
        fits: Tensor = (seen * self.classes(labels)).sum(1)
        judged: Tensor = self.real(seen)[:, 0]
        return judged + fits


class Denoiser(nn.Module):
    """The noise in a picture of a class, at some moment of a diffusion: a small U-Net."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.width = width
        self.classes = nn.Embedding(CLASSES, width)
        self.moment = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.down = nn.Conv2d(width, width, 3, 2, 1)
        self.deep = nn.Conv2d(width, width, 3, 2, 1)
        self.middle = nn.Conv2d(width, width, 3, padding=1)
        self.up = nn.Conv2d(2 * width, width, 3, padding=1)
        self.last = nn.Conv2d(2 * width, width, 3, padding=1)
        self.out = nn.Conv2d(width, 1, 3, padding=1)
        self.norms = nn.ModuleList([nn.GroupNorm(4, width) for _ in range(6)])

    def forward(self, pictures: Tensor, labels: Tensor, part: Tensor) -> Tensor:
        """(rows, 1, 24, 24), (rows,) and the part of the diffusion, (rows,) from 0 to 1."""
        half = self.width // 2
        waves = torch.exp(-math.log(1_000.0) * torch.arange(half) / half) * 1_000.0
        angles = part[:, None] * waves
        told = self.moment(torch.cat([angles.sin(), angles.cos()], 1)) + self.classes(labels)
        told = told[..., None, None]

        def step(number: int, layer: nn.Module, x: Tensor) -> Tensor:
            found: Tensor = nn.functional.silu(self.norms[number](layer(x)) + told)
            return found

        wide = step(0, self.first, pictures)
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
