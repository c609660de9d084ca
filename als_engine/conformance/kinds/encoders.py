"""The checks of an encoder that a plugin offers; they need torch, as every encoder does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from als_engine.conformance.case import Options, Player
from als_engine.conformance.places import Own
from als_engine.conformance.report import Failure
from als_engine.conformance.running import Check, Finding, Subject
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import EncoderSpec
from als_engine.sensors import SENSORS
from als_engine.simulation import simulate

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CHECKS", "EncoderCase"]

_SEED: Final = 31
_FRAME: Final = 32
_ROWS: Final = 4
_SLOW: Final = 1.0
"""Seconds of the processor that the features of four rows may take."""

_NEAR: Final = 1e-5


@dataclass
class EncoderCase(Subject):
    """An encoder under examination.

    Attributes:
        spec: the encoder.
        scenario: whose observations it reads.
        options: how hard to look.
    """

    spec: EncoderSpec = field(kw_only=True)
    scenario: str = field(kw_only=True)
    options: Options = field(kw_only=True)

    @classmethod
    def of(cls, id: str, scenario: str, options: Options) -> EncoderCase:
        """A case of an encoder; its class is imported."""
        spec = registry.encoder(id)
        return cls(id, Own([registry.load(spec)]), spec=spec, scenario=scenario, options=options)

    def place_of(self, method: str) -> str:
        """Where a method of the encoder is defined, or `''`."""
        return self.own.of_method(registry.load(self.spec), method)

    @cached_property
    def seen(self) -> tuple[Any, dict[str, Tensor]]:
        """The space of the engine's sensors, and what four rows observe after some steps."""
        import torch

        names = tuple(dict.fromkeys((*SENSORS, *self.spec.sensors)))
        worlds = simulate(self.scenario, _ROWS, 1, sensors=names, frame_size=_FRAME)
        try:
            worlds.reset(range(_SEED, _SEED + _ROWS))
            player = Player(_SEED)
            for _ in range(min(8, self.options.steps)):
                worlds.step(player.act(worlds))
            rows = {key: torch.from_numpy(a[:, 0].copy()) for key, a in worlds.observations.items()}
            return worlds.observation_space, rows
        finally:
            worlds.close()

    def make(self) -> Any:
        """A new encoder, of a seed of its own, which is not training."""
        import torch

        torch.manual_seed(_SEED)
        return registry.load(self.spec)(self.seen[0]).eval()

    def features(self, encoder: Any, observation: Mapping[str, Tensor] | None = None) -> Tensor:
        """What an encoder makes of the rows, without gradients."""
        import torch

        with torch.no_grad():
            found: Tensor = encoder(self.seen[1] if observation is None else observation)
        return found


def size(case: EncoderCase) -> Iterator[Finding]:
    """Its features are finite, as many as it says, one row for each, and come in time.

    Such as: its features have the shape (4, 8), (4, 9) is what it says
    """
    encoder, taken = case.make(), []
    for _ in range(3):  # The first look may compile something.
        began = time.process_time()
        found = case.features(encoder)
        taken.append(time.process_time() - began)
    seconds = min(taken)
    wanted, place = (_ROWS, getattr(encoder, "features", None)), case.place_of("forward")
    if tuple(found.shape) != wanted:
        text = f"its features have the shape {tuple(found.shape)}, {wanted} is what it says"
        yield Failure(text, place)
    elif not found.isfinite().all():
        yield Failure(f"its features are {'NaN' if found.isnan().any() else 'infinite'}", place)
    if seconds > _SLOW:
        text = f"{_ROWS} rows take {seconds:.2f} s, at most {_SLOW} s are allowed"
        yield Failure(text, place)


def rows(case: EncoderCase) -> Iterator[Finding]:
    """The features of a row do not depend on the other rows of the batch.

    Such as: the features of row 0 change when the other rows are replaced
    """
    encoder, (_, seen) = case.make(), case.seen
    whole = case.features(encoder)
    for what, order in (("are replaced", [0] * _ROWS), ("change places", [0, 3, 2, 1])):
        other = case.features(encoder, {key: array[order] for key, array in seen.items()})
        if not _near(whole[0], other[0]):
            text = f"the features of row 0 change when the other rows {what}"
            yield Failure(text, case.place_of("forward"))
            return


def _near(one: Tensor, two: Tensor) -> bool:
    return bool(one.shape == two.shape and ((one - two).abs() <= _NEAR * (1 + one.abs())).all())


def modes(case: EncoderCase) -> Iterator[Finding]:
    """It is the same in training as outside of it, and the same when it is asked again.

    Such as: its features are others in train() than in eval(): PPO compares the two
    """
    encoder = case.make()
    first = case.features(encoder)
    if not _near(first, case.features(encoder)):
        text = "the same observation gives other features when it is asked again"
        yield Failure(text, case.place_of("forward"))
        return
    encoder.train()
    in_training = case.features(encoder)
    encoder.eval()
    if not _near(first, in_training):
        text = "its features are others in train() than in eval(): PPO compares the two"
        yield Failure(text, case.place_of("forward"))
    elif not _near(first, case.features(encoder)):
        text = "a look in train() changes its features for good"
        yield Failure(text, case.place_of("forward"))


def gradients(case: EncoderCase) -> Iterator[Finding]:
    """Its weights get gradients, all of them finite.

    Such as: the gradient of layer.weight is NaN
    """
    encoder = case.make()
    encoder.train()
    encoder(case.seen[1]).pow(2).sum().backward()
    found = {name: weight.grad for name, weight in encoder.named_parameters()}
    case.figures["weights"] = float(sum(weight.numel() for weight in encoder.parameters()))
    place = case.place_of("forward")
    if odd := [name for name, g in found.items() if g is not None and not g.isfinite().all()]:
        is_nan = any(g.isnan().any() for g in found.values() if g is not None)
        yield Failure(f"the gradient of {odd[0]} is {'NaN' if is_nan else 'infinite'}", place)
    if found and all(gradient is None or not gradient.any() for gradient in found.values()):
        yield Failure("no weight has a gradient: nothing can be learnt", place)


def again(case: EncoderCase) -> Iterator[Finding]:
    """Made again of its space, configuration and weights it gives the same features.

    Such as: with the same weights it gives other features
    """
    encoder, place = case.make(), case.place_of("__init__")
    try:
        config = json.loads(json.dumps(encoder.config, allow_nan=False))
    except (TypeError, ValueError) as error:
        yield Failure(f"its configuration is not JSON: {error}", place)
        return
    twin = case.make()
    if not _near(case.features(encoder), case.features(twin)):
        yield Failure("two of one seed begin with other weights", place)
    remade = registry.load(case.spec)(case.seen[0], **config).eval()
    remade.load_state_dict(encoder.state_dict())
    if not _near(case.features(encoder), case.features(remade)):
        yield Failure("with the same weights it gives other features", place)


def missing(case: EncoderCase) -> Iterator[Finding]:
    """A sensor may be missing when it reads, as long as one is there.

    Such as: KeyError: 'touch'
    """
    encoder, (_, seen) = case.make(), case.seen
    for key in seen:
        if key in case.spec.sensors:
            continue
        rest = {other: array for other, array in seen.items() if other != key}
        found = case.features(encoder, rest)
        if not np.isfinite(found.numpy()).all():
            text = f'without "{key}" its features are not finite'
            yield Failure(text, case.place_of("forward"))


CHECKS: Final[Mapping[str, Check[EncoderCase]]] = {
    "size": size,
    "rows": rows,
    "modes": modes,
    "gradients": gradients,
    "again": again,
    "missing": missing,
}
"""Name to check of an encoder, in the order in which they run."""
