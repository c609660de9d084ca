"""`mbpo`: `mappo` that also learns from short rollouts of a model of what it has seen.

After each update on real steps, an ensemble learns from all steps so far, and `mappo` is updated on
rollouts that the ensemble thinks up from there (the idea of Janner et al. 2019, who did it with
another learner). Steps that are thought up are not steps of the training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

import gymnasium
import torch
from pydantic import Field

from als_engine.agents.agent import Progress, Training
from als_engine.errors import ArgumentError
from als_engine.limits import check_memory
from als_engine.seeding import spread
from als_plugins.mappo.collecting import Collector
from als_plugins.mappo.learner import Mappo
from als_plugins.mappo.parameters import MappoParameters
from als_plugins.mappo.rollout import Rollout
from als_plugins.world_models.codes import ActionCode, ObservationCode
from als_plugins.world_models.data import Steps
from als_plugins.world_models.fitting import Fitting, reward_scale
from als_plugins.world_models.saving import Size, make_learnt

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows
    from als_plugins.world_models.imagined import RecordedRows

__all__ = ["Mbpo", "MbpoParameters"]

Count = Annotated[int, Field(ge=1, le=100_000)]


class MbpoParameters(MappoParameters):
    """Those of `mappo`, and those of the model.

    Attributes:
        model_width, model_members: units of a layer, and networks.
        model_memory: real steps that it learns from, the latest ones.
        model_fits: gradient steps of the model for each update on real steps.
        model_batch: transitions in one of them, for each member.
        model_rate: of its Adam.
        imagined_rows: that the model steps at once.
        imagined_horizon: steps of an imagined episode.
        imagined_updates: of `mappo`, each on a rollout of its own, for each on real steps; 0 for
            none.
        imagined_from: real steps before the first of them.
    """

    model_width: Annotated[int, Field(ge=1, le=2_048)] = 128
    model_members: Annotated[int, Field(ge=1, le=32)] = 4
    model_memory: Annotated[int, Field(ge=100, le=10_000_000)] = 100_000
    model_fits: Count = 100
    model_batch: Annotated[int, Field(ge=2, le=65_536)] = 128
    model_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 2e-3
    imagined_rows: Count = 128
    imagined_horizon: Annotated[int, Field(ge=1, le=1_000)] = 8
    imagined_updates: Annotated[int, Field(ge=0, le=1_000)] = 2
    imagined_from: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1_000


class Mbpo(Mappo):
    """Learns from real and from imagined rollouts; see the module.

    A training that is taken up again begins a new model, with what it sees from there on.
    """

    id: ClassVar[str] = "mbpo"
    parameters_class: ClassVar[type[MappoParameters]] = MbpoParameters
    parameters: MbpoParameters

    def __init__(
        self,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space[Any],
        **hyperparameters: Any,
    ) -> None:
        """Checks the hyperparameters.

        Raises:
            ArgumentError: as `Mappo`; or what it sees or does cannot be modelled.
        """
        super().__init__(observation_space, action_space, **hyperparameters)
        given = self.parameters
        if given.overlap or given.memory != "none" or given.demonstrations is not None:
            raise ArgumentError("mbpo takes no overlap, memory or demonstrations: leave them out")
        self._code, self._coded = ObservationCode(observation_space), ActionCode(action_space)
        self._recorded: RecordedRows | None = None
        self._fitting: Fitting | None = None
        self._fitted = 0

    def learn(self, rows: Rows, training: Training) -> Progress:
        """Trains, and records the rows."""
        most = self.parameters.model_memory
        check_memory(f"model_memory={most:,}", 12 * most * self._code.numbers.size)
        # Whoever only acts needs no worlds, and in a sandbox may have none.
        from als_plugins.world_models.imagined import RecordedRows

        recorded = RecordedRows(rows, self._code.numbers, self._coded, most)
        self._recorded, self._fitting, self._fitted = recorded, None, 0
        try:
            return super().learn(cast("Rows", recorded), training)
        finally:
            self._recorded = self._fitting = None

    def _update(
        self, rollout: Rollout, optimizer: torch.optim.Optimizer, training: Training
    ) -> dict[str, float]:
        """Updates on the real rollout, then on imagined ones."""
        from als_plugins.world_models.imagined import ImaginedRows

        found = super()._update(rollout, optimizer, training)
        parameters, recorded = self.parameters, self._recorded
        enough = recorded is not None and recorded.steps >= parameters.imagined_from
        if recorded is None or not enough or not parameters.imagined_updates:
            return found
        real = recorded.recorded()
        found.update(self._fit(real))
        assert self._fitting is not None
        learnt = self._fitting.learnt
        for number in range(parameters.imagined_updates):
            seed = spread("imagined", training.seed, self._steps, number)
            rows = ImaginedRows(
                learnt, real, parameters.imagined_rows, parameters.imagined_horizon, seed
            )  # fmt: skip
            imagined = Rollout(
                parameters.imagined_horizon, cast("Rows", rows), self._mask_size(), self._device()
            )
            assert self._draws is not None
            self.policy.eval()
            Collector(cast("Rows", rows), parameters, self._draws).collect(
                self.policy, imagined, lambda: False
            )
            self.policy.train()
            super()._update(imagined, optimizer, training)
            found["model/imagined_reward"] = float(imagined.rewards.mean())
        return found

    def _fit(self, steps: Steps) -> dict[str, float]:
        """Lets the model learn from all steps so far; a new one each time they have doubled."""
        parameters = self.parameters
        seed = spread("model of mbpo", self._steps)
        if self._fitting is None or len(steps) >= 2 * self._fitted:
            self._fitted = len(steps)
            self._code.fit(steps.numbers)
            size = Size(width=parameters.model_width, members=parameters.model_members)
            learnt = make_learnt(size, self._code, self._coded, reward_scale(steps.rewards))
            fits = 2 * parameters.model_fits
            optimizer = None
        else:
            learnt, fits = self._fitting.learnt, parameters.model_fits
            optimizer = self._fitting.optimizer
        steps.standardise(learnt.code, *learnt.reward.tolist())
        # Torch's generator is the training's; the model's batches have numbers of their own.
        state = torch.get_rng_state()
        fitting = Fitting(
            learnt, steps, None, seed=seed, batch=parameters.model_batch,
            rate=parameters.model_rate,
        )  # fmt: skip
        if optimizer is not None:
            fitting.optimizer = optimizer
        logged = fitting.take(fits)
        torch.set_rng_state(state)
        self._fitting = fitting
        return {"model/loss": logged["loss"]}
