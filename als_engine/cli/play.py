"""`als play`: an agent plays, and a GIF or an MP4 shows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from als_engine.checks import check_undecided
from als_engine.cli.console import BAR, OF, Column, Table, live, say
from als_engine.cli.console import show as show_table
from als_engine.cli.shared import (
    AGENT,
    MAX_AVATARS,
    MAX_SEED,
    Company,
    Difficulty,
    Episodes,
    Physics,
)
from als_engine.errors import ALSError
from als_engine.evaluation.splits import REPORTING
from als_engine.options import scenario_arguments
from als_engine.plugins.registry import registry
from als_engine.seeding import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from als_engine.agents.curriculum.difficulty import Difficulty as Stages
    from als_engine.evaluation.film import Film, Take
    from als_engine.render.video import Picture

__all__ = ["play"]


def play(
    id: Annotated[str, typer.Argument(help="The scenario, such as ALS/Tag-v0.", metavar="ID")],
    agent: Annotated[str, typer.Option(help=f"{AGENT}.")] = "random",
    out: Annotated[
        Path | None, typer.Option(help="The video, .gif or .mp4; by default <name>.gif.")
    ] = None,
    episodes: Episodes = 1,
    view: Annotated[
        str, typer.Option(help="From outside, through the avatar's eyes, or both: third|first|both")
    ] = "third",
    show: Annotated[
        str,
        typer.Option(
            help="What is added to the pictures, with commas between: captions|rays|rewards, or "
            "nothing."
        ),
    ] = "captions",
    split: Annotated[
        str, typer.Option(help="Where levels are drawn from: train|validation|test")
    ] = REPORTING,
    seed: Annotated[
        int, typer.Option(help="Another one gives other episodes.", min=0, max=MAX_SEED)
    ] = 0,
    drive: Annotated[
        int | None,
        typer.Option(
            help="How many avatars the agent drives; by default the first.", min=1, max=MAX_AVATARS
        ),
    ] = None,
    difficulty: Difficulty = None,
    company: Company = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(help="key=value for the scenario, such as level=7; can be repeated."),
    ] = None,
    physics: Physics = None,
) -> None:
    """Let an agent play and write a GIF or an MP4 of it."""
    from als_engine.render.video import check_suffix, write_video

    spec = registry.scenario(id)
    path = out or Path(f"{id.partition('/')[2]}.gif")
    check_suffix(path)
    given = scenario_arguments(arg, physics=physics)
    check_undecided("play", given, split="--split", seed="--seed", observers="--drive", level="")
    arguments = {"split": split, **given}
    shown = [] if show == "nothing" else show.split(",")
    player = _Player(spec.id, agent, arguments, drive, view, shown, company)
    follows = None if difficulty is None else player.difficulty(difficulty, seed)
    seeds = [spread("playing", seed, episode) for episode in range(episodes)]
    total = episodes * (arguments.get("max_episode_steps") or spec.max_episode_steps)
    with live("{task.fields[what]}", BAR, OF, total=total, what=f"{agent} in {id}") as update:
        frames = player.frames(seeds, follows, lambda: update(advance=1))
        write_video(path, frames)
        update(completed=total)
    _print_table(player.takes, player.stages)
    if follows is not None:
        line = follows.says(agent)
        say(f"{line[0].upper()}{line[1:]}.", style="dim")
    say(f"Wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")


class _Player:
    """Films an agent, episode after episode.

    Attributes:
        takes: of the episodes so far.
        stages: of each, where the difficulty follows the agent, from 1.
    """

    def __init__(
        self,
        scenario: str,
        agent: str,
        arguments: dict[str, Any],
        drive: int | None,
        view: str,
        shown: list[str],
        company: str | None,
    ) -> None:
        from als_engine.agents.saving import NOT_SAVED, open_agent
        from als_engine.physics.engines import preload

        for_agent = {name: value for name, value in arguments.items() if name not in NOT_SAVED}
        self._opened = open_agent(agent, scenario, for_agent, drive, fewer_sensors=True)
        self._arguments: Mapping[str, Any] = {**self._opened.arguments, **arguments}
        self._name, self._view, self._shown, self._company = agent, view, shown, company
        self.takes: list[Take] = []
        self.stages: list[int] = []
        preload(self._arguments)
        self._film = self._filming(self._arguments)

    def difficulty(self, given: str, seed: int) -> Stages:
        """What `--difficulty` names."""
        from als_engine.agents.curriculum.difficulty import difficulty_of

        opened = self._opened
        return difficulty_of(given, opened.scenario, opened.observers, self._arguments, seed)

    def _filming(self, arguments: Mapping[str, Any]) -> Film:
        """Opens a world, and leaves the camera running."""
        from als_engine.evaluation.company import keep_company
        from als_engine.evaluation.film import Film
        from als_engine.simulation import simulate

        opened = self._opened
        simulation = simulate(opened.scenario, 1, opened.observers, **arguments)
        try:
            if self._company is not None:
                keep_company(simulation, self._company)
            return Film(simulation, opened.agent, self._view, self._shown)
        except ALSError:
            simulation.close()
            raise

    def frames(
        self, seeds: list[int], follows: Stages | None, on_step: Callable[[], None]
    ) -> Iterator[Picture]:
        """Plays an episode for each seed."""
        for seed in seeds:
            if follows is not None:
                arguments = follows.choose(self._name)
                self.stages.append(follows.stage + 1)
                if arguments != self._arguments:
                    self._film.close()
                    self._arguments, self._film = arguments, self._filming(arguments)
            yield from self._film.episodes([seed], on_step)
            self.takes.append(self._film.takes[-1])
            if follows is not None:
                follows.note(self._name, bool(self.takes[-1].metrics["success"]))


def _print_table(takes: list[Take], stages: list[int]) -> None:
    """Prints a row for each episode."""
    titles = ["seed", "level", *(["stage"] if stages else []), "steps", "return"]
    table = Table((*(Column(title, right=True) for title in titles), "success"))
    for number, take in enumerate(takes):
        success = "yes" if take.metrics.get("success") else "no"
        stage = [stages[number]] if stages else []
        table.row(take.seed, take.level, *stage, take.length, f"{take.mean_return:.2f}", success)
    show_table(table)
