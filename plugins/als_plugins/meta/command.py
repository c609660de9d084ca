"""`als meta`: learning to learn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from als_engine.cli.bars import counting_bar
from als_engine.cli.console import Column, Table, say, say_json, show
from als_engine.cli.shared import INTERRUPTED, Json
from als_engine.errors import ArgumentError
from als_engine.evaluation.splits import REPORTING
from als_engine.limits import MAX_SEED
from als_engine.plugins.specs import SPLITS

if TYPE_CHECKING:
    from als_plugins.meta.scoring import Scored, Settings
    from als_plugins.meta.tasks import TaskDistribution

__all__ = ["commands", "few_labels", "score", "tasks"]

LOOKED_AT = 200
"""Levels of each split that are looked at for the tasks that they have."""


def commands() -> typer.Typer:
    """The commands of `als meta`."""
    app = typer.Typer(
        help="Learn to learn: tasks that share a scenario, and agents that adapt to new ones.",
        no_args_is_help=True,
    )
    app.command("tasks")(tasks)
    app.command("few-labels")(few_labels)
    app.command("score")(score)
    return app


def tasks(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[TASKS]", help="A task distribution, or a TOML file; else all."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List task distributions, and the tasks that each split has.

    Example: als meta tasks things
    """
    from als_plugins.meta.tasks import BUNDLED, parse_tasks

    chosen = dict(BUNDLED) if name is None else {name: parse_tasks(name)}
    chosen = {each: one for each, one in chosen.items() if one.scenario is not None}
    if as_json:
        say_json(
            {
                each: {**one.model_dump(mode="json"), "found": _counts(one)}
                for each, one in chosen.items()
            }
        )
        return
    splits = [Column(split, right=True) for split in SPLITS]
    columns: list[Column | str] = ["tasks", "scenario", "a task is", *splits]
    table = Table(columns, f"Tasks among the first {LOOKED_AT} levels of each split")
    for each, one in chosen.items():
        says = getattr(one.by, "quantity", getattr(one.by, "argument", one.by.kind))
        table.row(each, str(one.scenario), says, *map(str, _counts(one).values()))
    show(table)
    say('"level" makes a task of every level of any scenario.', style="dim")


Data = Annotated[
    str,
    typer.Argument(
        metavar="diagnosis|imaging",
        help="Questions about patients' measurements, or whose slide a picture shows.",
    ),
]
Methods = Annotated[
    str | None, typer.Option(metavar="NAME,...", help="Some of the methods; by default all.")
]
Labels = Annotated[str, typer.Option(metavar="N,...", help="Labels of each class, 1 to 40.")]
Out = Annotated[
    Path | None,
    typer.Option(help="A folder for the results, with which the same command goes on."),
]


