"""Writes the files of `als explain`: the animation, and a page about a few decisions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from als_engine.render.video import write_video
from als_engine.system.files import write_text
from als_engine.texts import command
from als_plugins.explaining.attributions import Question, attribute
from als_plugins.explaining.checks import delete, randomised
from als_plugins.explaining.page import Decision, render
from als_plugins.explaining.panels import frames
from als_plugins.explaining.recording import Moment, Recording, record
from als_plugins.explaining.whatif import what_if

__all__ = ["Explained", "explain"]

FRAMES_PER_SECOND = 5


@dataclass(frozen=True)
class Explained:
    """The results of `explain`.

    Attributes:
        recording: the episodes. decisions: those that were asked about.
        page, animations: the files.
    """

    recording: Recording
    decisions: tuple[Decision, ...]
    page: Path
    animations: tuple[Path, ...]


def explain(
    reference: str,
    scenario: str | None = None,
    *,
    folder: Path | str,
    episodes: int = 1,
    seed: int = 0,
    steps: int = 60,
    decisions: int = 3,
    arguments: Mapping[str, Any] | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> Explained:
    """Looks inside a trained agent; writes attention.gif, attention.mp4 and index.html.

    Args:
        reference: folder of a saved agent.
        scenario: where it plays; by default where it was trained.
        folder: where to write.
        episodes: how many are played.
        seed: another one gives other episodes.
        steps: at most so many of each.
        decisions: how many are asked about: the surest of so many stretches of the first episode.
        arguments: of the scenario, on top of the saved ones.
        on_step: called after every step.

    Raises:
        ArgumentError: the agent has no network, or does not fit the scenario.
        SavedFileError: there is no such agent, or it cannot be written.
    """
    folder = Path(folder)
    recording = record(
        reference, scenario, episodes=episodes, seed=seed, steps=steps, arguments=arguments,
        on_step=on_step,
    )  # fmt: skip
    pictures = list(frames(recording))
    animations = (folder / "attention.gif", folder / "attention.mp4")
    for path in animations:
        write_video(path, pictures, FRAMES_PER_SECOND)
    asked = tuple(_asked(recording, moment) for moment in surest(recording, decisions))
    options = {"on": recording.scenario, "seed": seed, "steps": steps, "episodes": episodes}
    options |= {"decisions": decisions}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    for key, value in (arguments or {}).items():
        words += ["--arg", f"{key}={json.dumps(value)}"]
    again = command("als", "explain", reference, *words)
    page = folder / "index.html"
    write_text(page, render(recording, asked, animations[1].read_bytes(), reference, again))
    return Explained(recording, asked, page, animations)


def surest(recording: Recording, count: int) -> list[Moment]:
    """The moments of the first episode that stand out most, one for each stretch of it."""
    first = [moment for moment in recording.moments if moment.episode == 0]
    stretches: Sequence[Any] = np.array_split(np.arange(len(first)), min(count, len(first)))
    return [max((first[i] for i in each), key=_margin) for each in stretches]


def _margin(moment: Moment) -> float:
    """How far the action is ahead of the next best; for axes, how far it is from 0."""
    others = np.delete(moment.numbers, moment.target)
    if moment.numbers.min() < -1e-9 and others.size and moment.numbers.argmax() == moment.target:
        return float(moment.numbers[moment.target] - others.max())
    return float(abs(moment.numbers[moment.target]))


def _asked(recording: Recording, moment: Moment) -> Decision:
    question = Question(
        recording.decider, moment.observation, moment.target, moment.memory, moment.masks
    )
    attribution = attribute(question)
    return Decision(
        moment,
        attribution,
        delete(question, attribution),
        randomised(recording.decider, question, attribution),
        what_if(recording.decider, moment, attribution),
    )
