"""Makers of examples: a conditional GAN, and a small diffusion model; trained, saved, loaded."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import relu

from als_engine.errors import ArgumentError, unknown
from als_engine.limits import MAX_SEED, STEPS
from als_engine.models import Model, read_model
from als_engine.seeding import Generators, spread
from als_engine.system.safe_files import read_tensors, write_tensors
from als_plugins.making.examples import Examples
from als_plugins.making.folders import write_made
from als_plugins.making.networks import NOISE, Denoiser, Generator, Judge, Shape
from als_plugins.making.scans import PIXELS

__all__ = [
    "KINDS",
    "Kind",
    "Maker",
    "MakerRecord",
    "What",
    "load_maker",
    "make_maker",
    "save_maker",
]

Kind = Literal["gan", "diffusion"]

RECORD: Final = "maker.json"
WEIGHTS: Final = "weights.safetensors"
MOMENTS: Final = 60
"""Steps of a diffusion."""

Stop = Callable[[], bool]
Told = Callable[[int, int], None]


class What(NamedTuple):
    """What is made.

    Attributes:
        shape: of an example. classes: how many there are.
        varied: makes other examples of some that are as real, such as mirrored ones.
    """

    shape: Shape
    classes: int
    varied: Callable[[Tensor, np.random.Generator], Tensor]


class MakerRecord(Model):
    """Schema of `maker.json`.

    Attributes:
        format: the version of this format.
        kind: "gan" or "diffusion".
        what: it makes.
        labels: of each class, in what it was trained on; scenes of tracks.
        steps: gradient steps.
        seed: of the labelled scans, the weights and the order.
    """

    format: Literal[1] = 1
    kind: Kind
    what: Literal["scans", "tracks"] = "scans"
    labels: Annotated[int, Field(ge=1, le=10_000)]
    steps: Annotated[int, Field(ge=1, le=STEPS)]
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]


class Maker(ABC):
    """Makes examples of a class.

    Attributes:
        what: it makes.
        network: what is saved.
    """

    rate: ClassVar[float] = 1e-3

    def __init__(self, what: What) -> None:
        """Makes the network, with weights that know nothing."""
        self.what = what
        with Generators(spread("maker", 0)):
            self.network = self._build()

    def train(
        self,
        examples: Examples,
        steps: int,
        seed: int,
        batch: int = 32,
        should_stop: Stop = lambda: False,
        on_step: Told = lambda done, total: None,
    ) -> None:
        """Learns what examples look like; each is varied at random.

        Raises:
            KeyboardInterrupt: it was told to stop.
        """
        rng = np.random.default_rng(spread("making batches", seed))
        values, labels = torch.from_numpy(examples.values), torch.from_numpy(examples.labels)
        with Generators(spread("making", seed)):
            self.network = self._build()
            self._begin()
            self.network.train()
            for step in range(steps):
                if should_stop():
                    raise KeyboardInterrupt
                chosen = torch.from_numpy(rng.integers(len(labels), size=batch))
                varied = self.what.varied(values[chosen], rng)
                self._step(varied, labels[chosen], 1.0 - step / steps)
                on_step(step + 1, steps)
        self.network.eval()

    def make(self, labels: NDArray[np.integer], seed: int) -> NDArray[np.float32]:
        """Examples of some classes, (n, *shape) from -1 to 1, drawn with a seed."""
        self.network.eval()
        draws = torch.Generator().manual_seed(spread("made pictures", seed))
        parts = []
        with torch.no_grad():
            for low in range(0, len(labels), 256):
                part = torch.as_tensor(np.asarray(labels[low : low + 256], np.int64))
                parts.append(self._make(part, draws).clamp(-1.0, 1.0).numpy())
        return np.concatenate(parts) if parts else np.zeros((0, *self.what.shape), np.float32)

    @abstractmethod
    def _build(self) -> nn.Module:
        """Makes the network, drawn with torch's generator."""

    @abstractmethod
    def _begin(self) -> None:
        """Makes what only the training needs."""

    @abstractmethod
    def _step(self, values: Tensor, labels: Tensor, left: float) -> None:
        """One gradient step; `left` is the part of the training that is left."""

    @abstractmethod
    def _make(self, labels: Tensor, draws: torch.Generator) -> Tensor:
        """(n, *shape)."""


