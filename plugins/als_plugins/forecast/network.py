"""Networks over tracks: recurrent encoders, attention over others, and heads for what is asked.

- `Encoder`: a person's steps, and the others at each of them, to a vector for each step.
- `PathHead`: the ways on as a mixture of Gaussians over places.
- `GapHead`: places between those that were seen, a Gaussian each.
- `NextHead`: classes, for what somebody does next.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

__all__ = ["CELLS", "Encoder", "GapHead", "NextHead", "PathHead", "gaussian_loss", "mixture_loss"]

CELLS: Final = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
HEADS: Final = 2
WAVES: Final = 6
"""How many cosines over the horizon a path is a sum of."""

_LEAST: Final = 0.01
"""The smallest standard deviation, metres."""

_MOST_RHO: Final = 0.95


class SocialAttention(nn.Module):
    """Attention of a person over others at each step, and over nobody.

    The scaled dot product of Vaswani et al. (2017): the query is what is known of the person, keys
    and values are where the others are and how they move, seen from the person. A learned key
    stands for nobody, so that a person may be on their own.
    """

    def __init__(self, own: int, other: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.query = nn.Linear(own, width)
        self.embed = nn.Sequential(nn.Linear(other, width), nn.ReLU())
        self.key_value = nn.Linear(width, 2 * width)
        self.nobody = nn.Parameter(torch.zeros(2, width))

    def forward(self, own: Tensor, others: Tensor, there: Tensor) -> Tensor:
        """What the others mean to each person.

        Args:
            own: (windows, steps, own).
            others: (windows, others, steps, other).
            there: (windows, others, steps) bool.

        Returns:
            (windows, steps, width).
        """
        windows, count, steps, _ = others.shape
        shape = (windows, count, steps, HEADS, self.width // HEADS)
        query = self.query(own).view(windows, 1, steps, *shape[3:]) / math.sqrt(shape[-1])
        key, value = self.key_value(self.embed(others)).chunk(2, dim=-1)
        no_key, no_value = self.nobody.view(2, 1, 1, 1, *shape[3:])
        # Products that are summed: einsum would multiply a hundred thousand tiny matrices.
        score = (query * key.reshape(shape)).sum(dim=-1)
        score = score.masked_fill(~there[..., None], -math.inf)
        share = torch.cat([score, (query * no_key).sum(dim=-1)], dim=1).softmax(dim=1)[..., None]
        read = (share[:, :-1] * value.reshape(shape)).sum(dim=1) + share[:, -1] * no_value[:, 0]
        found: Tensor = read.reshape(windows, steps, self.width)
        return found


class Encoder(nn.Module):
    """Reads steps in order, or in both orders.

    Attributes:
        width: of what it makes of each step.
    """

    def __init__(
        self, cell: str, hidden: int, own: int = 4, other: int = 4, *, social: bool, both: bool
    ) -> None:
        """Makes one.

        Args:
            cell: "rnn", "lstm" or "gru".
            hidden: width of the state, a multiple of 4.
            own: numbers of a person at a step.
            other: numbers of another person at a step.
            social: whether it looks at others.
            both: whether it reads from the end as well.
        """
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(own, hidden), nn.ReLU())
        around = hidden // 2 if social else 0
        self.attention = SocialAttention(hidden, other, around) if social else None
        self.cell = CELLS[cell](hidden + around, hidden, batch_first=True, bidirectional=both)
        self.width = hidden * (2 if both else 1)

    def forward(self, own: Tensor, others: Tensor, there: Tensor) -> Tensor:
        """Encodes windows.

        Args:
            own: (windows, steps, own).
            others: (windows, others, steps, other).
            there: (windows, others, steps) bool.

        Returns:
            (windows, steps, width).
        """
        read = self.embed(own)
        if self.attention is not None:
            read = torch.cat([read, self.attention(read, others, there)], dim=-1)
        states: Tensor = self.cell(read)[0]
        return states


class PathHead(nn.Module):
    """A mixture of Gaussians for each step ahead, about going on with the last velocity.

    At first it says what constant velocity says, with a spread that grows with time. What it says
    changes smoothly over the steps: it is a sum of a few cosines.
    """

    def __init__(self, width: int, modes: int, horizon: int, time_step: float) -> None:
        super().__init__()
        self.modes, self.waves = modes, min(WAVES, horizon)
        self.hidden = nn.Sequential(nn.Linear(width, width), nn.ReLU())
        self.weight = nn.Linear(width, modes)
        self.path = nn.Linear(width, modes * self.waves * 5)
        with torch.no_grad():
            self.path.weight.mul_(0.3)
            self.path.bias.zero_()
            # Modes that began alike would stay alike.
            self.path.bias.view(modes, self.waves, 5)[:, 0, :2] = torch.randn(modes, 2) * 0.3
        step = torch.arange(horizon, dtype=torch.float32)
        self.register_buffer("ahead", (step + 1) * time_step, persistent=False)
        wave = torch.arange(self.waves, dtype=torch.float32)[:, None]
        cosines = torch.cos(math.pi * wave * (step + 0.5) / horizon)
        self.register_buffer("cosines", cosines, persistent=False)

    def forward(self, states: Tensor, velocity: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The mixture in the person's frame.

        Args:
            states: (windows, steps, width), of which the last one counts.
            velocity: (windows, 2), metres a second.

        Returns:
            Logarithms of weights (windows, modes), means (windows, modes, horizon, 2), standard
            deviations (the same), and correlations (windows, modes, horizon).
        """
        read = self.hidden(states[:, -1])
        out = self.path(read).view(-1, self.modes, self.waves, 5)
        out = torch.einsum("bmwk,wt->bmtk", out, self.cosines)
        ahead: Tensor = self.ahead[:, None]  # type: ignore[index]
        mean = ahead * (velocity[:, None, None] + out[..., :2])
        spread = _LEAST + 0.7 * ahead * nn.functional.softplus(out[..., 2:4])
        rho = _MOST_RHO * torch.tanh(out[..., 4])
        return self.weight(read).log_softmax(dim=-1), mean, spread, rho


