"""Lets RecurrentPPO and a recurrent encoder share one memory.

SB3-contrib keeps the state of its LSTM from step to step and begins it anew with every episode, so
the encoder hands over its part for single steps and lets that LSTM remember. Where the encoder was
pretrained and the shapes agree, that LSTM begins from its weights, for actor and critic alike.
"""

from __future__ import annotations

from typing import Any, ClassVar

import sb3_contrib
from sb3_contrib.common.recurrent.policies import RecurrentMultiInputActorCriticPolicy
from stable_baselines3.common.policies import BasePolicy
from torch import nn

from als_plugins.learners.extractor import EncoderExtractor

__all__ = ["RecurrentAlgorithm", "RecurrentPolicy"]


class RecurrentPolicy(RecurrentMultiInputActorCriticPolicy):
    """Begins its LSTMs where a pretrained encoder's ended."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Builds the network."""
        super().__init__(*args, **kwargs)
        extractor = self.features_extractor
        if isinstance(extractor, EncoderExtractor) and extractor.memory is not None:
            for lstm in filter(None, (self.lstm_actor, self.lstm_critic)):
                _begin(lstm, extractor.memory)


class RecurrentAlgorithm(sb3_contrib.RecurrentPPO):
    """RecurrentPPO with that policy."""

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MultiInputLstmPolicy": RecurrentPolicy
    }


def _begin(lstm: nn.LSTM, memory: nn.Module) -> None:
    """Copies the weights if all shapes agree."""
    weights = memory.state_dict()
    shapes = {name: weight.shape for name, weight in lstm.state_dict().items()}
    if shapes == {name: weight.shape for name, weight in weights.items()}:
        lstm.load_state_dict(weights)
