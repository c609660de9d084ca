"""Makers of pictures: a conditional GAN, and a small diffusion model; trained, saved, loaded."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import relu

from als_engine.errors import ArgumentError, SavedFileError, unknown
from als_engine.limits import MAX_SEED, STEPS
from als_engine.models import Model, read_model
from als_engine.seeding import Generators, spread
from als_engine.system.safe_files import read_tensors, replace_folder, write_tensors
from als_plugins.making.networks import NOISE, Denoiser, Generator, Judge
from als_plugins.making.scans import PIXELS, Scans

__all__ = ["KINDS", "Kind", "Maker", "MakerRecord", "load_maker", "make_maker", "save_maker"]

Kind = Literal["gan", "diffusion"]

RECORD: Final = "maker.json"
WEIGHTS: Final = "weights.safetensors"
MOMENTS: Final = 60
"""Steps of a diffusion."""

Stop = Callable[[], bool]
Told = Callable[[int, int], None]


class MakerRecord(Model):
    """Schema of `maker.json`.

    Attributes:
        format: the version of this format.
        kind: "gan" or "diffusion".
        labels: of each class, in what it was trained on.
        steps: gradient steps.
        seed: of the labelled scans, the weights and the order.
    """

    format: Literal[1] = 1
    kind: Kind
    labels: Annotated[int, Field(ge=1, le=10_000)]
    steps: Annotated[int, Field(ge=1, le=STEPS)]
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]


class Maker(ABC):
    """Makes pictures of a class.

    Attributes:
        network: what is saved.
    """

    rate: ClassVar[float] = 1e-3

    def __init__(self) -> None:
        """Makes the network, with weights that know nothing."""
        with Generators(spread("maker", 0)):
            self.network = self._build()

    def train(
        self,
        scans: Scans,
        steps: int,
        seed: int,
        batch: int = 32,
        should_stop: Stop = lambda: False,
        on_step: Told = lambda done, total: None,
    ) -> None:
        """Learns what scans look like; each is turned and mirrored at random.

        Raises:
            KeyboardInterrupt: it was told to stop.
        """
        rng = np.random.default_rng(spread("making batches", seed))
        pictures, labels = torch.from_numpy(scans.pictures), torch.from_numpy(scans.labels)
        with Generators(spread("making", seed)):
            self.network = self._build()
            self._begin()
            self.network.train()
            for step in range(steps):
                if should_stop():
                    raise KeyboardInterrupt
                chosen = torch.from_numpy(rng.integers(len(labels), size=batch))
                self._step(turned(pictures[chosen], rng), labels[chosen], 1.0 - step / steps)
                on_step(step + 1, steps)
        self.network.eval()

    def make(self, labels: NDArray[np.integer], seed: int) -> NDArray[np.float32]:
        """Pictures of some classes, (n, 1, PIXELS, PIXELS) from -1 to 1, drawn with a seed."""
        self.network.eval()
        draws = torch.Generator().manual_seed(spread("made pictures", seed))
        parts = []
        with torch.no_grad():
            for low in range(0, len(labels), 256):
                part = torch.as_tensor(np.asarray(labels[low : low + 256], np.int64))
                parts.append(self._make(part, draws).clamp(-1.0, 1.0).numpy())
        return np.concatenate(parts) if parts else np.zeros((0, 1, PIXELS, PIXELS), np.float32)

    @abstractmethod
    def _build(self) -> nn.Module:
        """Makes the network, drawn with torch's generator."""

    @abstractmethod
    def _begin(self) -> None:
        """Makes what only the training needs."""

    @abstractmethod
    def _step(self, pictures: Tensor, labels: Tensor, left: float) -> None:
        """One gradient step; `left` is the part of the training that is left."""

    @abstractmethod
    def _make(self, labels: Tensor, draws: torch.Generator) -> Tensor:
        """(n, 1, PIXELS, PIXELS)."""


class Gan(Maker):
    """A generator against a judge, with the hinge loss (Lim and Ye 2017)."""

    def _build(self) -> nn.Module:
        return Generator()

    def _begin(self) -> None:
        self._judge = Judge()
        self._makes = torch.optim.Adam(self.network.parameters(), 5e-4, (0.5, 0.9))
        self._judges = torch.optim.Adam(self._judge.parameters(), 1e-3, (0.5, 0.9))

    def _step(self, pictures: Tensor, labels: Tensor, left: float) -> None:
        made = self.network(torch.randn(len(labels), NOISE), labels)
        real, fake = self._judge(pictures, labels), self._judge(made.detach(), labels)
        loss = relu(1.0 - real).mean() + relu(1.0 + fake).mean()
        self._judges.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._judges.step()
        loss = -self._judge(made, labels).mean()
        self._makes.zero_grad()
        loss.backward()
        self._makes.step()

    def _make(self, labels: Tensor, draws: torch.Generator) -> Tensor:
        made: Tensor = self.network(torch.randn(len(labels), NOISE, generator=draws), labels)
        return made


