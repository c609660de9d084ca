"""`als bench`: runs, lists, bundles, exports and calibrates suites."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from als_bench.commands import bundle as bench_bundle
from als_bench.commands import export as bench_export
from als_bench.commands import people as bench_people
from als_engine.cli.console import Column, Table, say, show, spinner
from als_engine.cli.shared import INTERRUPTED, MAX_EPISODES, MAX_WORKERS
from als_engine.errors import MachineError

__all__ = ["app", "cores"]

app = typer.Typer(help="Run benchmarks that can be interrupted, checked and ranked.")
app.command("export")(bench_export.export)
app.command("bundle")(bench_bundle.bundle)
app.command("people")(bench_people.people)

Suite = Annotated[
    str, typer.Argument(metavar="SUITE", help="An installed suite, or the path of a TOML file.")
]
Agents = Annotated[
    list[str] | None,
    typer.Option(
        "--agent",
        metavar="AGENT",
        help="An agent's id, one with hyperparameters such as ppo:encoder=attention, or the folder "
        "of a saved one; can be repeated. By default the suite's own.",
    ),
]
Entries = Annotated[
    list[str] | None, typer.Option("--only", metavar="ENTRY", help="Only this entry; repeatable.")
]
Seeds = Annotated[
    int | None, typer.Option(help="Training seeds; by default the suite's.", min=1, max=1000)
]
Workers = Annotated[
    int, typer.Option(help="Tasks at once; by default one for each core.", min=0, max=MAX_WORKERS)
]
Executor = Annotated[str, typer.Option(help="Who does the work: local or ray.")]
StoreFile = Annotated[Path | None, typer.Option("--store", help="By default runs/SUITE.sqlite.")]


@app.command("list")
def list_suites() -> None:
    """List the installed suites."""
    from als_engine.plugins.registry import registry

    table = Table((Column("suite", whole=True), "entries", "seeds", "episodes", "summary"))
    for suite in registry.suites():
        table.row(suite.id, len(suite.entries), suite.seeds, suite.episodes, suite.summary)
    show(table)


@app.command()
def run(
    suite: Suite,
    agents: Agents = None,
    entries: Entries = None,
    seeds: Seeds = None,
    workers: Workers = 0,
    executor: Executor = "local",
    store: StoreFile = None,
) -> None:
    """Train where there is something to train, play, and store a row for each episode.

    Interrupt it in any way; the same command goes on, and ends with the same table.

    Example: als bench run smoke --agent random --agent ppo --store runs/smoke.sqlite
    """
    from als_bench.commands.bar import bench_bar
    from als_bench.commands.leaderboard import print_table
    from als_bench.contestants import find_contestants
    from als_bench.running.runner import run_suite
    from als_bench.suites import find_suite

    chosen = find_suite(suite)
    path = store or Path("runs") / f"{chosen.id.replace('/', '-')}.sqlite"
    contestants = find_contestants(agents or chosen.agents)
    try:
        with bench_bar() as show_progress:
            finished = run_suite(
                chosen,
                contestants,
                path,
                seeds=seeds,
                only=entries or (),
                workers=workers or cores(),
                executor=executor,
                on_progress=show_progress,
            )
    except KeyboardInterrupt:
        say(f"Stopped. The same command goes on; what is done is in {path}.", error=True)
        raise typer.Exit(INTERRUPTED) from None
    for unit, reason in finished.failures.items():
        say(f"{unit.entry}, {unit.agent}, seed {unit.seed} failed: {reason}", error=True)
    print_table(path, finished.run.key)
    if finished.undone:
        unit, reason = next(iter(finished.undone.items()))
        raise MachineError(
            f"{len(finished.undone)} units were not done and are not scored, {unit.entry} of "
            f"{unit.agent} first: {reason}. The same command does them again."
        )


@app.command()
def calibrate(
    suite: Suite,
    episodes: Annotated[int, typer.Option(help="For each mean.", min=1, max=MAX_EPISODES)] = 1000,
) -> None:
    """Measure what counts as 0 and 1 in each entry of a suite, as lines for its file.

    Example: als bench calibrate benchmarks/suites/core.toml
    """
    from als_bench.calibration import calibrate as measure
    from als_bench.suites import check_suite, find_suite

    chosen = find_suite(suite)
    check_suite(chosen)
    with spinner(f"Playing {episodes} episodes an entry, twice"):
        for entry, random, expert in measure(chosen, episodes):
            say(f"# {entry.name}\nrandom = {random}\nexpert = {expert}\n")


def cores() -> int:
    """Cores that this process may use."""
    import os

    from als_engine.system import host

    return len(host.cores() or ()) or os.cpu_count() or 1
