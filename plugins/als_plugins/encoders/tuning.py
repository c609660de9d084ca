"""What of an encoder learns: all of it, nothing, or low-rank additions; and moved pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import gymnasium
import torch
from torch import Tensor, nn

from als_engine.errors import ArgumentError
from als_plugins.encoders.base import Encoder
from als_plugins.encoders.saving import load_encoder, make_encoder
from als_plugins.encoders.stems import Form, form_of

__all__ = ["SHIFT", "moved_pictures", "shifted", "tuned_encoder", "with_lora"]

SHIFT: Final = 4
"""How far pictures are moved by augmentation, pixels."""


def tuned_encoder(
    space: gymnasium.spaces.Dict,
    encoder: str,
    config: Mapping[str, Any],
    pretrained: str | None = None,
    tuning: str = "full",
    lora_rank: int = 8,
) -> Encoder:
    """Makes an encoder of which that part learns that is to learn.

    Args:
        space: of one observation.
        encoder: registered id.
        config: its arguments.
        pretrained: folder whose weights to start from; None for random ones.
        tuning: "full", "frozen" or "lora".
        lora_rank: of the additions with "lora".

    Raises:
        ArgumentError: the encoder cannot be made so.
        SavedFileError: the folder holds no encoder that fits.
    """
    made = (
        make_encoder(encoder, space, config)
        if pretrained is None
        else (load_encoder(pretrained, space)[0])
    )
    if tuning == "lora":
        return with_lora(made, lora_rank)
    if tuning == "frozen":
        made.requires_grad_(False)
    return made


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


def with_lora(encoder: Encoder, rank: int) -> Encoder:
    """Adds low-rank updates, zero at first, to the linear layers; only they learn.

    Raises:
        ArgumentError: the encoder has no linear layer.
    """
    from peft import LoraConfig, inject_adapter_in_model

    linear = [name for name, part in encoder.named_modules() if type(part) is nn.Linear]
    if not linear:
        raise ArgumentError('the encoder has no linear layers for tuning="lora"')
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=linear)
    return cast("Encoder", inject_adapter_in_model(config, encoder))
