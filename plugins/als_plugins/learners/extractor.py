"""An encoder as SB3's features extractor: from scratch, frozen, fine-tuned, or with LoRA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import gymnasium
import torch
from gymnasium.spaces import Box
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecTransposeImage
from torch import Tensor, nn

from als_plugins.encoders.recurrent import RecurrentEncoder
from als_plugins.encoders.tuning import SHIFT, begun_encoder, moved_pictures, shifted, tuned

__all__ = ["EncoderExtractor", "channels_first"]


class EncoderExtractor(BaseFeaturesExtractor):
    """Hands observations to an encoder as the environment gave them; says what of it learns."""

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        encoder: str,
        config: Mapping[str, Any],
        pretrained: str | None = None,
        tuning: str = "full",
        lora_rank: int = 8,
        lora_steps: int = 1_000,
        augment: str = "none",
        by_step: bool = False,
        beside: Sequence[str] = (),
    ) -> None:
        """Makes the encoder.

        Args:
            observation_space: as SB3 sees it, pictures turned round.
            encoder: registered id.
            config: its arguments.
            pretrained: folder whose weights to start from; None for random ones.
            tuning: what of it learns, as in `tuned`.
            lora_rank: likewise.
            lora_steps: likewise.
            augment: "none" or "shift".
            by_step: leaves remembering to the learner if the encoder has an LSTM that reads
                forwards, and takes its part for single steps.
            beside: keys of vectors that go past the encoder and are appended to its features.

        Raises:
            ArgumentError: the encoder cannot be made so.
            SavedFileError: the folder holds no encoder that fits.
        """
        turned = {
            key
            for key, space in observation_space.spaces.items()
            if isinstance(space, Box)
            and is_image_space(space)
            and is_image_space_channels_first(space)
        }
        space = gymnasium.spaces.Dict(
            {
                key: _channels_last(cast("Box", part)) if key in turned else part
                for key, part in observation_space.spaces.items()
                if key not in beside
            }
        )
        made = begun_encoder(space, encoder, config, pretrained)
        memory = None
        if by_step and isinstance(made, RecurrentEncoder) and made.remembers_forwards:
            memory, made = made.memory, made.steps
        appended = [observation_space[key].shape or () for key in beside]
        super().__init__(observation_space, made.features + sum(shape[0] for shape in appended))
        self._beside = tuple(beside)
        # What a pretrained encoder remembers with, in a list since it is no part of the network.
        self._memory = [memory] if memory is not None and pretrained is not None else []
        self._turned, self._tuning = turned, tuning
        self._pictures = moved_pictures(space, augment)
        self.encoder = tuned(made, tuning, lora_rank, lora_steps)

    @property
    def memory(self) -> nn.Module | None:
        """The pretrained LSTM that `by_step` left out, for the learner's own to begin from."""
        return self._memory[0] if self._memory else None

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """(rows, features)."""
        observation = {
            key: x.movedim(1, -1) if key in self._turned else x
            for key, x in observations.items()
            if key not in self._beside
        }
        if self.training:
            for key in self._pictures:
                observation[key] = shifted(observation[key], SHIFT)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self._tuning != "frozen"):
            features = cast("Tensor", self.encoder(observation))
        # Weights that sum to 1 would be whispers beside features; so they are 1 on average.
        told = [observations[key] * observations[key].shape[1] for key in self._beside]
        return torch.cat([features, *told], dim=1)

    def apply(self, fn: Callable[[nn.Module], None]) -> EncoderExtractor:
        """Called by SB3 to initialise networks; an encoder has done so by itself."""
        return self

    def train(self, mode: bool = True) -> EncoderExtractor:
        """Switches dropout on, except in an encoder that does not learn."""
        super().train(mode)
        if self._tuning == "frozen":
            self.encoder.eval()
        return self


def channels_first(space: gymnasium.spaces.Dict) -> gymnasium.spaces.Dict:
    """The space as SB3 sees it, which turns pictures round."""
    return gymnasium.spaces.Dict(
        {
            key: VecTransposeImage.transpose_space(part, key)
            if isinstance(part, Box)
            and is_image_space(part)
            and not is_image_space_channels_first(part)
            else part
            for key, part in space.spaces.items()
        }
    )


def _channels_last(space: Box) -> Box:
    low, high = (bound.transpose(1, 2, 0) for bound in (space.low, space.high))
    return Box(low, high, dtype=cast("Any", space.dtype))