class Diffusion(Maker):
    """Ho et al. (2020), "Denoising diffusion probabilistic models", with the cosine schedule."""

    def __init__(self) -> None:
        """Makes the denoiser, and says how much noise there is when."""
        super().__init__()
        moments = torch.arange(MOMENTS + 1) / MOMENTS
        kept = torch.cos((moments + 0.008) / 1.008 * math.pi / 2) ** 2
        self._kept = (kept / kept[0]).clamp(1e-4, 1.0)

    def _build(self) -> nn.Module:
        return Denoiser()

    def _begin(self) -> None:
        self._adam = torch.optim.Adam(self.network.parameters(), self.rate)

    def _step(self, pictures: Tensor, labels: Tensor, left: float) -> None:
        moments = torch.randint(1, MOMENTS + 1, (len(labels),))
        kept, noise = self._kept[moments][:, None, None, None], torch.randn_like(pictures)
        noisy = kept.sqrt() * pictures + (1.0 - kept).sqrt() * noise
        found = self.network(noisy, labels, moments / MOMENTS)
        for group in self._adam.param_groups:
            group["lr"] = self.rate * left
        loss = (found - noise).square().mean()
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()

    def _make(self, labels: Tensor, draws: torch.Generator) -> Tensor:
        x = torch.randn(len(labels), 1, PIXELS, PIXELS, generator=draws)
        for moment in range(MOMENTS, 0, -1):
            part = torch.full((len(labels),), moment / MOMENTS)
            now, before = self._kept[moment], self._kept[moment - 1]
            noise = self.network(x, labels, part)
            clean = ((x - (1.0 - now).sqrt() * noise) / now.sqrt()).clamp(-1.0, 1.0)
            share = now / before
            mean = (before.sqrt() * (1.0 - share) * clean + share.sqrt() * (1.0 - before) * x) / (
                1.0 - now
            )
            spread_out = ((1.0 - before) / (1.0 - now) * (1.0 - share)).sqrt()
            x = mean + spread_out * torch.randn(x.shape, generator=draws)
        return x


KINDS: Final[dict[Kind, type[Maker]]] = {"gan": Gan, "diffusion": Diffusion}


def make_maker(kind: str) -> Maker:
    """A maker that has learnt nothing yet.

    Raises:
        ArgumentError: there is no such kind.
    """
    if kind not in KINDS:
        raise ArgumentError(unknown("kind", kind, KINDS))
    return KINDS[kind]()


def save_maker(
    maker: Maker,
    record: MakerRecord,
    folder: Path,
    beside: Callable[[Path], None] = lambda new: None,
) -> None:
    """Saves a maker, whole or not at all.

    Args:
        maker: what to save.
        record: how it was trained.
        folder: a new or empty folder, or one that holds a maker, which is replaced.
        beside: writes more files into the new folder.

    Raises:
        SavedFileError: it cannot be written, or the folder holds something else.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RECORD).is_file():
        raise SavedFileError(f"{folder} holds other files: name a new or empty folder")

    def fill(new: Path) -> None:
        (new / RECORD).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
        write_tensors(new / WEIGHTS, _arrays(maker))
        beside(new)

    replace_folder(folder, fill)


def load_maker(folder: Path) -> tuple[Maker, MakerRecord]:
    """Loads a saved maker; nothing in the folder is executed.

    Raises:
        SavedFileError: it is none, or damaged.
    """
    record = read_model(folder / RECORD, MakerRecord)
    maker = make_maker(record.kind)
    arrays = read_tensors(folder / WEIGHTS, _arrays(maker))
    maker.network.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    maker.network.eval()
    return maker, record


def turned(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Square pictures, each turned by a right angle or not, and mirrored or not."""
    turns, mirrored = rng.integers(4, size=len(pictures)), rng.random(len(pictures)) < 0.5
    found = torch.empty_like(pictures)
    for turn in range(4):
        for mirror in (False, True):
            rows = torch.from_numpy((turns == turn) & (mirrored == mirror))
            part = torch.rot90(pictures[rows], turn, (2, 3))
            found[rows] = part.flip(3) if mirror else part
    return found


def _arrays(maker: Maker) -> dict[str, NDArray[Any]]:
    return {name: tensor.numpy() for name, tensor in maker.network.state_dict().items()}
