"""The action of each stage of an experiment, by the functions that the single commands use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymnasium.spaces import Dict
from pydantic import JsonValue

from als_engine.agents.agent import Progress
from als_engine.agents.saving import AgentRecord, load_agent, open_agent, spaces
from als_engine.agents.training import JOB as TRAINING
from als_engine.agents.training import finished_training, resume_training, train_agent
from als_engine.errors import SavedFileError
from als_engine.evaluation.protocol import Evaluation, evaluate, normalise, reference
from als_engine.evaluation.statistics import Interval
from als_engine.system.interrupts import interruptible
from als_engine.system.safe_files import is_file
from als_plugins.experiment.config import OUTPUTS, Experiment

__all__ = ["ACTIONS", "Context"]

Summary = dict[str, JsonValue]
Reporter = Callable[[int, int], None]
"""Hears how much is done, and of how much."""


@dataclass(frozen=True)
class Context:
    """The data that every stage gets.

    Attributes:
        experiment: the whole of it.
        folders: stage to its folder, up to this one.
        folder: this stage's own.
    """

    experiment: Experiment
    folders: Mapping[str, Path]
    folder: Path

    @property
    def outputs(self) -> dict[str, Path]:
        """What each stage has left behind for those after it, whole paths."""
        named = {**OUTPUTS, **{stage.label: stage.out for stage in self.experiment.then}}
        return {
            name: (folder / named[name]).resolve()
            for name, folder in self.folders.items()
            if name in named
        }


def collect(context: Context, reporter: Reporter) -> Summary:
    """Collects experience of every scenario into one dataset."""
    from als_plugins.experience.collect import collect as collect_episodes

    experiment = context.experiment
    stage = experiment.collect
    assert stage is not None
    kept = steps = 0
    for scenario in stage.scenarios or [experiment.scenario]:
        own = scenario == experiment.scenario
        arguments = experiment.scenario_arguments
        collected = collect_episodes(
            scenario,
            context.folder / "experience",
            policy=experiment.path(stage.policy),
            episodes=stage.episodes,
            seed=experiment.seed,
            # The scenario's own arguments mean nothing elsewhere; what is perceived is the same.
            arguments=arguments if own else _perceived(arguments),
            on_progress=lambda progress: reporter(progress.episodes, progress.total),
        )
        kept += collected.source.episodes
        steps += collected.source.steps
    return {"episodes": kept, "steps": steps}


def _perceived(arguments: Mapping[str, Any]) -> dict[str, Any]:
    names = ("sensors", "action_mode", "frame_size")
    return {name: arguments[name] for name in names if name in arguments}


def has_experience(context: Context) -> bool:
    """Whether the dataset can be opened."""
    from als_plugins.experience.dataset import open_experience

    return len(open_experience(context.folder / "experience").scenarios) > 0


def pretrain(context: Context, reporter: Reporter) -> Summary:
    """Pretrains the encoder on the dataset."""
    from als_plugins.pretraining.pretrain import pretrain as pretrain_encoder

    stage = context.experiment.pretrain
    assert stage is not None
    folder = context.folder / "pretraining"
    with interruptible() as interrupted:
        done = pretrain_encoder(
            context.folders["collect"] / "experience",
            folder,
            encoder=stage.encoder,
            config=stage.config,
            sensors=context.experiment.sensors or None,
            objectives=stage.objectives,
            steps=stage.steps,
            batch=stage.batch,
            learning_rate=stage.learning_rate,
            seed=context.experiment.seed,
            resume=True,
            on_progress=lambda progress: reporter(progress.step, progress.steps),
            should_stop=interrupted,
        )
    # Stopped, it does not come here: `interruptible` raises what was not answered.
    return {"steps": done.record.steps, "loss": done.record.loss}


def has_encoder(context: Context) -> bool:
    """Whether the saved encoder can be loaded."""
    from als_plugins.encoders.saving import load_encoder, read_encoder_record

    folder, experiment = context.folder / "pretraining", context.experiment
    known = read_encoder_record(folder).sensors
    here = spaces(experiment.scenario, experiment.scenario_arguments)[0].spaces
    load_encoder(folder, Dict({key: space for key, space in here.items() if key in known}))
    return True


def train(context: Context, reporter: Reporter) -> Summary:
    """Trains the agent, from the pretrained encoder where there is one."""
    experiment, folder = context.experiment, context.folder / "training"
    stage = experiment.train
    assert stage is not None
    config = experiment.learner_config()
    if "pretrain" in context.folders:
        config["pretrained"] = str((context.folders["pretrain"] / "pretraining").resolve())
        config["tuning"] = stage.tuning

    def show(progress: Progress) -> None:
        reporter(progress.steps, progress.total)

    if not is_file(folder / TRAINING):
        trained = train_agent(
            experiment.scenario,
            stage.agent,
            steps=stage.steps,
            folder=folder,
            worlds=stage.worlds,
            workers=stage.workers,
            seed=experiment.seed,
            arguments=experiment.scenario_arguments,
            config=config,
            on_progress=show,
        )
    elif (record := finished_training(folder)) is not None:
        return _trained(record)
    else:
        trained = resume_training(folder, on_progress=show)
    if trained.stopped:
        raise KeyboardInterrupt
    return _trained(trained.record)


def _trained(agent: AgentRecord) -> Summary:
    record = agent.training
    if record is None:
        raise SavedFileError("the agent's record does not say how it was trained")
    return {"steps": record.steps, "return": record.mean_return, "seconds": record.seconds}


def has_agent(context: Context) -> bool:
    """Whether the trained agent can be loaded."""
    load_agent(context.folder / "training")
    return True


def adapt(context: Context, reporter: Reporter) -> Summary:
    """Goes on with the agent by feedback."""
    from als_plugins.adaptation.adapt import adapt as adapt_agent
    from als_plugins.adaptation.adapt import finished_adaptation, resume_adaptation
    from als_plugins.adaptation.folder import JOB as ADAPTATION

    experiment, folder = context.experiment, context.folder / "adaptation"
    stage = experiment.adapt
    assert stage is not None

    def show(progress: Progress) -> None:
        reporter(progress.steps, progress.total)

    if not is_file(folder / ADAPTATION):
        adapted = adapt_agent(
            context.folders["train"] / "training",
            experiment.scenario,
            folder=folder,
            feedback=experiment.path(stage.feedback),
            steps=stage.steps,
            drift=stage.drift or None,
            seed=experiment.seed,
            on_progress=show,
        )
    elif (state := finished_adaptation(folder)) is not None:
        return {"rounds": len(state.rounds), "rolled back": state.rolled_back}
    else:
        adapted = resume_adaptation(folder, on_progress=show)
    if adapted.stopped:
        raise KeyboardInterrupt
    return {"rounds": len(adapted.rounds), "rolled back": adapted.rolled_back}


def has_adapted(context: Context) -> bool:
    """Whether the adapted agent can be loaded."""
    load_agent(context.folder / "adaptation")
    return True


def measure(context: Context, reporter: Reporter) -> Summary:
    """Evaluates what was trained and what was adapted, beside random and the expert."""
    experiment = context.experiment
    stage = experiment.evaluate
    assert stage is not None
    episodes = stage.episodes
    found: Summary = {}
    last: Evaluation | None = None
    folders = {"train": "training", "adapt": "adaptation"}
    for name in [name for name in folders if name in context.folders]:
        opened = open_agent(context.folders[name] / folders[name])
        last = evaluate(
            opened.agent,
            opened.scenario,
            episodes,
            split=stage.split,
            seed=experiment.seed,
            observers=opened.observers,
            arguments=opened.arguments,
            on_episode=lambda ended: reporter(ended, episodes),
        )
        found[name] = _summary(last)
        score = normalise(last)
        if score is not None:
            found[name] = {**_summary(last), "normalized": _interval(score.score)}
    assert last is not None
    yardsticks = reference(last)
    found["random"] = _summary(yardsticks.random)
    if yardsticks.expert is not None:
        found["expert"] = _summary(yardsticks.expert)
    return found


def always(context: Context) -> bool:
    """What is in `done.json` is all that there is."""
    return True


ACTIONS: dict[str, tuple[Callable[[Context, Reporter], Summary], Callable[[Context], bool]]] = {
    "collect": (collect, has_experience),
    "pretrain": (pretrain, has_encoder),
    "train": (train, has_agent),
    "adapt": (adapt, has_adapted),
    "evaluate": (measure, always),
}
"""Stage to what it does, and to whether its output can still be read."""


def _summary(evaluation: Evaluation) -> Summary:
    return {
        "episodes": evaluation.episodes,
        "return": _interval(evaluation.mean_return),
        "success": _interval(evaluation.success),
    }


def _interval(interval: Interval) -> list[JsonValue]:
    return [round(value, 4) for value in (interval.value, interval.low, interval.high)]
