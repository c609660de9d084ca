"""Runs the steps of a pretraining: encoder, objectives and optimizer."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import torch
from torch import Tensor, nn

from als_engine.errors import ArgumentError
from als_engine.limits import check_memory
from als_engine.seeding import spread
from als_plugins.encoders.base import Encoder
from als_plugins.encoders.saving import make_encoder
from als_plugins.pretraining.batches import Order, clip_of, clips
from als_plugins.pretraining.checkpoint import Counters, read_checkpoint, write_checkpoint
from als_plugins.pretraining.group import Group
from als_plugins.pretraining.job import Job
from als_plugins.pretraining.objectives import Clip, Objective, make_objectives

if TYPE_CHECKING:
    from als_plugins.experience.dataset import Experience, Windows

__all__ = ["Network", "Trainer", "held_out_clips"]

WARM_UP: Final = 0.05  # of the steps
STEEPEST: Final = 1.0  # the norm that gradients are clipped to
HELD_OUT: Final = 512  # windows at most that the held-out loss is a mean over


class Network(nn.Module):
    """The network that is trained: an encoder and its objectives."""

    def __init__(self, encoder: Encoder, objectives: Mapping[str, Objective]) -> None:
        super().__init__()
        self.encoder = encoder
        self.objectives = nn.ModuleDict(objectives)

    def objective(self, name: str) -> Objective:
        """One of the objectives."""
        return cast("Objective", self.objectives[name])

    def loss(self, clip: Clip, weights: Mapping[str, float]) -> tuple[Tensor, dict[str, float]]:
        """The weighted sum, and what the objectives log of it."""
        losses, logged = [], {}
        for name, weight in weights.items():
            loss, numbers = self.objective(name).loss(self.encoder, clip)
            losses.append(weight * loss)
            logged[name] = float(loss.detach())
            logged |= {f"{name}/{key}": value for key, value in numbers.items()}
        return torch.stack(losses).sum(), logged

    def update(self) -> None:
        """Tells the objectives of a step."""
        for objective in self.objectives.values():
            cast("Objective", objective).update(self.encoder)

    def kept(self) -> dict[str, Tensor]:
        """Copies of the weights; of the momentum encoders there are none, they can be spared."""
        return {
            name: tensor.detach().clone()
            for name, tensor in self.state_dict().items()
            if ".slow." not in name
        }


class Trainer:
    """Takes steps, measures the held-out loss, and keeps what was best.

    Attributes:
        network: as far as it has come.
        counters: how far that is.
        best: the weights at the lowest held-out loss.
    """

    def __init__(self, job: Job, experience: Experience, group: Group | None = None) -> None:
        """Builds everything; torch's random numbers are seeded.

        Raises:
            ArgumentError: there is too little experience, or an argument does not fit it.
        """
        self.job, self.experience, self.group = job, experience, group or Group()
        self.device = _device(job.device)
        torch.manual_seed(spread("pretraining", job.seed))
        encoder = make_encoder(job.encoder, experience.observation_space, job.config)
        objectives = make_objectives(job.objectives, encoder, experience.action_space)
        encoder.standardise(experience.statistics)
        for objective in objectives.values():
            objective.standardise(experience.statistics)
        self.network = Network(encoder, objectives).to(self.device)
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=job.learning_rate, weight_decay=job.weight_decay, fused=True
        )
        self.counters = Counters()
        self.best: dict[str, Tensor] = {}
        length = max(objective.length for objective in objectives.values())
        ends = any(objective.ends for objective in objectives.values())
        spaces = experience.observation_space.values()
        values = sum(math.prod(space.shape or ()) for space in spaces)
        # Networks read float32.
        check_memory(
            f"batch={job.batch}: so many windows of {length} steps",
            4 * job.batch * (length + 1) * values,
        )
        self.windows = experience.part("train").windows(length, ends)
        self.held_out = experience.part("validation").windows(length, ends)
        self.order = Order(len(self.windows), self._batch(length), job.seed)

    def clips(self) -> Generator[Clip, None, None]:
        """The batches that are still to come."""
        steps = range(self.counters.step, self.job.steps)
        return clips(self.windows, self.order, steps, self.group, self.device)

    def step(self, clip: Clip, stop: bool = False) -> tuple[dict[str, float], bool]:
        """Takes a gradient step.

        Args:
            clip: this process's share of the batch.
            stop: whether this process has been asked to stop.

        Returns:
            What is to be logged, and whether any process has been asked to stop.

        Raises:
            ArgumentError: the loss is not finite; the weights are as they were.
        """
        step = self.counters.step
        # For dropout; what objectives draw comes from the clip.
        torch.manual_seed(spread("pretraining dropout", self.job.seed, step, self.group.rank))
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = rate = self._rate(step)
        self.optimizer.zero_grad(set_to_none=True)
        loss, logged = self.network.loss(clip, self.job.objectives)
        loss.backward()  # type: ignore[no-untyped-call]
        numbers = torch.tensor([float(loss.detach()), float(stop)])
        whole, stopping = self.group.average(self.parameters, numbers).tolist()
        norm = float(nn.utils.clip_grad_norm_(self.parameters, STEEPEST))
        if not (math.isfinite(whole) and math.isfinite(norm)):
            raise ArgumentError(
                f"the loss is not finite any more at step {step + 1}: begin anew with a "
                f"learning rate below {self.job.learning_rate:g}"
            )
        self.optimizer.step()
        self.network.update()
        self.counters = self.counters.model_copy(update={"step": step + 1})
        return {"loss": whole, "gradient": norm, "rate": rate, **logged}, stopping > 0

    def evaluate(self) -> float | None:
        """Measures the held-out loss and keeps the weights if it has never been lower.

        Returns:
            The loss; None where nothing is held out, when the newest weights are the best.
        """
        counters, loss = self.counters, None
        if len(self.held_out):
            loss = self.group.told(self._held_out_loss() if self.group.leads else 0.0)
        lower = loss is None or counters.best is None or loss < counters.best
        if lower:
            self.best = self.network.kept()
            changes = {"best": loss, "best_step": counters.step, "waited": 0}
        else:
            changes = {"waited": counters.waited + 1}
        self.counters = counters.model_copy(update=changes)
        return loss

    def done(self) -> bool:
        """Whether it has taken all steps, or none of the last ones was of any use."""
        job = self.job
        return self.counters.step >= job.steps or self.counters.waited >= job.patience

    def save(self, folder: Path) -> None:
        """Writes a checkpoint's files."""
        write_checkpoint(
            folder, self.counters, self.network.state_dict(), self.best, self.optimizer
        )

    def load(self, folder: Path) -> None:
        """Goes back to a checkpoint.

        Raises:
            SavedFileError: it is damaged, or of another pretraining.
        """
        self.counters, best = read_checkpoint(folder, self.network, self.optimizer)
        self.best = {name: tensor.to(self.device) for name, tensor in best.items()}

    def restore_best(self) -> None:
        """Puts the best weights into the network."""
        self.network.load_state_dict(self.best, strict=False)

    def _held_out_loss(self) -> float:
        self.network.eval()
        with torch.no_grad():
            losses = [
                float(self.network.loss(clip, self.job.objectives)[0])
                for clip in held_out_clips(self.held_out, self.order.batch, self.device)
            ]
        loss = float(np.mean(losses))
        if not math.isfinite(loss):
            raise ArgumentError(
                f"the held-out loss is not finite at step {self.counters.step}: begin anew with "
                f"a learning rate below {self.job.learning_rate:g}"
            )
        return loss

    def _rate(self, step: int) -> float:
        """Rises for a twentieth of the steps, then falls to 0 by half a cosine."""
        job = self.job
        warm = max(1, round(WARM_UP * job.steps))
        if step < warm:
            return job.learning_rate * (step + 1) / warm
        progress = (step - warm) / max(1, job.steps - warm)
        return job.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))

    def _batch(self, length: int) -> int:
        """How many windows a step takes: no more than there are, shared out evenly."""
        count, size = len(self.windows), self.group.size
        if self.job.batch % size:
            raise ArgumentError(
                f"batch={self.job.batch} cannot be shared out evenly to {size} processes"
            )
        batch = min(self.job.batch, count // size * size)
        if batch < 2:
            raise ArgumentError(
                f"the dataset has {count} runs of {length} consecutive steps to train on: "
                "collect more episodes"
            )
        return batch


def held_out_clips(windows: Windows, batch: int, device: torch.device) -> Iterable[Clip]:
    """The same held-out windows with the same masks, whenever they are asked for."""
    rng = np.random.default_rng(spread("pretraining held out", 0))
    chosen = rng.permutation(len(windows))[:HELD_OUT]
    for begin in range(0, len(chosen), batch):
        window = windows.take(chosen[begin : begin + batch])
        yield clip_of(window, spread("pretraining held out", 0, begin), Group(), device)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ArgumentError("device=cuda: torch finds no CUDA device here; use cpu or auto")
    return torch.device(name)
