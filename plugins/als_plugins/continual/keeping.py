"""What keeps what was learnt before, by several methods.

A method says which encoder a scenario reads through, and what is added to the loss while the next
one is learnt.

- `nothing`: all scenarios share an encoder, and each changes it as it likes.
- `replay`: some demonstrated steps of earlier scenarios are kept, and learnt from again.
- `ewc`: weights that earlier scenarios depend on are held back (Kirkpatrick et al. 2017,
  "Overcoming catastrophic forgetting in neural networks").
- `lora`: the first scenario's encoder stays as it is; each later one has low-rank additions of its
  own (Hu et al. 2022).
- `alone`: each scenario has an encoder of its own, from the beginning: nothing is shared.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from als_plugins.continual.records import Method, SequenceJob
from als_plugins.continual.showing import Shown
from als_plugins.encoders.base import Encoder
from als_plugins.encoders.tuning import tuned
from als_plugins.mappo.student import MappoStudent

__all__ = ["Keeping", "make_keeping"]

SAMPLES: Final = 256
"""Demonstrated steps by which `ewc` finds what matters."""


class Keeping:
    """The method `nothing`, and what the others have in common.

    Attributes:
        encoder: what all scenarios share, or begin from.
    """

    def __init__(self, job: SequenceJob, encoder: Encoder) -> None:
        """Takes over the encoder, whose weights are random still."""
        self.job, self.encoder = job, encoder

    def encoder_for(self, number: int) -> Encoder:
        """What a scenario reads through, by its number in the order."""
        return self.encoder

    def learns(self, students: list[MappoStudent]) -> list[nn.Parameter]:
        """The weights that change while the last of these scenarios is learnt."""
        return _learning(students[-1].policy)

    def loss(self, students: list[MappoStudent], rng: np.random.Generator) -> Tensor | None:
        """What is added to the loss of the last scenario, if anything.

        Args:
            students: of all scenarios so far.
            rng: draws what is looked at.
        """
        return None

    def remember(self, student: MappoStudent, shown: Shown, rng: np.random.Generator) -> None:
        """Takes note of a scenario that was learnt just now."""


class Replay(Keeping):
    """See the module."""

    def __init__(self, job: SequenceJob, encoder: Encoder) -> None:
        """Nothing is kept yet."""
        super().__init__(job, encoder)
        self._kept: list[Shown] = []

    def learns(self, students: list[MappoStudent]) -> list[nn.Parameter]:
        """All of all scenarios."""
        return list(dict.fromkeys(w for each in students for w in _learning(each.policy)))

    def loss(self, students: list[MappoStudent], rng: np.random.Generator) -> Tensor | None:
        """How unlikely what was shown earlier has become, in one scenario, drawn at random."""
        if not self._kept:
            return None
        number = int(rng.integers(len(self._kept)))
        kept = self._kept[number]
        places = rng.integers(len(kept.actions), size=self.job.batch)
        logs, _, _ = students[number].judge(kept.batch(places))
        return -logs.mean()

    def remember(self, student: MappoStudent, shown: Shown, rng: np.random.Generator) -> None:
        """Keeps some of what was shown."""
        self._kept.append(shown.some(self.job.kept, rng))


class ElasticWeights(Keeping):
    """See the module."""

    def __init__(self, job: SequenceJob, encoder: Encoder) -> None:
        """Nothing is held back yet."""
        super().__init__(job, encoder)
        self._held: list[tuple[list[Tensor], list[Tensor]]] = []

    def loss(self, students: list[MappoStudent], rng: np.random.Generator) -> Tensor | None:
        """How far the encoder has come from what earlier scenarios need."""
        if not self._held:
            return None
        weights = _learning(self.encoder)
        away = [
            (matters * (weight - before).square()).sum()
            for befores, all_matter in self._held
            for weight, before, matters in zip(weights, befores, all_matter, strict=True)
        ]
        return 0.5 * self.job.strength * torch.stack(away).sum()

    def remember(self, student: MappoStudent, shown: Shown, rng: np.random.Generator) -> None:
        """Finds how much each of the encoder's weights matters: the diagonal of Fisher's matrix.

        It is scaled to a mean of 1, so that the strength means the same in every scenario.
        """
        weights = _learning(self.encoder)
        squares = [torch.zeros_like(weight) for weight in weights]
        student.train(False)
        draws = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        for place in rng.permutation(len(shown.actions))[:SAMPLES]:
            batch = shown.batch(np.array([place]))
            with torch.no_grad():
                policy, _ = student.learner.masked_distribution(batch.observation)
                own = policy.sample(draws).cpu().numpy()
            logs, _, _ = student.judge(replace(batch, actions=own))
            found = torch.autograd.grad(logs.sum(), weights, allow_unused=True)
            for square, gradient in zip(squares, found, strict=True):
                if gradient is not None:
                    square += gradient.square()
        mean = sum(float(square.sum()) for square in squares) / sum(s.numel() for s in squares)
        matters = [square / max(mean, 1e-30) for square in squares]
        self._held.append(([weight.detach().clone() for weight in weights], matters))


class LowRank(Keeping):
    """See the module."""

    def encoder_for(self, number: int) -> Encoder:
        """The first one, or a copy of it with additions."""
        if number == 0:
            return self.encoder
        # The weights themselves are the first one's, which learns no more.
        shared = {id(weight): weight for weight in self.encoder.parameters()}
        return tuned(deepcopy(self.encoder, shared), "lora", self.job.rank)


class Alone(Keeping):
    """See the module."""

    def __init__(self, job: SequenceJob, encoder: Encoder) -> None:
        """Keeps how it was before anything was learnt."""
        super().__init__(job, encoder)
        self._fresh = deepcopy(encoder)

    def encoder_for(self, number: int) -> Encoder:
        """A new one."""
        return deepcopy(self._fresh)


_METHODS: Final[dict[Method, type[Keeping]]] = {
    "nothing": Keeping,
    "replay": Replay,
    "ewc": ElasticWeights,
    "lora": LowRank,
    "alone": Alone,
}


def make_keeping(job: SequenceJob, encoder: Encoder) -> Keeping:
    """The method that was asked for."""
    return _METHODS[job.method](job, encoder)


def _learning(network: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in network.parameters() if weight.requires_grad]
