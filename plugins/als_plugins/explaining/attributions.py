"""Attributes a decision to all sensors of an observation at once, by captum.

Words have no values between which a gradient could be taken. Each token gets a gate instead, from
0, where its embedding is that of padding, to 1, where it is its own; integrated gradients over the
gate are those over the embedding, summed (layer integrated gradients with padding as baseline).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from captum.attr import FeatureAblation, IntegratedGradients, Saliency
from numpy.typing import NDArray
from torch import Tensor, nn

from als_plugins.encoders.stems import Form, form_of
from als_plugins.explaining.decisions import Decider, Masks, Memory
from als_plugins.explaining.parts import Part, parts_of

__all__ = ["BASELINE", "Attribution", "Question", "attribute", "saliency"]

INTEGRATION_STEPS: Final = (32, 128, 512)
"""How finely the way from the baseline is divided: more finely while too much is missed."""

TOLERANCE: Final = 0.01
"""How much of the difference that is to be explained may be missed."""

FLAT: Final = 0.01
"""What all parts together have to move a number by, or of a large number this share of it."""

ROWS: Final = 64
"""How many observations go through the network together."""

BASELINE: Final = (
    "Each sensor is compared with a baseline that says nothing: a picture of its own mean colour, "
    "things that are there but have neither kind nor place, the embedding of padding for each "
    "word, and 0 for every other number."
)


class Question:
    """Why this action, here? One decision as a function that captum can follow.

    Attributes:
        inputs: of the sensors that gradients reach, key to (1, ...): values, or gates for words.
        baselines: of the same shapes.
        held: the sensors that gradients do not reach; they stay as they were seen.
        parts: of the observation, without those of `held`, and without those that are at their
            baseline anyway: nothing can be said about them.
        target: which action, or axis, is asked about.
    """

    def __init__(
        self,
        decider: Decider,
        observation: Mapping[str, NDArray[Any]],
        target: int,
        memory: Memory = None,
        masks: Masks = None,
    ) -> None:
        """Asks about one decision.

        Args:
            decider: what decided.
            observation: key to an array, without rows.
            target: which action or axis.
            memory: what a recurrent policy remembered.
            masks: which actions were possible.
        """
        self.target = target
        self._decider, self._memory, self._masks = decider, memory, masks
        spaces = decider.observation_space.spaces
        self._seen = {key: torch.as_tensor(np.array(a))[None] for key, a in observation.items()}
        self._words = {key for key in self._seen if form_of(spaces[key]) is Form.WORDS}
        everything = {
            key: torch.ones(x.shape) if key in self._words else x.float()
            for key, x in self._seen.items()
        }
        reached = self._reached(everything)
        self.inputs = {key: x for key, x in everything.items() if key in reached}
        self.held = tuple(key for key in everything if key not in reached)
        self.baselines = {key: self._baseline(key, x) for key, x in self.inputs.items()}
        parts = parts_of(decider.observation_space, observation)
        self.parts = [part for part in parts if part.sensor in reached and self._speaks(part)]

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The number of the action in question, (rows,), for other inputs than those seen."""
        return self._values(dict(zip(self.inputs, inputs, strict=True)))

    def _values(self, inputs: Mapping[str, Tensor]) -> Tensor:
        rows = len(next(iter(inputs.values())))
        seen = {key: x.expand(rows, *x.shape[1:]) for key, x in self._seen.items()}
        gates = {key: x for key, x in inputs.items() if key in self._words}
        observation = {
            key: seen[key] if key in gates else inputs.get(key, seen[key]) for key in seen
        }
        with gated(self._decider.encoder, {key: seen[key] for key in gates}, gates):
            return self._decider(observation, self._memory, self._masks)[:, self.target]

    def _reached(self, everything: Mapping[str, Tensor]) -> set[str]:
        """The sensors that the decision depends on smoothly."""
        inputs = {key: x.clone().requires_grad_() for key, x in everything.items()}
        value = self._values(inputs)
        if not value.requires_grad:
            return set()
        found = torch.autograd.grad(value.sum(), list(inputs.values()), allow_unused=True)
        return {key for key, gradient in zip(inputs, found, strict=True) if gradient is not None}

    def _baseline(self, key: str, x: Tensor) -> Tensor:
        form = form_of(self._decider.observation_space[key])
        if form is Form.PICTURE:
            return x.mean(dim=(1, 2), keepdim=True).expand_as(x).clone()
        baseline = torch.zeros_like(x)
        if form is Form.THINGS:
            baseline[..., 0] = x[..., 0]
        return baseline

    def _speaks(self, part: Part) -> bool:
        seen, baseline = self.inputs[part.sensor][0], self.baselines[part.sensor][0]
        return bool((seen != baseline)[torch.as_tensor(np.array(part.mask))].any())

    def values_without(self, removed: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """The action's number when parts are replaced by their baselines.

        Args:
            removed: for each answer, the indices in `parts` of what is taken away.
        """
        answers = []
        for low in range(0, len(removed), ROWS):
            chunk = removed[low : low + ROWS]
            rows = {
                key: x.repeat(len(chunk), *[1] * (x.ndim - 1)) for key, x in self.inputs.items()
            }
            for row, indices in enumerate(chunk):
                for index in indices:
                    part = self.parts[index]
                    mask = torch.as_tensor(np.array(part.mask))
                    rows[part.sensor][row][mask] = self.baselines[part.sensor][0][mask]
            with torch.no_grad():
                answers.append(self(*rows.values()).double().numpy())
        return np.concatenate(answers)


@dataclass(frozen=True)
class Attribution:
    """The share of each part of the observation in a decision.

    Attributes:
        parts: what was looked at.
        amounts: (parts,), in the unit of the action's number; what speaks against it is negative.
        maps: picture sensor to (height, width), the same pixel by pixel.
        value, baseline: the action's number as seen, and with every sensor at its baseline.
        without: sensor to how much the number falls when that sensor alone is at its baseline.
        held: sensors that were left out.
    """

    parts: Sequence[Part]
    amounts: NDArray[np.float64]
    maps: Mapping[str, NDArray[np.float64]]
    value: float
    baseline: float
    without: Mapping[str, float]
    held: Sequence[str]

    @property
    def delta(self) -> float:
        """The difference between the sum of the amounts and `value - baseline`; 0 if exact."""
        return float(self.amounts.sum() - (self.value - self.baseline))

    @property
    def flat(self) -> bool:
        """Whether hardly anything that is sensed moves the number: then shares say nothing."""
        return float(np.abs(self.amounts).sum()) < FLAT * max(1.0, abs(self.value))

    @property
    def shares(self) -> dict[str, float]:
        """Sensor to its share of all that speaks for or against, 0 to 1; largest first."""
        total = float(np.abs(self.amounts).sum()) or 1.0
        shares: dict[str, float] = dict.fromkeys(self.without, 0.0)
        for part, amount in zip(self.parts, self.amounts, strict=True):
            shares[part.sensor] += abs(float(amount)) / total
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def strongest(self, count: int) -> list[tuple[Part, float]]:
        """The parts with the largest amounts, whatever their sign."""
        order = np.argsort(-np.abs(self.amounts), kind="stable")[:count]
        return [(self.parts[i], float(self.amounts[i])) for i in order]


def attribute(question: Question) -> Attribution:
    """Integrated gradients of a decision, and what happens without each sensor."""
    inputs, baselines = tuple(question.inputs.values()), tuple(question.baselines.values())
    with torch.no_grad():
        value, baseline = float(question(*inputs)), float(question(*baselines))
    found = _integrated(question)
    masks = tuple(torch.full_like(x, i, dtype=torch.long) for i, x in enumerate(inputs))
    with torch.no_grad():
        ablated: Any = FeatureAblation(question).attribute(inputs, baselines, feature_mask=masks)
    amounts = [float(found[part.sensor][part.mask].sum()) for part in question.parts]
    pictures = [key for key, x in question.inputs.items() if x.ndim == 4]
    return Attribution(
        parts=question.parts,
        amounts=np.array(amounts),
        maps={key: found[key].sum(axis=-1) for key in pictures},
        value=value,
        baseline=baseline,
        without={
            key: float(x.flatten()[0]) for key, x in zip(question.inputs, ablated, strict=True)
        },
        held=question.held,
    )


def part_amounts(question: Question) -> NDArray[np.float64]:
    """Integrated gradients of each part, (parts,)."""
    found = _integrated(question)
    return np.array([float(found[part.sensor][part.mask].sum()) for part in question.parts])


def _integrated(question: Question) -> dict[str, NDArray[np.float64]]:
    inputs, baselines = tuple(question.inputs.values()), tuple(question.baselines.values())
    method: Any = IntegratedGradients(question)
    with torch.no_grad():
        difference = float(question(*inputs)) - float(question(*baselines))
    for steps in INTEGRATION_STEPS:
        found = method.attribute(inputs, baselines, n_steps=steps, internal_batch_size=ROWS)
        missed = abs(sum(float(x.sum()) for x in found) - difference)
        if missed <= TOLERANCE * abs(difference):
            break
    return {
        key: x.detach()[0].double().numpy() for key, x in zip(question.inputs, found, strict=True)
    }


def saliency(question: Question) -> dict[str, NDArray[np.float64]]:
    """How steeply the decision depends on each part of each sensor; everything together is 1.

    The gradient's size times half the range of the value, so that sensors of different units can
    stand beside one another. Pictures have a part for each pixel, things and words one each.
    """
    spaces = question._decider.observation_space
    inputs = tuple(x.requires_grad_() for x in question.inputs.values())
    method: Any = Saliency(question)
    found = method.attribute(inputs)
    parts: dict[str, NDArray[np.float64]] = {}
    for key, gradient in zip(question.inputs, found, strict=True):
        space, amount = spaces[key], gradient.detach()[0].double().numpy()
        form = form_of(space)
        if form is not Form.WORDS:
            amount = amount * _half_range(space)
        if form is Form.PICTURE:
            amount = amount.sum(axis=-1)
        elif form is Form.THINGS:
            amount = amount[:, 1:].sum(axis=-1)
        parts[key] = amount.ravel()
    total = sum(float(amount.sum()) for amount in parts.values()) or 1.0
    return {key: amount / total for key, amount in parts.items()}


def _half_range(space: Any) -> NDArray[np.float64]:
    """Half of what lies between the bounds; 1 where there are none."""
    half = (space.high.astype(np.float64) - space.low.astype(np.float64)) / 2
    return np.where(np.isfinite(half) & (half < 1e6), half, 1.0)


@contextmanager
def gated(
    encoder: nn.Module, words: Mapping[str, Tensor], gates: Mapping[str, Tensor]
) -> Iterator[None]:
    """Lets gates decide how much of each token an encoder's embeddings show.

    Args:
        encoder: whose embeddings are meant: those that are asked for just these tokens.
        words: sensor to tokens, (rows, words).
        gates: sensor to (rows, words), 0 for padding and 1 for the token itself.
    """

    def mix(part: Any, asked: tuple[Any, ...], output: Tensor) -> Tensor:
        for key, tokens in words.items():
            if asked[0].shape == tokens.shape and torch.equal(asked[0].long(), tokens.long()):
                return _mixed(part, tokens.long(), gates[key], output)
        return output

    kinds = (nn.Embedding, nn.EmbeddingBag)
    hooks = [m.register_forward_hook(mix) for m in encoder.modules() if isinstance(m, kinds)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _mixed(part: Any, tokens: Tensor, gate: Tensor, output: Tensor) -> Tensor:
    if isinstance(part, nn.Embedding):
        padding = part.weight[part.padding_idx or 0]
        return padding + gate[..., None] * (output - padding)
    if part.mode == "max":
        return output
    counted = (tokens != part.padding_idx).to(gate) if part.padding_idx is not None else 1.0
    weights = gate * counted
    total = (nn.functional.embedding(tokens, part.weight) * weights[..., None]).sum(dim=1)
    if part.mode == "sum":
        return total
    number = torch.as_tensor(counted).expand_as(gate).sum(dim=1, keepdim=True).clamp(min=1)
    return total / number
