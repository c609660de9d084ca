"""The hyperparameters of every learner: typed, bounded, with defaults that learn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from als_engine.errors import ArgumentError, unknown

__all__ = [
    "ActorCriticParameters",
    "AttentionDDPGParameters",
    "DDPGParameters",
    "DQNParameters",
    "Hyperparameters",
    "OffPolicyParameters",
    "PPOParameters",
    "QRDQNParameters",
    "RecurrentPPOParameters",
    "SACParameters",
    "TD3Parameters",
    "Tuning",
    "parse",
]

# Bounds keep a stranger's saved agent from asking for a network that fills the memory.
Width = Annotated[int, Field(ge=1, le=2_048)]
Widths = Annotated[list[Width], Field(max_length=5)]
Rate = Annotated[float, Field(gt=0.0, le=1.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Steps = Annotated[int, Field(ge=1, le=10_000_000)]
Tuning = Literal["full", "frozen", "lora", "adalora", "adapter"]


class Hyperparameters(BaseModel):
    """The hyperparameters that all learners share.

    Attributes:
        learning_rate: of Adam.
        anneal: lets the learning rate fall to 0 along the training.
        gamma: the discount.
        batch_size: transitions in a gradient step.
        net_arch: widths of the layers between the features and the heads.
        reward_scale: what rewards are multiplied by while learning; reports stay unscaled.
        encoder: registered id of the network from the observation to features.
        encoder_config: its arguments.
        pretrained: folder of a saved encoder to start from, instead of these two.
        tuning: what learns of the encoder: "full" all of it, "frozen" nothing, "lora" low-rank
            additions to its linear layers (Hu et al. 2022), "adalora" such additions that share a
            budget of ranks (Zhang et al. 2023), "adapter" a small network behind each (Houlsby et
            al. 2019).
        lora_rank: of these additions, or the width of each small network.
        lora_steps: gradient steps in which "adalora" comes down to that rank on average.
        weight_decay: of AdamW, for all that learns.
        augment: "shift" moves pictures by up to four pixels while learning (Yarats et al. 2021).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    learning_rate: Rate = 3e-4
    anneal: bool = False
    gamma: Rate = 0.99
    batch_size: Annotated[int, Field(ge=2, le=100_000)] = 256
    net_arch: Widths = [128, 128]
    reward_scale: Annotated[float, Field(gt=0.0, le=1e6)] = 1.0
    encoder: Annotated[str, Field(min_length=1, max_length=100)] = "mlp"
    encoder_config: Annotated[dict[str, JsonValue], Field(max_length=100)] = {}
    pretrained: Annotated[str, Field(min_length=1, max_length=4_000)] | None = None
    tuning: Tuning = "full"
    lora_rank: Annotated[int, Field(ge=1, le=256)] = 8
    lora_steps: Steps = 1_000
    weight_decay: Share = 0.0
    augment: Literal["none", "shift"] = "none"


class PPOParameters(Hyperparameters):
    """PPO's own.

    Attributes:
        n_steps: steps of each row between two updates; None for about `rollout` in all rows.
        rollout: steps of all rows between two updates.
        n_epochs: passes over them.
        gae_lambda, clip_range, ent_coef, vf_coef, max_grad_norm: as in SB3.
        target_kl: ends an update that has changed the policy more; None never does.
    """

    anneal: bool = True
    n_steps: Annotated[int, Field(ge=2, le=100_000)] | None = None
    rollout: Steps = 2_048
    n_epochs: Annotated[int, Field(ge=1, le=1_000)] = 8
    gae_lambda: Share = 0.95
    clip_range: Rate = 0.2
    ent_coef: Share = 0.01
    vf_coef: Share = 0.5
    max_grad_norm: Annotated[float, Field(gt=0.0)] = 0.5
    target_kl: Annotated[float, Field(gt=0.0)] | None = None

    def steps_for(self, rows: int) -> int:
        """Steps of each row between two updates, such that every batch is full."""
        if self.n_steps is not None:
            return self.n_steps
        whole = self.batch_size // math.gcd(rows, self.batch_size)
        return max(2, whole * max(1, round(self.rollout / (rows * whole))))


class RecurrentPPOParameters(PPOParameters):
    """PPO's with an LSTM.

    Attributes:
        lstm_hidden_size, n_lstm_layers: of actor and critic each.
    """

    net_arch: Widths = [64]
    lstm_hidden_size: Annotated[int, Field(ge=1, le=1_024)] = 128
    n_lstm_layers: Annotated[int, Field(ge=1, le=2)] = 1


