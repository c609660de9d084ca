"""A linear layer with fewer weights, or with weights and inputs of 8 bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

__all__ = ["Bits", "SmallLinear", "kept_of", "replace_layers"]

Bits = Literal[8, 32]

_LARGEST: Final = 127
_EXACT: Final = 1_024
"""So many products of two numbers up to 127 add up to less than 2**24: exact in float32."""


class SmallLinear(nn.Module):
    """`nn.Linear` for acting alone; it learns nothing any more.

    Of each layer the weights that are largest in size are kept, the others are 0 and are not
    stored (Han et al. 2015, "Learning both weights and connections for efficient neural networks").
    With 8 bits, each output has a scale for its weights, and each row of inputs one of its own that
    is found while it acts ("dynamic" quantisation). Products and sums are those of whole numbers,
    which float32 does exactly: a row gives the same bits whatever the other rows are, on any
    processor.
    """

    scale: Tensor
    where: Tensor

    def __init__(
        self, inputs: int, outputs: int, has_bias: bool, bits: Bits = 8, kept: float = 1.0
    ) -> None:
        """Makes a layer whose weights are still to be filled in.

        Args:
            inputs: how many numbers it reads.
            outputs: how many it gives.
            has_bias: whether something is added to each output.
            bits: of a weight, 8 or 32.
            kept: the part of the weights that is stored, above 0 and up to 1.
        """
        super().__init__()
        self.in_features, self.out_features, self.bits = inputs, outputs, bits
        stored = kept_of(inputs * outputs, kept)
        kind = torch.int8 if bits == 8 else torch.float32
        self.register_buffer("values", torch.zeros(stored, dtype=kind))
        if bits == 8:
            self.register_buffer("scale", torch.ones(outputs))
        if stored < inputs * outputs:
            self.register_buffer("where", torch.zeros(-(-inputs * outputs // 8), dtype=torch.uint8))
        # A parameter, so that whoever asks a network for its device finds one.
        bias = nn.Parameter(torch.zeros(outputs), requires_grad=False) if has_bias else None
        self.bias = bias
        self._dense: Tensor | None = None

    @classmethod
    def of(cls, layer: nn.Linear, bits: Bits, kept: float) -> SmallLinear:
        """A small layer that does what another does, as well as it can."""
        made = cls(layer.in_features, layer.out_features, layer.bias is not None, bits, kept)
        weight = layer.weight.detach().float().cpu()
        flat = weight.flatten()
        stored = len(made.get_buffer("values"))
        order = flat.abs().argsort(descending=True, stable=True)[:stored].sort().values
        chosen = torch.zeros(len(flat), dtype=torch.bool)
        chosen[order] = True
        if bits == 8:
            largest = (weight * chosen.view_as(weight)).abs().amax(1)
            made.scale.copy_(largest.clamp_min(torch.finfo(torch.float32).tiny * 256) / _LARGEST)
            whole = (weight / made.scale[:, None]).round().clamp(-_LARGEST, _LARGEST)
            made.get_buffer("values").copy_(whole.flatten()[order].to(torch.int8))
        else:
            made.get_buffer("values").copy_(flat[order])
        if stored < len(flat):
            made.where.copy_(_packed(chosen))
        if made.bias is not None:
            made.bias.data.copy_(layer.bias.detach())
        return made

    @property
    def weight(self) -> Tensor:
        """The weights as numbers, (outputs, inputs) float32, made anew at each call."""
        whole = self._whole()
        return whole * self.scale[:, None] if self.bits == 8 else whole.clone()

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        if self._dense is None:
            self._dense = self._whole()
        if self.bits == 32:
            return nn.functional.linear(x, self._dense, self.bias)
        largest = x.abs().amax(-1, keepdim=True)
        scale = largest.clamp_min(torch.finfo(torch.float32).tiny * 256) / _LARGEST
        whole = (x / scale).round()
        found = _product(whole, self._dense) * (scale * self.scale)
        return found if self.bias is None else found + self.bias

    def check(self) -> None:
        """Compares the marks of what is stored with what is there.

        Raises:
            ValueError: they do not fit.
        """
        stored, size = len(self.get_buffer("values")), self.in_features * self.out_features
        if stored < size and int(_unpacked(self.where, size).sum()) != stored:
            raise ValueError(f"of {size} weights {stored} are stored, and not as many are marked")

    def _whole(self) -> Tensor:
        """The weights as they are stored, 0 where none is, (outputs, inputs) float32."""
        values = self.get_buffer("values").float()
        size = self.in_features * self.out_features
        if len(values) < size:
            dense = values.new_zeros(size)
            dense[_unpacked(self.where, size)] = values
            values = dense
        return values.view(self.out_features, self.in_features)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], *rest: Any) -> None:
        super()._load_from_state_dict(state_dict, *rest)
        self._dense = None


def kept_of(weights: int, kept: float) -> int:
    """How many of so many weights are kept; one at least."""
    return min(weights, max(1, round(kept * weights)))


def replace_layers(network: nn.Module, bits: Bits, kept: float) -> int:
    """Puts a small layer in the place of every `nn.Linear`; returns how many there were."""
    found = 0
    for module in list(network.modules()):
        for name, part in list(module.named_children()):
            if type(part) is nn.Linear:
                setattr(module, name, SmallLinear.of(part, bits, kept))
                found += 1
    return found


def _product(x: Tensor, weight: Tensor) -> Tensor:
    """Exactly, as long as all are whole numbers up to 127."""
    if x.shape[-1] <= _EXACT:
        return x @ weight.t()
    total = torch.zeros((), dtype=torch.float64)
    for low in range(0, x.shape[-1], _EXACT):
        piece = slice(low, low + _EXACT)
        total = total + (x[..., piece] @ weight[:, piece].t()).double()
    return total.float()


def _packed(chosen: Tensor) -> Tensor:
    """Eight marks in a byte, (n,) bool to (n / 8, rounded up) uint8."""
    padded = nn.functional.pad(chosen, (0, -len(chosen) % 8)).view(-1, 8)
    return (padded * _powers()).sum(1).to(torch.uint8)


def _unpacked(packed: Tensor, size: int) -> Tensor:
    """What `_packed` was made of."""
    return ((packed[:, None] & _powers()) != 0).flatten()[:size]


def _powers() -> Tensor:
    return torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8)
