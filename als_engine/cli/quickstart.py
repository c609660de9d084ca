"""`als quickstart`: in a few minutes from nothing to a trained avatar and a page that shows it."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from als_engine.cli.console import say, spinner
from als_engine.cli.shared import MAX_EPISODES, MAX_STEPS, MAX_TRAINING_SEED, MAX_WORLDS
from als_engine.plugins.registry import registry
from als_engine.seeding import spread
from als_engine.texts import command

if TYPE_CHECKING:
    from als_engine.agents.agent import Progress
    from als_engine.agents.training import Trained
    from als_engine.evaluation.protocol import Evaluation

__all__ = ["quickstart"]

SCENARIO: Final = "ALS/Tag-v0"
ARGUMENTS: Final[Mapping[str, Any]] = {
    "num_avatars": 2,
    "role": "chaser",
    # State sensors: from pixels it takes more than a few minutes on two cores.
    "sensors": ["entities", "proprioception"],
    # Running straight at somebody takes small turns; in jerks it is learnt more slowly.
    "action_mode": "continuous",
}
LEARNER: Final = "mappo"
# More and smaller updates than by default, for a short training.
LEARNING: Final[Mapping[str, Any]] = {
    "encoder": "attention",
    "rollout": 2_048,
    "batch_size": 256,
}
STEPS: Final = 100_000
EPISODES: Final = 100
FILMED: Final = 3
VIDEO: Final = "trained.gif"

Curve = list[tuple[float, float]]

Out = Annotated[Path, typer.Option(help="The folder for the report and the trained agent.")]
Steps = Annotated[int, typer.Option(help="Environment steps to train for.", min=1, max=MAX_STEPS)]
Episodes = Annotated[
    int, typer.Option(help="Test episodes for each agent.", min=2, max=MAX_EPISODES)
]
Seed = Annotated[
    int,
    typer.Option(help="Of the learner, the worlds and the episodes.", min=0, max=MAX_TRAINING_SEED),
]
Worlds = Annotated[
    int, typer.Option(help="Worlds that are stepped at once.", min=1, max=MAX_WORLDS)
]


def quickstart(
    out: Out = Path("quickstart-report"),
    steps: Steps = STEPS,
    episodes: Episodes = EPISODES,
    seed: Seed = 0,
    worlds: Worlds = 32,
) -> None:
    """Train an avatar to play tag, compare it with random and expert, and write a report."""
    from als_engine.agents.saving import save_agent
    from als_engine.cli.list import show_scenarios
    from als_engine.physics.engines import preload
    from als_engine.system.files import make_folder

    registry.scenario(SCENARIO)
    make_folder(out)
    # Networks of this size are no faster on two threads, and on one the result is the same
    # wherever it runs. Torch reads this when it is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    preload({})
    seconds: dict[str, float] = {}

    _headline(1, "The scenarios that are installed")
    show_scenarios()
    _headline(2, f"{LEARNER} learns {SCENARIO}: {steps:,} steps in {worlds} worlds at once")
    with _timed(seconds, f"training, {steps:,} steps"):
        curve, trained = _train(steps, seed, worlds)
        record = save_agent(trained.agent, out / "agent", trained.record)
    _headline(3, f"{episodes} episodes for each agent on levels that were held out")
    with _timed(seconds, f"evaluation, 3 times {episodes} episodes"):
        found = _evaluate(trained, episodes, seed)
    _headline(4, "The report")
    with _timed(seconds, "video"):
        caption = _film(trained, out / VIDEO, seed)

    from als_engine.reports.quickstart import Outcome, build_report
    from als_engine.reports.training import write_report

    again = _command(out, steps, episodes, seed, worlds)
    outcome = Outcome(out, again, record, curve, found, VIDEO, caption, seconds)
    report = build_report(outcome)
    page = write_report(out, report)
    say(f"{report.verdict}\n\nReport: {page}\nAgent:  {out / 'agent'}")


def _train(steps: int, seed: int, worlds: int) -> tuple[Curve, Trained]:
    """Trains, with a live bar.

    Raises:
        KeyboardInterrupt: it was stopped; `main` says so.
    """
    from als_engine.agents.training import train_agent
    from als_engine.cli.bars import training_bar

    curve: Curve = []
    seen = 0
    with training_bar(steps) as bar:

        def show(progress: Progress) -> None:
            nonlocal seen
            bar(progress)
            _tell(progress, seen)
            seen = progress.steps
            late = not curve or progress.steps - curve[-1][0] >= steps / 200
            if late and not math.isnan(progress.mean_return):
                curve.append((float(progress.steps), progress.mean_return))

        trained = train_agent(
            SCENARIO,
            LEARNER,
            steps=steps,
            worlds=worlds,
            seed=seed,
            arguments=dict(ARGUMENTS),
            config=dict(LEARNING),
            on_progress=show,
        )
    if trained.stopped:
        raise KeyboardInterrupt
    return curve, trained


def _tell(progress: Progress, before: int) -> None:
    """A line at every quarter, for logs and pipes, where a live bar shows nothing."""
    quarter = progress.total / 4
    if not sys.stderr.isatty() and progress.steps // quarter > before // quarter:
        told = "" if math.isnan(progress.mean_return) else f", return {progress.mean_return:.2f}"
        say(f"{progress.steps:>9,} steps{told}")


def _evaluate(trained: Trained, episodes: int, seed: int) -> Evaluation:
    """Runs the trained agent and both yardsticks through the same test episodes."""
    from als_engine.cli.evaluate import print_table
    from als_engine.evaluation.protocol import evaluate, normalise

    record = trained.record
    with spinner("Playing on the test levels"):
        found = evaluate(
            trained.agent,
            SCENARIO,
            episodes,
            seed=seed,
            arguments=record.arguments,
            observers=record.observers,
        )
        normalized = normalise(found)
    print_table(LEARNER, found, normalized)
    return found


def _film(trained: Trained, path: Path, seed: int) -> str:
    """Films the first test episodes, whatever happens in them; returns the caption."""
    from als_engine.evaluation.film import Film
    from als_engine.evaluation.splits import REPORTING
    from als_engine.render.video import write_video
    from als_engine.simulation import simulate

    record = trained.record
    arguments: dict[str, Any] = {**record.arguments, "split": REPORTING}
    simulation = simulate(SCENARIO, 1, record.observers, **arguments)
    film = Film(simulation, trained.agent)
    try:
        seeds = [spread("evaluation", seed, episode) for episode in range(FILMED)]
        write_video(path, film.episodes(seeds))
    finally:
        simulation.close()
    won = sum(bool(take.metrics["success"]) for take in film.takes)
    levels = ", ".join(str(take.level) for take in film.takes)
    return (
        f"The first {FILMED} test episodes, levels {levels}: "
        f"the trained avatar, in red, catches the other one in {won} of them."
    )


def _command(out: Path, steps: int, episodes: int, seed: int, worlds: int) -> str:
    """What to type to get the same result."""
    options = {"steps": steps, "episodes": episodes, "seed": seed, "worlds": worlds}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return command("als", "quickstart", "--out", out, *words)


def _headline(number: int, text: str) -> None:
    say(("\n", ""), (f"{number} of 4", "bold"), f"  {text}")


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    seconds[what] = time.monotonic() - begun
