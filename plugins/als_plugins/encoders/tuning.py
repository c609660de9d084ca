"""What of an encoder learns: all of it, nothing, or small additions; and moved pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import gymnasium
import torch
from torch import Tensor, nn

from als_engine.errors import ArgumentError
from als_plugins.encoders.adalora import with_adalora
from als_plugins.encoders.base import Encoder
from als_plugins.encoders.saving import load_encoder, make_encoder
from als_plugins.encoders.stems import Form, form_of

__all__ = ["SHIFT", "Adapted", "begun_encoder", "moved_pictures", "shifted", "tuned"]

SHIFT: Final = 4
"""How far pictures are moved by augmentation, pixels."""


def begun_encoder(
    space: gymnasium.spaces.Dict,
    encoder: str,
    config: Mapping[str, Any],
    pretrained: str | None = None,
) -> Encoder:
    """Makes an encoder with random weights, or with those of a pretrained one.

    Args:
        space: of one observation.
        encoder: registered id.
        config: its arguments.
        pretrained: folder whose weights to start from; None for random ones.

    Raises:
        ArgumentError: the encoder cannot be made so.
        SavedFileError: the folder holds no encoder that fits.
    """
    if pretrained is None:
        return make_encoder(encoder, space, config)
    return load_encoder(pretrained, space)[0]


def tuned(encoder: Encoder, tuning: str, lora_rank: int, lora_steps: int = 1_000) -> Encoder:
    """The encoder with that part learning that is to learn.

    Args:
        encoder: as it was pretrained, or not.
        tuning: "full", "frozen", "lora" (Hu et al. 2022), "adalora" (Zhang et al. 2023), or
            "adapter" (Houlsby et al. 2019).
        lora_rank: of the additions of "lora", on average of those of "adalora", or the width of
            each "adapter".
        lora_steps: gradient steps in which "adalora" comes down to that rank.

    Raises:
        ArgumentError: the encoder has no linear layer to add something to.
    """
    if tuning == "lora":
        return _with_lora(encoder, lora_rank)
    if tuning == "adalora":
        return with_adalora(encoder, _linear_layers(encoder, tuning), lora_rank, lora_steps)
    if tuning == "adapter":
        return _with_adapters(encoder, lora_rank)
    if tuning == "frozen":
        encoder.requires_grad_(False)
    return encoder


def moved_pictures(space: gymnasium.spaces.Dict, augment: str) -> set[str]:
    """The sensors whose pictures are moved: none, unless `augment` is "shift".

    Raises:
        ArgumentError: there is no picture to move.
    """
    if augment == "none":
        return set()
    pictures = {key for key, part in space.spaces.items() if form_of(part) is Form.PICTURE}
    if not pictures:
        raise ArgumentError('augment="shift" moves pictures: there is none among the sensors')
    return pictures


def shifted(pictures: Tensor, pixels: int) -> Tensor:
    """Pictures (rows, H, W, C), each moved by up to `pixels`; the edge is repeated."""
    rows, height, width, _ = pictures.shape
    padded = nn.functional.pad(pictures.movedim(-1, 1).float(), (pixels,) * 4, mode="replicate")
    down, right = torch.randint(0, 2 * pixels + 1, (2, rows, 1, 1), device=pictures.device)
    y = down + torch.arange(height, device=pictures.device)[None, :, None]
    x = right + torch.arange(width, device=pictures.device)[None, None, :]
    row = torch.arange(rows, device=pictures.device)[:, None, None]
    return padded.movedim(1, -1)[row, y, x]


def _with_lora(encoder: Encoder, rank: int) -> Encoder:
    """Adds low-rank updates, zero at first, to the linear layers; only they learn.

    Raises:
        ArgumentError: the encoder has no linear layer.
    """
    from peft import LoraConfig, inject_adapter_in_model

    linear = _linear_layers(encoder, "lora")
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=linear)
    return cast("Encoder", inject_adapter_in_model(config, encoder))


class Adapted(nn.Module):
    """A linear layer that stays as it is, and a small network behind it that learns.

    The small network is narrow in the middle and adds 0 at first: Houlsby et al. (2019),
    "Parameter-efficient transfer learning for NLP". There it stands behind each part of a
    transformer; here behind each linear layer, whatever the encoder.
    """

    def __init__(self, layer: nn.Linear, width: int) -> None:
        """Takes over the layer.

        Args:
            layer: what stays as it is.
            width: of the narrow middle.
        """
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.layer = layer
        self.down = nn.Linear(layer.out_features, width)
        self.up = nn.Linear(width, layer.out_features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        found: Tensor = self.layer(x)
        return found + cast("Tensor", self.up(nn.functional.gelu(self.down(found))))


def _with_adapters(encoder: Encoder, width: int) -> Encoder:
    """Puts a small network behind each linear layer; only they learn.

    Raises:
        ArgumentError: the encoder has no linear layer.
    """
    names = _linear_layers(encoder, "adapter")
    encoder.requires_grad_(False)
    for name in names:
        holder, _, own = name.rpartition(".")
        module = encoder.get_submodule(holder)
        setattr(module, own, Adapted(cast("nn.Linear", getattr(module, own)), width))
    return encoder


def _linear_layers(encoder: Encoder, tuning: str) -> list[str]:
    """The names of an encoder's linear layers.

    Raises:
        ArgumentError: there is none.
    """
    linear = [name for name, part in encoder.named_modules() if type(part) is nn.Linear]
    if not linear:
        raise ArgumentError(f'the encoder has no linear layers for tuning="{tuning}"')
    return linear
