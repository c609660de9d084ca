"""The hyperparameters of `maml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from als_engine.limits import STEPS
from als_plugins.imitation.parameters import Yardstick
from als_plugins.learners.hyperparameters import Rate, Width, Widths
from als_plugins.meta.tasks import TaskDistribution

__all__ = ["MAMLParameters"]


class MAMLParameters(BaseModel):
    """The hyperparameters.

    Attributes:
        algorithm: "maml" with second-order gradients, "fomaml" without, "reptile", or "joint".
        tasks: the name of a bundled task distribution, or its fields.
        episodes: of a task, from which weights adapt, and as many after it; a world plays each.
        rate: of a step that adapts. inner: how many such steps.
        learning_rate: of Adam, on what comes of them; of Reptile, how far it moves.
        epochs: steps of Adam for each draw of tasks.
        gamma: of a step of the world.
        entropy: weight of the policy's entropy.
        imitate: steps of DAgger (Ross et al. 2011) with which a training begins.
        imitate_from: who shows what to do in them: the scenario's "expert", or a simple rule of its
            own, "heuristic:rule=NAME". What an expert knows of the task, the policy does not see.
        net_arch, things: widths of the layers, and of the one that reads each thing of a table.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    algorithm: Literal["maml", "fomaml", "reptile", "joint"] = "maml"
    tasks: Annotated[str, Field(max_length=100)] | TaskDistribution = "level"
    episodes: Annotated[int, Field(ge=1, le=100)] = 2
    rate: Annotated[float, Field(gt=0.0, le=100.0)] = 0.5
    inner: Annotated[int, Field(ge=1, le=100)] = 1
    learning_rate: Rate = 3e-3
    epochs: Annotated[int, Field(ge=1, le=100)] = 4
    gamma: Rate = 0.97
    entropy: Annotated[float, Field(ge=0.0, le=1.0)] = 0.01
    imitate: Annotated[int, Field(ge=0, le=STEPS)] = 0
    imitate_from: Yardstick = "expert"
    net_arch: Widths = [32]
    things: Width = 16