class Gan(Maker):
    """A generator against a judge, with the hinge loss (Lim and Ye 2017)."""

    def _build(self) -> nn.Module:
        return Generator(self.what.shape, self.what.classes)

    def _begin(self) -> None:
        self._judge = Judge(self.what.shape, self.what.classes)
        self._makes = torch.optim.Adam(self.network.parameters(), 5e-4, (0.5, 0.9))
        self._judges = torch.optim.Adam(self._judge.parameters(), 1e-3, (0.5, 0.9))

    def _step(self, values: Tensor, labels: Tensor, left: float) -> None:
        made = self.network(torch.randn(len(labels), NOISE), labels)
        real, fake = self._judge(values, labels), self._judge(made.detach(), labels)
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

    def __init__(self, what: What) -> None:
        """Makes the denoiser, and says how much noise there is when."""
        super().__init__(what)
        moments = torch.arange(MOMENTS + 1) / MOMENTS
        kept = torch.cos((moments + 0.008) / 1.008 * math.pi / 2) ** 2
        self._kept = (kept / kept[0]).clamp(1e-4, 1.0)

    def _build(self) -> nn.Module:
        return Denoiser(self.what.shape, self.what.classes)

    def _begin(self) -> None:
        self._adam = torch.optim.Adam(self.network.parameters(), self.rate)

    def _step(self, values: Tensor, labels: Tensor, left: float) -> None:
        moments = torch.randint(1, MOMENTS + 1, (len(labels),))
        kept, noise = self._kept[moments], torch.randn_like(values)
        kept = kept.view(-1, *(1,) * len(self.what.shape))
        noisy = kept.sqrt() * values + (1.0 - kept).sqrt() * noise
        found = self.network(noisy, labels, moments / MOMENTS)
        for group in self._adam.param_groups:
            group["lr"] = self.rate * left
        loss = (found - noise).square().mean()
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()

    def _make(self, labels: Tensor, draws: torch.Generator) -> Tensor:
        x = torch.randn(len(labels), *self.what.shape, generator=draws)
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


SCANS: Final = What((1, PIXELS, PIXELS), 2, turned)
KINDS: Final[dict[Kind, type[Maker]]] = {"gan": Gan, "diffusion": Diffusion}


def make_maker(kind: str, what: What | None = None) -> Maker:
    """A maker that has learnt nothing yet.

    Args:
        kind: "gan" or "diffusion".
        what: is to be made; scans by default.

    Raises:
        ArgumentError: there is no such kind.
    """
    if kind not in KINDS:
        raise ArgumentError(unknown("kind", kind, KINDS))
    return KINDS[kind](what or SCANS)


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

    def fill(new: Path) -> None:
        write_tensors(new / WEIGHTS, _arrays(maker))
        beside(new)

    write_made(folder, RECORD, record, fill)


def load_maker(folder: Path, what: What | None = None) -> tuple[Maker, MakerRecord]:
    """Loads a saved maker; nothing in the folder is executed.

    Args:
        folder: that `save_maker` wrote.
        what: it makes; scans by default.

    Raises:
        SavedFileError: it is none, or damaged.
    """
    record = read_model(folder / RECORD, MakerRecord)
    maker = make_maker(record.kind, what)
    arrays = read_tensors(folder / WEIGHTS, _arrays(maker))
    maker.network.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    maker.network.eval()
    return maker, record


def _arrays(maker: Maker) -> dict[str, NDArray[Any]]:
    return {name: tensor.numpy() for name, tensor in maker.network.state_dict().items()}
