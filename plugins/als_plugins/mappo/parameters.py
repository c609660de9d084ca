"""The hyperparameters of `mappo`."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from als_engine.limits import STEPS
from als_plugins.imitation.parameters import ImitationParameters, Yardstick
from als_plugins.learners.hyperparameters import PPOParameters, Rate, Share, Steps

__all__ = ["MappoParameters"]

Sensors = Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=100)]


class MappoParameters(PPOParameters):
    """PPO's, and those of the ingredients that Yu et al. (2022) found to matter.

    Some defaults are not PPO's: fewer passes over more steps, in larger batches and at a higher
    rate learn as much in less time, with as many worlds as pay (32 and more).

    Attributes:
        hold: steps that a decision lasts. Of an action in parts (factored or guided) the feet go on
            after the first of them, and the hand, the voice and effectors rest; any other goes on
            whole. Rewards add up, and `gamma`, `rollout` and `memory_steps` count decisions. Nobody
            shows what to do then: demonstrations are of every step.
        imitate: steps of DAgger (Ross et al. 2011) with which a training begins. They are steps of
            its budget, and counted as demonstrated.
        imitate_from: who shows what to do in them: the scenario's "expert", or a simple rule of its
            own, "heuristic:rule=NAME". An expert that knows what nobody sees can be followed less
            well than a rule that acts on what is to be seen.
        imitate_config: how they are learnt from; see `ImitationParameters`.
        critic: sensors that only the critic sees, in training; whoever plays needs none of them.
        demonstrations: a dataset, or who is meant as in `imitate_from`, that the policy is held to.
        demonstrations_weight: of minus the logarithm of how likely their actions are, in the loss.
        demonstrations_part: the part of the training along which that weight falls to 0.
        ent_coef_end: the weight of entropy at the end; it falls in a straight line. None keeps it.
        target_kl_end: the bound on an update's change at the end, where `target_kl` sets one; it
            falls, or rises, in a straight line. None keeps it.
        normalise_value: whether the critic learns returns of mean 0 and deviation 1.
        normalise_advantage: whether each batch's advantages have mean 0 and deviation 1.
        clip_value: how far a batch may move a value, in the critic's own scale; None for any way.
        networks: "shared" by all rows, or one for each "role"; for the latter the sensor `role`
            says which role a row has.
        memory: what is remembered of an episode: nothing, what a GRU keeps ("gru"), or the last
            steps, which attention looks back at ("attention").
        memory_size: of a GRU's state.
        memory_steps: over how many steps in a row gradients go, and attention looks back.
        bfloat16: whether encoder and memory compute in that format, which halves the time on a GPU
            that has it. Heads, losses and weights stay as they are.
        compile: whether torch compiles the gradient step's network (`torch.compile`), which pays in
            long trainings; it needs a C++ compiler.
        use_masks: whether actions that are not possible are never drawn, in training and after it.
        overlap: whether the next rollout is played while the network learns from the last one, by
            its weights from before. It uses a second core; on Bullet only with `workers`, since
            Bullet lets no other thread run.
    """

    learning_rate: Rate = 1e-3
    gamma: Rate = 0.97
    batch_size: Annotated[int, Field(ge=2, le=100_000)] = 512
    rollout: Steps = 4_096
    n_epochs: Annotated[int, Field(ge=1, le=1_000)] = 4
    hold: Annotated[int, Field(ge=1, le=1_000)] = 1
    imitate: Annotated[int, Field(ge=0, le=STEPS)] = 0
    imitate_from: Yardstick = "expert"
    imitate_config: ImitationParameters = ImitationParameters()
    critic: Sensors = Field(default_factory=list)
    demonstrations: Annotated[str, Field(min_length=1, max_length=4_000)] | None = None
    demonstrations_weight: Annotated[float, Field(ge=0.0, le=1e3)] = 0.1
    demonstrations_part: Share = 0.5
    ent_coef_end: Share | None = None
    target_kl_end: Annotated[float, Field(gt=0.0)] | None = None
    normalise_value: bool = True
    normalise_advantage: bool = True
    clip_value: Annotated[float, Field(gt=0.0, le=1e6)] | None = None
    networks: Literal["shared", "role"] = "shared"
    memory: Literal["none", "gru", "attention"] = "none"
    memory_size: Annotated[int, Field(ge=1, le=1_024)] = 128
    memory_steps: Annotated[int, Field(ge=2, le=256)] = 16
    bfloat16: bool = False
    compile: bool = False
    use_masks: bool = False
    overlap: bool = False

    @model_validator(mode="after")
    def _ends_begin(self) -> MappoParameters:
        if self.target_kl_end is not None and self.target_kl is None:
            raise ValueError("target_kl_end needs target_kl, where the bound begins")
        if self.imitate_config.epsilon is not None:
            raise ValueError("imitate_config: epsilon goes with `als imitate --from DATASET`")
        return self

    @property
    def together(self) -> int:
        """Steps of a row that are learnt from together, one after the other."""
        return 1 if self.memory == "none" else self.memory_steps

    def steps_for(self, rows: int) -> int:
        """Steps of each row between two updates: as many as make whole batches, and sequences."""
        steps, together = super().steps_for(rows), self.together
        return together * math.ceil(steps / together)
