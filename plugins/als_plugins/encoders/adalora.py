"""AdaLoRA: low-rank additions to linear layers that share a budget of ranks, by what matters most.

Zhang et al. (2023), "Adaptive budget allocation for parameter-efficient fine-tuning". `peft` brings
the layers, in which an addition is B diag(E) A. Who gets which ranks is decided here, inside the
encoder: no learner knows of it, and it goes on from any checkpoint.
"""

from __future__ import annotations

import math
from typing import Any, Final, cast

import numpy as np
import torch
from torch import Tensor, nn

from als_plugins.encoders.base import Encoder

__all__ = ["RankBudget", "with_adalora"]

_NAME: Final = "default"
_SMOOTHING: Final = 0.85
"""Of sensitivity and of its uncertainty, as in the paper."""
_ORTHOGONAL: Final = 0.5
"""The weight of how far A and B are from orthogonal, as in the paper."""


def with_adalora(encoder: Encoder, linear: list[str], rank: int, steps: int) -> Encoder:
    """Adds low-rank updates, zero at first, to the linear layers; only they learn.

    Args:
        encoder: whose other weights stay as they are.
        linear: names of its linear layers.
        rank: that a layer has on average in the end; each begins with one and a half times as many.
        steps: gradient steps by which the budget has come down.
    """
    from peft import AdaLoraConfig, inject_adapter_in_model
    from peft.tuners.adalora import SVDLinear

    begins = math.ceil(1.5 * rank)
    config = AdaLoraConfig(
        target_r=rank, init_r=begins, lora_alpha=2 * begins, target_modules=linear,
        total_step=max(steps, 1),
    )  # fmt: skip
    made = cast("Encoder", inject_adapter_in_model(config, encoder))
    layers = [layer for layer in made.modules() if isinstance(layer, SVDLinear)]
    parts = [tuple(getattr(layer, f"lora_{p}")[_NAME] for p in "EAB") for layer in layers]
    budget = RankBudget(cast("list[tuple[Tensor, Tensor, Tensor]]", parts), rank, steps)
    made.add_module("rank_budget", budget)
    made.register_forward_pre_hook(budget.before_forward)
    return made


class RankBudget(nn.Module):
    """Which ranks of which layers count: those whose numbers the loss is most sensitive to.

    After each backward pass it takes note of all gradients, and before the next forward pass it
    sets what is over the budget to 0. All that it knows is in buffers, and so in each checkpoint.
    """

    step: Tensor
    fresh: Tensor
    used: Tensor

    def __init__(self, parts: list[tuple[Tensor, Tensor, Tensor]], rank: int, steps: int) -> None:
        """Takes the additions.

        Args:
            parts: of each layer E (ranks, 1), A (ranks, inputs) and B (outputs, ranks).
            rank: of each layer in the end, on average.
            steps: gradient steps by which the budget has come down to that.
        """
        super().__init__()
        self._parts, self._steps = parts, steps  # A list, since they are the layers' own.
        self._rank = rank
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.register_buffer("fresh", torch.zeros((), dtype=torch.bool))
        # Some layers are for other uses of the encoder: they get no gradient, and no share.
        self.register_buffer("used", torch.zeros(len(parts), dtype=torch.bool))
        for i, each in enumerate(parts):
            for name, weight in zip("EAB", each, strict=True):
                self.register_buffer(f"sensitivity_{name}{i}", torch.zeros_like(weight))
                self.register_buffer(f"uncertainty_{name}{i}", torch.zeros_like(weight))
                if name != "E":
                    orthogonal = _Orthogonal(weight, name == "A", 2 * len(parts))
                    weight.register_hook(orthogonal)  # type: ignore[no-untyped-call]
                noted = _Noted(self, f"{name}{i}")
                weight.register_post_accumulate_grad_hook(noted)  # type: ignore[no-untyped-call]

    @property
    def budget(self) -> int:
        """How many ranks count now, in all layers that are used; it falls along a cubic."""
        begin = self._steps // 10
        left = 1.0 - (int(self.step) - begin) / max(1, self._steps - begin)
        ends = self._rank * int(self.used.sum())
        return ends + round((self._begins - ends) * min(1.0, max(0.0, left)) ** 3)

    @property
    def _begins(self) -> int:
        return sum(len(self._parts[i][0]) for i in np.flatnonzero(self.used.cpu()).tolist())

    def before_forward(self, encoder: nn.Module, inputs: Any) -> None:
        """Sets what is over the budget to 0, if there have been gradients since the last time."""
        if not self.fresh:
            return
        self.fresh.fill_(False)
        self.step.add_(1)
        if (over := self._begins - self.budget) <= 0:
            return
        with torch.no_grad():
            scores = {i: self._score(i) for i in np.flatnonzero(self.used.cpu()).tolist()}
            highest = torch.cat([*scores.values()]).kthvalue(over).values
            for i, score in scores.items():
                self._parts[i][0].data[score <= highest] = 0.0

    def note(self, name: str, weight: Tensor) -> None:
        """Takes note of a gradient: how much the loss would change without each number."""
        grad = weight.grad
        assert grad is not None
        sensitivity = getattr(self, f"sensitivity_{name}")
        uncertainty = getattr(self, f"uncertainty_{name}")
        with torch.no_grad():
            found = (weight * grad).abs()
            sensitivity.mul_(_SMOOTHING).add_(found, alpha=1.0 - _SMOOTHING)
            apart = (found - sensitivity).abs()
            uncertainty.mul_(_SMOOTHING).add_(apart, alpha=1.0 - _SMOOTHING)
        self.fresh.fill_(True)
        self.used[int(name[1:])] = True

    def _score(self, i: int) -> Tensor:
        """(ranks,), of the i-th layer."""
        e, a, b = (
            getattr(self, f"sensitivity_{name}{i}") * getattr(self, f"uncertainty_{name}{i}")
            for name in "EAB"
        )
        score: Tensor = e[:, 0] + a.mean(1) + b.mean(0)
        return score


class _Noted:
    """Tells the budget of a weight's gradients."""

    def __init__(self, budget: RankBudget, name: str) -> None:
        self._budget, self._name = budget, name

    def __call__(self, weight: Tensor) -> None:
        self._budget.note(self._name, weight)


class _Orthogonal:
    """Adds the gradient of how far a weight is from orthogonal, the Frobenius norm of A A' - I."""

    def __init__(self, weight: Tensor, rows: bool, count: int) -> None:
        self._weight, self._rows, self._part = weight, rows, _ORTHOGONAL / count

    def __call__(self, grad: Tensor) -> Tensor:
        weight = self._weight.detach() if self._rows else self._weight.detach().T
        off = weight @ weight.T - torch.eye(len(weight), device=weight.device)
        found: Tensor = 2.0 * (off @ weight) / off.norm().clamp_min(1e-12)
        return grad + self._part * (found if self._rows else found.T)
