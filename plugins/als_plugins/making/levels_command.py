"""`als make levels`: levels as hard as wanted for an agent, by edits of those it trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from als_engine.cli.bars import counting_bar
from als_engine.cli.console import say, say_json
from als_engine.cli.shared import MAX_EPISODES, MAX_SEED, Json
from als_plugins.making.command import Out

if TYPE_CHECKING:
    from als_engine.simulation import Simulation

__all__ = ["levels"]

SHOWN = 4

Run = Annotated[
    Path,
    typer.Argument(metavar="RUN", help="A training, best one with --curriculum plr; or an agent."),
]
Target = Annotated[
    float, typer.Option(help="The part of the episodes that its agent succeeds in.", min=0, max=1)
]
Count = Annotated[int, typer.Option(help="Levels to make.", min=1, max=1_000)]
Parents = Annotated[int, typer.Option(help="Levels to edit in each round.", min=1, max=1_000)]
Rounds = Annotated[int, typer.Option(help="Of edits.", min=0, max=4)]
Episodes = Annotated[
    int, typer.Option(help="In which each level is played.", min=1, max=MAX_EPISODES)
]
Apart = Annotated[
    float,
    typer.Option(help="Things differ by so much from level to level, metres.", min=0, max=100),
]
Seed = Annotated[int, typer.Option(help="Of edits and episodes.", min=0, max=MAX_SEED)]


def levels(
    run: Run,
    out: Out,
    target: Target = 0.5,
    count: Count = 32,
    parents: Parents = 32,
    rounds: Rounds = 2,
    episodes: Episodes = 4,
    apart: Apart = 0.1,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Edit levels until an agent succeeds in them as often as wanted, each unlike the others.

    Example: als make levels runs/tag --target 0.5 --out made

    Training goes on with them: als train ID --begin runs/tag --curriculum made/levels.toml
    """
    from itertools import combinations

    import numpy as np

    from als_engine.agents.saving import open_agent
    from als_engine.envs.rows import Rows
    from als_engine.models import checked_fields
    from als_engine.system.interrupts import interruptible
    from als_plugins.making.folders import write_made
    from als_plugins.making.levels import (
        WORLDS,
        LevelsRecord,
        Wish,
        displaced,
        make_levels,
        parents_of,
    )  # fmt: skip

    with checked_fields():
        wish = Wish(
            target=target, count=count, parents=parents, rounds=rounds, episodes=episodes,
            apart=apart, seed=seed,
        )  # fmt: skip
    opened = open_agent(run)
    rows = Rows(opened.scenario, WORLDS, observers=opened.observers, **opened.arguments)
    try:
        with interruptible() as stop, counting_bar("episodes") as told:
            begun = parents_of(run, parents, seed)
            made, drawn, steps = make_levels(opened.agent, rows, begun, wish, stop, told)
        simulation = rows.worlds.simulation
        record = LevelsRecord(
            scenario=opened.scenario, arguments=dict(opened.arguments), wish=wish, steps=steps,
            levels=made, drawn=drawn,
        )  # fmt: skip

        def write(new: Path) -> None:
            numbers = ", ".join(str(each.level) for each in made)
            text = f'# Made by "als make levels".\nkind = "plr"\nchosen = [{numbers}]\n'
            (new / "levels.toml").write_text(text, encoding="ascii")
            sheet(new / "levels.png", simulation, [each.level for each in made])

        write_made(out, "levels.json", record, write)
        layouts = [[simulation.lay_out(e.level) for e in some] for some in (made, drawn)]
    finally:
        rows.close()
    apart_now, apart_drawn = (
        float(np.mean([displaced(*pair) for pair in combinations(some, 2)] or [0.0]))
        for some in layouts
    )
    found = {
        "made": len(made),
        "edited": sum(each.edited_from is not None for each in made),
        "steps": steps,
        "success": round(float(np.mean([each.success for each in made])), 4),
        "success_of_drawn": round(float(np.mean([each.success for each in drawn])), 4),
        "off_target": round(float(np.mean([abs(e.success - target) for e in made])), 4),
        "off_target_of_drawn": round(float(np.mean([abs(e.success - target) for e in drawn])), 4),
        "apart": round(apart_now, 4),
        "apart_of_drawn": round(apart_drawn, 4),
    }
    if as_json:
        say_json(found)
        return
    say(f"{out}: {len(made)} levels, {found['edited']} of them edited; see levels.png.")
    say(
        f"Its agent succeeds in {found['success']:.0%} of the episodes on them, in "
        f"{found['success_of_drawn']:.0%} on those that it began with; wanted were {target:.0%}."
    )
    say(f"Things differ by {apart_now:.2f} m from level to level; by {apart_drawn:.2f} m before.")
    say(f"Train on them: als train {opened.scenario} --curriculum {out / 'levels.toml'} ...")


def sheet(path: Path, simulation: Simulation, levels: Sequence[int]) -> None:
    """Pictures of edited levels, each under what it was edited from; the drawn one above all."""
    import numpy as np
    from PIL import Image

    from als_engine.task import unedited_level

    columns = []
    for level in [each for each in levels if unedited_level(each) is not None][:SHOWN]:
        before: int | None = level
        line = []
        while before is not None:
            simulation.reset(worlds=[0], level=before)
            line.append(simulation.render())
            before = unedited_level(before)
        columns.append(line[::-1])
    if not columns:
        simulation.reset(worlds=[0], level=levels[0])
        columns = [[simulation.render()]]
    most = max(map(len, columns))
    blank = np.full_like(columns[0][0], 255)
    filled = [np.concatenate([*line, *[blank] * (most - len(line))]) for line in columns]
    whole = Image.fromarray(np.concatenate(filled, axis=1))
    whole.resize((whole.width // 2, whole.height // 2)).save(path)
