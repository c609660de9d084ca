"""Makes the learner of a training: a new one, or as it was at a checkpoint."""

from __future__ import annotations

from pathlib import Path

from als_engine.agents.agent import Agent, Learner
from als_engine.agents.saving import agent_folder, load_agent, make_agent
from als_engine.agents.training_folder import JOB, Job
from als_engine.errors import ArgumentError, SavedFileError

__all__ = ["make_learner"]


def make_learner(job: Job, checkpoint: Path | None = None) -> Learner:
    """A learner as it was asked for; from a checkpoint, which holds all that it was made from.

    Raises:
        ArgumentError: an argument or hyperparameter is not allowed.
        SavedFileError: the checkpoint, or the agent to begin from, is not of this training.
    """
    if checkpoint is None:
        made = make_agent(job.agent, job.scenario, job.arguments, job.config)
        if job.begin is not None:
            made.load_weights(agent_folder(job.begin))
    else:
        made, record = load_agent(checkpoint)
        if (record.agent, record.scenario) != (job.agent, job.scenario):
            raise SavedFileError(f"{checkpoint} is not a checkpoint of this training")
        _check_same_config(job, made, checkpoint)
    if not isinstance(made, Learner):
        raise ArgumentError(f'"{job.agent}" is marked as trainable, but is no Learner')
    return made


def _check_same_config(job: Job, made: Agent, checkpoint: Path) -> None:
    """Refuses hyperparameters that a checkpoint was not made with, which would count for nothing.

    Raises:
        ArgumentError: one of them is unknown, or its value is not allowed.
        SavedFileError: the checkpoint has another value.
    """
    # What was read from a path is in the checkpoint, and the path may be gone.
    given = {name: value for name, value in job.config.items() if name not in made.paths}
    asked = make_agent(job.agent, job.scenario, job.arguments, given)
    if given.keys() != job.config.keys():
        return
    for name in given:
        if asked.config.get(name) != made.config.get(name):
            raise SavedFileError(f"{checkpoint} was made with another {name} than {JOB} says")