def few_labels(
    data: Data,
    methods: Methods = None,
    labels: Labels = "1,5,20",
    steps: Annotated[
        int, typer.Option(help="Gradient steps before a task is met.", min=1, max=1_000_000)
    ] = 300,
    number: Annotated[
        int, typer.Option("--tasks", help="Tasks of the test split.", min=2, max=10_000)
    ] = 100,
    seeds: Annotated[int, typer.Option(help="Trainings of each method.", min=1, max=1_000)] = 5,
    seed: Annotated[int, typer.Option(help="Of the first.", min=0, max=MAX_SEED)] = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Learn from few labels: meta-learners, and what they have to beat, on held-out tasks.

    Example: als meta few-labels diagnosis --labels 1,5,20 --out runs/few
    """
    from als_engine.models import checked_fields
    from als_engine.system.interrupts import interruptible
    from als_plugins.meta.few_labels import Settings, run_few_labels
    from als_plugins.meta.methods import METHODS

    with checked_fields():
        settings = Settings.model_validate(
            {
                "data": data,
                "methods": list(METHODS) if methods is None else methods.split(","),
                "labels": _numbers("--labels", labels),
                "steps": steps,
                "tasks": number,
                "seeds": seeds,
                "seed": seed,
            }
        )
    with interruptible() as stop, counting_bar("trainings") as count:
        found = run_few_labels(settings, out, on_progress=count, should_stop=stop)
        if found is None:
            stop.answered()
    if found is None:
        _stopped(out)
    if as_json:
        say_json(found.as_dict())
        return
    title = f"{data}, test split, {number} tasks: right answers, mean of {seeds} seeds"
    heads = [Column(f"{each} labels", right=True, whole=True) for each in settings.labels]
    table = Table(["method", *heads], title)
    for method in found.methods:
        cells = (found.of(method, each) for each in settings.labels)
        shown = (f"{one.value:.1%} [{one.low:.1%}, {one.high:.1%}]" for one in cells)
        table.row(METHODS[method].says, *shown)
    show(table)
    say("Brackets: 95% confidence intervals over seeds.", style="dim")


def score(
    agents: Annotated[
        list[str],
        typer.Argument(
            metavar="FOLDER...",
            help="Of agents that `als train --agent rl2` or `--agent maml` has trained.",
        ),
    ],
    told: Annotated[
        list[str] | None,
        typer.Option(metavar="AGENT", help="An agent that is told the task, by what it senses."),
    ] = None,
    after: Annotated[str, typer.Option(metavar="N,...", help="Episodes, 0 to 100.")] = "0,1,3,10",
    trials: Annotated[int, typer.Option(help="Tasks that are drawn.", min=2, max=1_000)] = 24,
    episodes: Annotated[
        int,
        typer.Option(help="By which a fine-tuned agent is scored in each.", min=1, max=100),
    ] = 4,
    split: Annotated[
        str, typer.Option(help="Whose tasks: test to report, validation to choose.")
    ] = REPORTING,
    cautious: Annotated[
        bool, typer.Option(help="Also fine-tune within --kl, and roll back what does worse.")
    ] = False,
    scratch: Annotated[bool, typer.Option(help="Also learn each task from scratch.")] = False,
    rate: Annotated[
        float | None,
        typer.Option(help="Of fine-tuning; by default the agent's own.", min=1e-6, max=100.0),
    ] = None,
    passes: Annotated[
        int | None,
        typer.Option(
            help="Of fine-tuning, over its episodes; by default the agent's own.", min=1, max=1_000
        ),
    ] = None,
    kl: Annotated[float, typer.Option(help="The bound of --cautious.", min=1e-6, max=100.0)] = 0.01,
    check: Annotated[
        int, typer.Option(help="Episodes by which --cautious rolls back.", min=1, max=100)
    ] = 4,
    seed: Annotated[int, typer.Option(help="Of the tasks.", min=0, max=MAX_SEED)] = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Score agents after some episodes of held-out tasks: by memory, or by fine-tuning.

    An rl2 that was trained with episodes=1 has learnt all tasks together, and is fine-tuned here; a
    maml takes its own steps.

    Example: als meta score runs/rl2 runs/multi --cautious --out runs/scores
    """
    from als_engine.agents.saving import open_agent
    from als_engine.models import checked_fields
    from als_engine.physics.engines import preload
    from als_engine.system.interrupts import interruptible
    from als_plugins.meta.maml import MAML
    from als_plugins.meta.rl2 import RL2
    from als_plugins.meta.scoring import Contestant, Settings, run_scores, ways_of

    opened = {name: open_agent(name) for name in dict.fromkeys(agents)}
    everybody = [
        Contestant(name, each, ways_of(name, each, cautious=cautious, scratch=scratch))
        for name, each in opened.items()
    ]
    first = next(iter(opened.values()))
    assert isinstance(first.agent, (RL2, MAML))  # `ways_of` has seen to it.
    preload(dict(first.arguments))
    everybody += [Contestant(name, open_agent(name), ("told",)) for name in told or ()]
    everybody.append(Contestant("expert", None, ("expert",)))
    with checked_fields():
        settings = Settings.model_validate(
            {
                "tasks": first.agent.tasks,
                "agents": [each.name for each in everybody],
                "after": _numbers("--after", after),
                "trials": trials,
                "episodes": episodes,
                "split": split,
                "seed": seed,
                "rate": rate,
                "passes": passes,
                "kl": kl,
                "check": check,
            }
        )
    with interruptible() as stop, counting_bar("agents and ways") as count:
        found = run_scores(settings, everybody, out, on_progress=count, should_stop=stop)
        if found is None:
            stop.answered()
    if found is None:
        _stopped(out)
    if as_json:
        say_json({"settings": settings.model_dump(), "found": [x.model_dump() for x in found]})
    else:
        _show_scores(settings, first.scenario, found)


def _show_scores(settings: Settings, scenario: str, found: list[Scored]) -> None:
    title = f"{scenario}, tasks of the {settings.split} split, {settings.trials} trials: return"
    heads = [Column(f"after {each}", right=True) for each in settings.after]
    names = [Column(name, whole=True) for name in ("agent", "way")]
    table = Table([*names, *heads, Column("hurt", right=True, whole=True)], title)
    for each in found:
        means = (each.after(place) for place in range(len(settings.after)))
        shown = (f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in means)
        tuned = each.way in ("fine-tuning", "cautious")
        last = f"{each.hurt(len(settings.after) - 1):.0%}" if tuned else "-"
        table.row(Path(each.agent).name, each.way, *shown, last)
    show(table)
    say("Brackets: 95% confidence intervals, by bootstrap over trials.", style="dim")
    say("Hurt: trials whose return was lower in the end than without adapting.", style="dim")


def _stopped(out: Path | None) -> NoReturn:
    where = "Nothing is kept" if out is None else f"The same command goes on; see {out}"
    say(f"Stopped. {where}.", error=True)
    raise typer.Exit(INTERRUPTED)


def _numbers(option: str, text: str) -> list[int]:
    """Whole numbers with commas between them.

    Raises:
        ArgumentError: something else stands there.
    """
    try:
        return [int(each) for each in text.split(",")]
    except ValueError:
        raise ArgumentError(f'{option} takes numbers such as 1,5,20, got "{text}"') from None


def _counts(one: TaskDistribution) -> dict[str, int]:
    from als_plugins.meta.tasks import TaskLevels

    assert one.scenario is not None
    return {
        split: len(TaskLevels(one, one.scenario, split, one.arguments).among(LOOKED_AT))
        for split in SPLITS
    }
