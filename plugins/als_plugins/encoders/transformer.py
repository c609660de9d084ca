"""The parts of a transformer: attention, blocks of queries that read tokens, and how it adds up.

Tokens are many and queries few, so queries read tokens and one another, and tokens do not look at
all other tokens: the cost grows with their number and not with its square. Jaegle et al. (2021),
"Perceiver: general perception with iterative attention"; that queries and tokens share one softmax
is from Alayrac et al. (2022), "Flamingo", section 2.1.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

__all__ = ["Answer", "Block", "Reading", "attend", "rollout", "weigh"]


class Reading(nn.Module):
    """The keys and values of the tokens for the queries of all blocks, made once."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.inwards = nn.Linear(width, 2 * width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(rows, tokens, width) to keys and values, each (rows, heads, tokens, width / heads)."""
        key, value = heads_of(self.inwards(self.norm(x)), 2, self.heads)
        return key, value


class Block(nn.Module):
    """Queries look at tokens and one another, and each then goes through a small network.

    Both are added to what was there, and what goes into each is normalised: Xiong et al. (2020),
    "On layer normalization in the transformer architecture".
    """

    def __init__(self, width: int, heads: int, dropout: float, top: int = 0) -> None:
        super().__init__()
        self.heads, self.top = heads, top
        self.before = nn.LayerNorm(width)
        self.inwards = nn.Linear(width, 3 * width)
        self.outwards = nn.Linear(width, width)
        self.net = small_net(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, read: tuple[Tensor, Tensor], present: Tensor) -> Tensor:
        """(rows, queries, width) to the same; `present` is (rows, tokens + queries) bool."""
        mixed = attend(*self.looking(queries, read), present, self.top)
        queries = queries + self.dropout(self.outwards(mixed))
        return cast("Tensor", queries + self.dropout(self.net(queries)))

    def looking(self, x: Tensor, read: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, and the keys and values of tokens and queries together."""
        query, key, value = heads_of(self.inwards(self.before(x)), 3, self.heads)
        return query, torch.cat([read[0], key], 2), torch.cat([read[1], value], 2)


class Answer(nn.Module):
    """Tokens ask the queries: what became of each of them, seen in the light of all.

    Jaegle et al. (2022), "Perceiver IO: a general architecture for structured inputs and outputs".
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.inwards = nn.Linear(width, width)
        self.read = Reading(width, heads)
        self.outwards = nn.Linear(width, width)
        self.net = small_net(width)
        self.after = nn.LayerNorm(width)

    def forward(self, x: Tensor, queries: Tensor) -> Tensor:
        """(rows, tokens, width) to the same."""
        (asked,) = heads_of(self.inwards(self.before(x)), 1, self.heads)
        key, value = self.read(queries)
        x = x + self.outwards(attend(asked, key, value, None))
        return cast("Tensor", self.after(x + self.net(x)))


def attend(
    query: Tensor, key: Tensor, value: Tensor, present: Tensor | None, top: int = 0
) -> Tensor:
    """(rows, queries, width) of what is looked at; `present` is (rows, keys) bool."""
    # Queries are few; torch's own function is made for many.
    return (weigh(query, key, present, top) @ value).transpose(1, 2).flatten(2)


def weigh(query: Tensor, key: Tensor, present: Tensor | None, top: int = 0) -> Tensor:
    """The weights of `attend`, (rows, heads, queries, keys); with `top` only the largest."""
    scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-2, -1)
    if present is not None:
        scores = scores.masked_fill(~present[:, None, None], -torch.inf)
    if 0 < top < scores.shape[-1]:
        least = scores.topk(top, -1).values[..., -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    return scores.softmax(-1)


def rollout(blocks: list[Tensor]) -> Tensor:
    """The weight of every token in the queries after all blocks.

    Abnar and Zuidema (2020), "Quantifying attention flow in transformers": heads are averaged, what
    a block adds to counts as half of what comes out, and what queries have of one another is what
    those had of the tokens. What comes from the queries' own learned beginning is left out.

    Args:
        blocks: of each block, (rows, heads, queries, tokens + queries).

    Returns:
        (rows, tokens), which sum to 1, or to 0 where no token is present.
    """
    count = blocks[0].shape[2]
    tokens = blocks[0].shape[3] - count
    had = blocks[0].new_zeros(len(blocks[0]), count, tokens)
    for block in blocks:
        weights = block.mean(1)
        had = 0.5 * had + 0.5 * (weights[..., :tokens] + weights[..., tokens:] @ had)
    weight = had.mean(1)
    return weight / weight.sum(1, keepdim=True).clamp_min(1e-12)


def heads_of(x: Tensor, parts: int, heads: int) -> tuple[Tensor, ...]:
    """(rows, n, parts * width) to `parts` times (rows, heads, n, width / heads)."""
    apart = x.view(*x.shape[:2], parts, heads, -1)
    return apart.permute(2, 0, 3, 1, 4).unbind()


def small_net(width: int) -> nn.Sequential:
    """The feed-forward network of each token or query."""
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
    )