class OffPolicyParameters(Hyperparameters):
    """The hyperparameters of learners with a replay buffer.

    Attributes:
        buffer_size: transitions kept; None for as many as fit into 1 GiB, at most 200,000.
        learning_starts: random steps before the first update.
        train_freq: steps of every row between two updates.
        gradient_steps: of each update; None for one for every four new transitions.
        tau: how far target networks follow in an update.
    """

    batch_size: Annotated[int, Field(ge=2, le=100_000)] = 128
    buffer_size: Annotated[int, Field(ge=100, le=100_000_000)] | None = None
    learning_starts: Annotated[int, Field(ge=0, le=100_000_000)] = 1_000
    train_freq: Annotated[int, Field(ge=1, le=10_000)] = 1
    gradient_steps: Annotated[int, Field(ge=1, le=10_000)] | None = None
    tau: Rate = 0.005

    def updates_for(self, rows: int) -> int:
        """Gradient steps of an update."""
        return self.gradient_steps or max(1, rows * self.train_freq // 4)

    def buffer_for(self, transition_bytes: int) -> int:
        """Transitions kept."""
        return self.buffer_size or max(1_000, min(200_000, (1 << 30) // transition_bytes))


class DQNParameters(OffPolicyParameters):
    """DQN's own; target networks are copied whole.

    Attributes:
        target_update_interval: steps between copies.
        exploration_fraction: the part of the training along which random actions become rarer.
        exploration_final_eps: the share of random actions after that.
        max_grad_norm: as in SB3.
    """

    tau: Rate = 1.0
    target_update_interval: Steps = 2_000
    exploration_fraction: Share = 0.2
    exploration_final_eps: Share = 0.05
    max_grad_norm: Annotated[float, Field(gt=0.0)] = 10.0


class QRDQNParameters(DQNParameters):
    """DQN's with a distribution of returns.

    Attributes:
        n_quantiles: of that distribution.
    """

    n_quantiles: Annotated[int, Field(ge=2, le=1_000)] = 50


class ActorCriticParameters(OffPolicyParameters):
    """The hyperparameters of learners with a replay buffer, an actor and a critic.

    Attributes:
        share_encoder: whether actor and critic read one encoder, which the critic alone trains;
            otherwise each has its own and trains it.
    """

    share_encoder: bool = True


class SACParameters(ActorCriticParameters):
    """SAC's own.

    Attributes:
        ent_coef: the weight of entropy; "auto" adapts it.
        n_critics: of which the lowest counts.
    """

    ent_coef: Share | Literal["auto"] = "auto"
    n_critics: Annotated[int, Field(ge=1, le=10)] = 2


class DDPGParameters(ActorCriticParameters):
    """DDPG's own.

    Attributes:
        noise: standard deviation of what is added to actions while exploring.
    """

    noise: Annotated[float, Field(ge=0.0, le=2.0)] = 0.2


class AttentionDDPGParameters(DDPGParameters):
    """DDPG's own, with the attention encoder."""

    encoder: Annotated[str, Field(min_length=1, max_length=100)] = "attention"


class TD3Parameters(DDPGParameters):
    """TD3's own.

    Attributes:
        policy_delay, target_policy_noise, target_noise_clip: as in SB3.
        n_critics: of which the lowest counts.
    """

    policy_delay: Annotated[int, Field(ge=1, le=100)] = 2
    target_policy_noise: Annotated[float, Field(ge=0.0, le=2.0)] = 0.2
    target_noise_clip: Annotated[float, Field(ge=0.0, le=2.0)] = 0.5
    n_critics: Annotated[int, Field(ge=1, le=10)] = 2


P = TypeVar("P", bound=BaseModel)


def parse(learner: str, model: type[P], values: Mapping[str, Any]) -> P:
    """Checks hyperparameters.

    Raises:
        ArgumentError: one is unknown, or its value is not allowed.
    """
    for name in values:
        if name not in model.model_fields:
            what = f"hyperparameter of {learner}"
            raise ArgumentError(unknown(what, name, sorted(model.model_fields)))
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(part for part in first["loc"] if isinstance(part, str))
        name = name or "hyperparameters"
        message = first["msg"][:1].lower() + first["msg"][1:]
        got = repr(values.get(name, first["input"]))
        got = got if len(got) <= 100 else f"{got[:100]}..."
        raise ArgumentError(f"{learner}: {name}: {message}, got {got}") from None
