"""The parts of a transformer: self-attention, blocks, pooling, and how attention adds up."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

__all__ = ["Attention", "Block", "Pooling", "packed", "rollout"]


class Attention(nn.Module):
    """Every token looks at all that are present (Vaswani et al. 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inwards = nn.Linear(width, 3 * width)
        self.outwards = nn.Linear(width, width)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """(rows, tokens, width) to the same; `present` is (rows, tokens) bool."""
        query, key, value = self._parts(x)
        mixed = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=present[:, None, None]
        )
        return cast("Tensor", self.outwards(mixed.transpose(1, 2).flatten(2)))

    def weights(self, x: Tensor, present: Tensor) -> Tensor:
        """(rows, heads, tokens, tokens): how much each token takes from each."""
        query, key, _ = self._parts(x)
        return weights(query, key, present)

    def _parts(self, x: Tensor) -> tuple[Tensor, ...]:
        parts = self.inwards(x).view(*x.shape[:2], 3, self.heads, -1)
        return cast("tuple[Tensor, ...]", parts.permute(2, 0, 3, 1, 4).unbind())


class Block(nn.Module):
    """Attention and a small network for each token, both added to what was there.

    What goes into each is normalised, as in Xiong et al. (2020), "On layer normalization in the
    transformer architecture".
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.between = nn.LayerNorm(width)
        self.net = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """(rows, tokens, width) to the same."""
        x = x + self.dropout(self.attention(self.before(x), present))
        return cast("Tensor", x + self.dropout(self.net(self.between(x))))

    def weights(self, x: Tensor, present: Tensor) -> Tensor:
        """(rows, heads, tokens, tokens): how much each token takes from each."""
        return self.attention.weights(self.before(x), present)


class Pooling(nn.Module):
    """A few learned queries look at the tokens: one vector, whatever their number.

    Lee et al. (2019), "Set transformer", section 3.2.
    """

    def __init__(self, width: int, heads: int, queries: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Parameter(torch.randn(queries, width))
        self.inwards = nn.Linear(width, 2 * width)
        self.size = queries * width

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """(rows, tokens, width) to (rows, size)."""
        query, key, value = self._parts(x)
        pooled = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=present[:, None, None]
        )
        return pooled.transpose(1, 2).flatten(1)

    def weights(self, x: Tensor, present: Tensor) -> Tensor:
        """(rows, heads, queries, tokens): how much each query takes from each token."""
        query, key, _ = self._parts(x)
        return weights(query, key, present)

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = self.inwards(x).view(*x.shape[:2], 2, self.heads, -1)
        key, value = parts.permute(2, 0, 3, 1, 4)
        query = self.queries.view(len(self.queries), self.heads, -1).transpose(0, 1)
        return query.expand(len(x), -1, -1, -1), key, value


def weights(query: Tensor, key: Tensor, present: Tensor) -> Tensor:
    """What `scaled_dot_product_attention` weighs by, which it does not tell."""
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    return scores.masked_fill(~present[:, None, None], -torch.inf).softmax(-1)


def rollout(blocks: list[Tensor], pooling: Tensor) -> Tensor:
    """How much every token weighs in the end.

    Abnar and Zuidema (2020), "Quantifying attention flow in transformers": heads are averaged, what
    a block adds to counts as half of what comes out, and blocks are multiplied.

    Args:
        blocks: of each block, (rows, heads, tokens, tokens).
        pooling: (rows, heads, queries, tokens).

    Returns:
        (rows, tokens), which sum to 1.
    """
    weight = pooling.mean(dim=(1, 2))
    for block in reversed(blocks):
        weight = 0.5 * weight + 0.5 * (weight[:, None] @ block.mean(1))[:, 0]
    return weight


def packed(x: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Puts the tokens that are present first, and cuts off what is present in no row.

    Returns:
        The tokens, which are present, and (rows, kept) the places that they come from.
    """
    kept = int(present.sum(1).max())
    order = present.int().argsort(dim=1, descending=True, stable=True)[:, :kept]
    gathered = x.gather(1, order[..., None].expand(-1, -1, x.shape[2]))
    return gathered, present.gather(1, order), order
