"""InfoNCE: of all the keys in a batch, find the one that belongs to a query."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

__all__ = ["fingerprints", "info_nce"]


def info_nce(queries: Tensor, keys: Tensor, positives: Tensor, scale: Tensor | float) -> Tensor:
    """The cross-entropy of finding a positive key for each query, (queries,).

    Args:
        queries: (queries, width), of unit length.
        keys: (keys, width), of unit length.
        positives: (queries, keys) bool; a query's chances are to be spread evenly over its own.
        scale: inverse temperature.
    """
    chances = torch.log_softmax(queries @ keys.T * scale, dim=1)
    wanted = positives.to(chances.dtype)
    return -(chances * wanted).sum(1) / wanted.sum(1)


def fingerprints(values: Tensor) -> Tensor:
    """A number for each row, the same for rows that are the same and for no others, (rows,)."""
    rows = values.detach().cpu().flatten(1).numpy()
    hashes = [
        int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=7).digest(), "little")
        for row in rows
    ]
    return torch.tensor(hashes, dtype=torch.int64, device=values.device)