class GapHead(nn.Module):
    """How far places are from the curve over a gap, a Gaussian at each step."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Linear(width, 4)
        with torch.no_grad():
            last.weight.mul_(0.1)
        self.out = nn.Sequential(nn.Linear(width, width), nn.ReLU(), last)

    def forward(self, states: Tensor, stray: Tensor) -> tuple[Tensor, Tensor]:
        """Means and standard deviations, (windows, steps, 2) metres, in the frame.

        Args:
            states: (windows, steps, width).
            stray: (windows, steps, 1), the unit of both.
        """
        out = self.out(states)
        spread = nn.functional.softplus(out[..., 2:] - 1.0)
        return out[..., :2] * stray, _LEAST + spread * stray


class NextHead(nn.Module):
    """Scores of what somebody does next: classes, and one for each of some things."""

    def __init__(self, width: int, classes: int, things: bool) -> None:
        super().__init__()
        self.out = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, classes))
        self.things = (
            nn.Sequential(nn.Linear(width + 4, width), nn.ReLU(), nn.Linear(width, 1))
            if things
            else None
        )

    def forward(self, states: Tensor, things: Tensor, there: Tensor) -> Tensor:
        """Logits, (windows, classes), then one for each thing.

        Args:
            states: (windows, steps, width), of which the last one counts.
            things: (windows, things, 4): place in the frame, distance, and angle off the way.
            there: (windows, things) bool.
        """
        read = states[:, -1]
        scores: Tensor = self.out(read)
        if self.things is None:
            return scores
        wide = read[:, None].expand(-1, things.shape[1], -1)
        each = self.things(torch.cat([wide, things], dim=-1))[..., 0]
        return torch.cat([scores, each.masked_fill(~there, -1e9)], dim=-1)


def mixture_loss(mixture: tuple[Tensor, Tensor, Tensor, Tensor], places: Tensor) -> Tensor:
    """The negative logarithm of the density of places, mean over windows and steps.

    Args:
        mixture: as `PathHead` returns it.
        places: (windows, horizon, 2) metres, in the frame.
    """
    weight, mean, spread, rho = mixture
    x, y = ((places[:, None] - mean) / spread).unbind(dim=-1)
    rest = 1 - rho * rho
    square = (x * x - 2 * rho * x * y + y * y) / rest
    volume = spread.log().sum(dim=-1) + 0.5 * rest.log() + math.log(2 * math.pi)
    each = weight[:, :, None] - 0.5 * square - volume
    return -each.logsumexp(dim=1).mean()


def gaussian_loss(mean: Tensor, spread: Tensor, places: Tensor, asked: Tensor) -> Tensor:
    """The same for one Gaussian with independent axes, over the steps that are asked for."""
    square = (((places - mean) / spread) ** 2).sum(dim=-1)
    each = 0.5 * square + spread.log().sum(dim=-1) + math.log(2 * math.pi)
    return (each * asked).sum() / asked.sum().clamp(min=1)
