"""How a network acts in each row by itself: with one size, one product, one generator a row.

A row's action then is the same to the last bit whatever the other rows are, and an evaluation does
not depend on how many worlds it runs in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

__all__ = ["CHUNK", "RowStates", "RowWise", "choose", "filled"]

CHUNK: Final = 16
"""Rows that go through the network together; others are filled up with zeros."""


@dataclass(frozen=True)
class Held:
    """Decisions that last several steps.

    Attributes:
        actions: (rows, ...), what goes on in each row.
        left: (rows,), for how many steps.
    """

    actions: NDArray[Any]
    left: NDArray[np.int64]


@dataclass(frozen=True)
class RowStates:
    """The states of an agent's rows.

    Attributes:
        memory: of an LSTM, its parts (layers, rows, size); None where there is nothing yet.
        generators: one for each row, to sample with; None where nothing has been sampled yet.
        held: of an agent that holds its decisions, see `Held`.
    """

    memory: tuple[NDArray[Any], ...] | None = None
    generators: Sequence[np.random.Generator] | None = None
    held: Held | None = None


class RowWise(TorchFunctionMode):
    """Inside, linear layers give a row the same bits wherever it stands among the others."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls the function, or what stands in for it."""
        if function is torch.nn.functional.linear:
            return _linear(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))


def _linear(
    input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """As `torch.nn.functional.linear`, with a product for each row, all of one shape."""
    rows = input.reshape(len(input), -1, input.shape[-1])
    product = torch.bmm(rows, weight.t().expand(len(input), -1, -1))
    found = product.reshape(*input.shape[:-1], len(weight))
    return found if bias is None else found + bias


def choose(
    probabilities: torch.Tensor, generators: Sequence[np.random.Generator]
) -> NDArray[np.int64]:
    """One of several choices for every row, (rows,).

    Args:
        probabilities: (rows, choices).
        generators: of the first rows; those without one get an action as well.
    """
    rows = len(probabilities)
    sums = probabilities.double().cpu().numpy().cumsum(axis=1)
    even = np.zeros((rows, 1))
    even[: len(generators), 0] = [generator.random() for generator in generators]
    chosen = (sums <= even * sums[:, -1:]).sum(axis=1)
    index: NDArray[np.int64] = np.minimum(chosen, sums.shape[1] - 1)
    return index


def filled(array: NDArray[Any], axis: int = 0) -> NDArray[Any]:
    """The array with rows of zeros up to `CHUNK`."""
    missing = CHUNK - array.shape[axis]
    if missing == 0:
        return array
    widths = [(0, missing if i == axis else 0) for i in range(array.ndim)]
    return np.pad(array, widths)
