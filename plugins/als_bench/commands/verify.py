"""`als verify`: checks a bundle by simulating all of it again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from als_bench.commands import verify_execute
from als_engine.cli.console import say
from als_engine.cli.shared import MAX_EPISODES, MAX_WORKERS

__all__ = ["verify"]

Folder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="What `als bench bundle` wrote.")]
Suite = Annotated[
    str | None,
    typer.Option(help="A TOML file; by default the installed suite that the bundle names."),
]
Workers = Annotated[
    int, typer.Option(help="Processes; by default one for each core.", min=0, max=MAX_WORKERS)
]
StoreFile = Annotated[
    Path | None,
    typer.Option("--store", metavar="FILE", help="Where to keep what holds, and the verdict."),
]
Execute = Annotated[
    bool, typer.Option("--execute", help="Then run the agents themselves, on secret seeds.")
]
Secret = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="With --execute: at least 32 bytes that nobody else reads."),
]
Episodes = Annotated[
    int | None,
    typer.Option(
        help="With --execute: of each unit; by default the suite's. Fewer are not kept.",
        min=1,
        max=MAX_EPISODES,
    ),
]
Unconfined = Annotated[
    bool, typer.Option("--unconfined", help="With --execute: trust the agents. Does not rank.")
]
SHOWN = 20


def verify(
    bundle: Folder,
    suite: Suite = None,
    workers: Workers = 0,
    store: StoreFile = None,
    execute: Execute = False,
    secret: Secret = None,
    episodes: Episodes = None,
    unconfined: Unconfined = False,
) -> None:
    """Check a bundle: every episode is played again from its seed and its actions.

    No agent runs, unless you ask for it: each is kept in a sandbox then. Exit code 0: all of it
    holds; 1: something does not.

    Example: als verify smoke-bundle
    """
    from als_bench.checking.adoption import adopt
    from als_bench.checking.verify import verify as check
    from als_bench.commands.bench import cores
    from als_bench.results.store import StoreWriter
    from als_bench.suites import find_suite
    from als_engine.cli.bars import counting_bar

    wanted = None if suite is None else find_suite(suite)
    kept = verify_execute.prepare(secret, store, episodes, unconfined) if execute else b""
    with counting_bar("episodes") as show:
        verdict = check(bundle, wanted, workers or cores(), show)
    lines = verdict.lines()
    for line in lines[:SHOWN]:
        say(line)
    if len(lines) > SHOWN:
        say(f"and {len(lines) - SHOWN} more")
    if verdict.bundle:
        say(f"bundle {verdict.bundle}")
    if not verdict.holds:
        for note in verdict.notes():
            say(note)
        raise typer.Exit(1)
    checked = verdict.opened
    assert checked is not None
    if store is not None:
        with StoreWriter(store) as writer:
            adopt(checked, writer)
    if execute:
        verify_execute.execute(
            bundle, checked, kept, episodes, workers or cores(), store, unconfined
        )
