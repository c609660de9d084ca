"""Checks an experiment's names before any work begins."""

from __future__ import annotations

from pathlib import Path

from als_engine.agents.saving import spaces
from als_engine.errors import ALSError, ArgumentError
from als_engine.plugins.registry import registry
from als_plugins.experiment.config import Experiment

__all__ = ["check_ids"]


def check_ids(experiment: Experiment, path: Path) -> None:
    """Looks up everything that the file names.

    Raises:
        ArgumentError: a scenario, sensor, argument, encoder or agent does not exist; names the key.
    """

    def named(key: str, error: ALSError) -> ArgumentError:
        return ArgumentError(f"{path}: {key}: {error}")

    try:
        registry.scenario(experiment.scenario)
    except ALSError as error:
        raise named("scenario", error) from None
    try:
        observation_space, _ = spaces(experiment.scenario, experiment.scenario_arguments)
    except ALSError as error:
        raise named("arguments", error) from None
    if experiment.pretrain is not None:
        from als_plugins.encoders.saving import make_encoder

        try:
            make_encoder(experiment.pretrain.encoder, observation_space, experiment.pretrain.config)
        except ALSError as error:
            raise named("pretrain.encoder", error) from None
    if experiment.train is not None:
        from als_engine.agents.saving import make_agent

        try:
            spec = registry.agent(experiment.train.agent)
            arguments = {"action_mode": spec.action_modes[0], **experiment.scenario_arguments}
            make_agent(spec.id, experiment.scenario, arguments, experiment.learner_config())
        except ALSError as error:
            raise named("train", error) from None
    if experiment.collect is not None:
        for scenario in experiment.collect.scenarios:
            try:
                registry.scenario(scenario)
            except ALSError as error:
                raise named("collect.scenarios", error) from None
