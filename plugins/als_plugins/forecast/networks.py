"""Encoder and head together, one network for each task, with what is learned from."""

from __future__ import annotations

from torch import Tensor, nn

from als_plugins.forecast.network import (
    Encoder,
    GapHead,
    NextHead,
    PathHead,
    gaussian_loss,
    mixture_loss,
)

__all__ = ["GapNetwork", "NextNetwork", "PathNetwork"]


class PathNetwork(nn.Module):
    """Where people will be."""

    def __init__(self, encoder: Encoder, head: PathHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(
        self, own: Tensor, others: Tensor, there: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The mixture of `PathHead`, from what `windows.features` makes."""
        found: tuple[Tensor, Tensor, Tensor, Tensor] = self.head(
            self.encoder(own, others, there), own[:, -1, 2:]
        )
        return found

    def loss(self, own: Tensor, others: Tensor, there: Tensor, future: Tensor) -> Tensor:
        """How unlikely the futures were, (windows, horizon, 2) metres in the frame."""
        return mixture_loss(self(own, others, there), future)


class GapNetwork(nn.Module):
    """Where people were while nobody saw them."""

    def __init__(self, encoder: Encoder, head: GapHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, own: Tensor, others: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Means and standard deviations at all steps, (windows, steps, 2) metres.

        Args:
            own: (windows, steps, 6): place and velocity, on a curve over the gap, in the frame;
                whether the person was seen; and how far a walk may have strayed, which is 0 at the
                ends of the gap, and highest in its middle.
            others: (windows, others, steps, 4).
            there: (windows, others, steps) bool.
        """
        away, spread = self.head(self.encoder(own, others, there), own[..., 5:])
        return own[..., :2] + away, spread

    def loss(self, own: Tensor, others: Tensor, there: Tensor, places: Tensor) -> Tensor:
        """How unlikely the places in the gaps were, (windows, steps, 2) metres in the frame."""
        mean, spread = self(own, others, there)
        return gaussian_loss(mean, spread, places, 1.0 - own[..., 4])


class NextNetwork(nn.Module):
    """What somebody does next."""

    def __init__(self, encoder: Encoder, head: NextHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(
        self, own: Tensor, others: Tensor, there: Tensor, things: Tensor, things_there: Tensor
    ) -> Tensor:
        """Logits of `NextHead`."""
        scores: Tensor = self.head(self.encoder(own, others, there), things, things_there)
        return scores

    def loss(
        self,
        own: Tensor,
        others: Tensor,
        there: Tensor,
        things: Tensor,
        things_there: Tensor,
        answer: Tensor,
    ) -> Tensor:
        """The cross-entropy of what was next, (windows,)."""
        return nn.functional.cross_entropy(self(own, others, there, things, things_there), answer)
