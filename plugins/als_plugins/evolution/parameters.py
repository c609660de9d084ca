"""The hyperparameters of `es`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from als_plugins.learners.hyperparameters import Rate, Share, Width, Widths

__all__ = ["EvolutionParameters"]


class EvolutionParameters(BaseModel):
    """The hyperparameters of both searches; the population has as many members as there are worlds.

    Attributes:
        algorithm: "openai" (Salimans et al. 2017) or "cma" (Hansen 2016).
        sigma: deviation of the members around their mean; of "cma" at the beginning.
        learning_rate: of Adam, which moves the mean of "openai".
        weight_decay: what pulls the mean of "openai" to 0, beside the slope.
        episodes: that each member plays in a generation.
        net_arch: widths of the layers between the numbers and the action.
        things: width of the layer that reads each thing of a table, such as `entities`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    algorithm: Literal["openai", "cma"] = "openai"
    sigma: Annotated[float, Field(gt=0.0, le=100.0)] = 0.3
    learning_rate: Rate = 0.1
    weight_decay: Share = 0.0
    episodes: Annotated[int, Field(ge=1, le=1_000)] = 1
    net_arch: Widths = [16]
    things: Width = 16
