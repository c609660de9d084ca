"""`als data anonymise`, `identify`, `membership`, `consent` and `purge`: persons in data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from als_engine.cli.bars import counting_bar
from als_engine.cli.console import Column, Table, say, say_json, show, spinner
from als_engine.cli.shared import MAX_SEED, Json
from als_engine.texts import command

if TYPE_CHECKING:
    from als_plugins.privacy.identify import Identified

__all__ = ["anonymise", "consent", "identify", "membership", "purge"]

Dataset = Annotated[Path, typer.Argument(metavar="DATASET", help="The folder of a dataset.")]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="SENSOR",
        help="A further sensor to keep as it is, because it tells nobody; can be repeated.",
    ),
]
Cut = Annotated[
    int | None,
    typer.Option(
        "--cut", metavar="STEPS", help="Cut longer episodes into pieces.", min=2, max=1_000_000
    ),
]


def anonymise(
    dataset: Dataset,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder, new or empty.")],
    keep: Keep = None,
    cut: Cut = None,
    as_json: Json = False,
) -> None:
    """Write a dataset anew without identities, voices and free text.

    Example: als data anonymise lessons --out lessons-anonymous
    """
    from als_plugins.privacy.anonymise import anonymise as run

    with counting_bar("episodes") as count:
        found = run(dataset, out, also=keep or (), cut=cut, on_episode=count)
    if as_json:
        say_json(
            {
                "folder": str(found.folder), "episodes": found.episodes, "steps": found.steps,
                "kept": found.kept, "gone": found.gone,
            }
        )  # fmt: skip
        return
    say(f"{out}: {found.episodes} episodes, {found.steps:,} steps, a new pseudonym for each.")
    say(f"Kept: {', '.join(found.kept)}; gone: {', '.join(found.gone) or 'no sensor'}.")
    say("How people move and act is still in it; what that tells is measured by")
    say(command("als", "data", "identify", dataset))


def identify(
    dataset: Dataset,
    keep: Keep = None,
    cut: Cut = None,
    seed: Annotated[int, typer.Option(help="Of the attack's folds.", min=0, max=MAX_SEED)] = 0,
    as_json: Json = False,
) -> None:
    """Measure how well an attacker tells persons apart, before and after anonymising.

    Example: als data identify lessons --cut 50
    """
    from als_plugins.privacy.identify import identify as run

    with counting_bar("episodes") as count:
        found = run(dataset, also=keep or (), cut=cut, seed=seed, on_episode=count)
    if as_json:
        say_json([each.as_dict() for each in found])
    else:
        _print(dataset, found)


def _print(dataset: Path, found: list[Identified]) -> None:
    first = found[0]
    title = f"{dataset}: {first.persons} persons, {first.episodes} episodes"
    names = ("anonymised", "attacker", "right", "chance")
    table = Table([Column(names[0]), Column(names[1]), *(Column(n, right=True) for n in names[2:])],
                  title)  # fmt: skip
    for each in found:
        right = each.right
        table.row(
            "no" if each.stage == "before" else "yes",
            each.attacker,
            f"{right.value:.0%} [{right.low:.0%}, {right.high:.0%}]",
            f"{each.chance:.0%}",
        )
    show(table)
    say("Right: episodes whose person the attacker named, of those it had not known.", style="dim")
    say("Brackets: 95% confidence intervals, by bootstrap over episodes.", style="dim")


def membership(
    agent: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Of a saved agent, or of a forecaster.")
    ],
    dataset: Annotated[
        Path,
        typer.Argument(metavar="DATA", help="The dataset, or tracks, that it learnt from."),
    ],
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0, max=MAX_SEED)] = 0,
    as_json: Json = False,
) -> None:
    """Measure whether an agent, or a forecaster, tells what of its data it has learnt from.

    Example: als data membership runs/shown data/tag
    """
    from als_plugins.forecast.forecaster import is_forecaster, read_forecaster
    from als_plugins.forecast.predicting import open_tracks
    from als_plugins.privacy.membership import forecaster_membership
    from als_plugins.privacy.membership import membership as run

    what = "scenes" if is_forecaster(agent) else "episodes"
    with spinner(f"Attacking {agent}"):
        if what == "scenes":
            made = read_forecaster(agent)
            tracks = open_tracks(dataset, made.record.time_step, 1.0)
            found = forecaster_membership(made, tracks, seed=seed)
        else:
            found = run(agent, dataset, seed=seed)
    if as_json:
        say_json(found.as_dict())
        return
    auc = found.auc
    say(
        f"AUC {auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}]: how often one of {found.members} "
        f"{what} that it has learnt from is told from one of {found.others} others; chance is 0.5"
    )
    say(f"Loss {found.loss_members:.3f} on the former, {found.loss_others:.3f} on the others.")
    for each in found.privacy:
        drawn = ", but its noise can be taken out: it is drawn from the seed"
        say(
            f"It has learnt with privacy: epsilon {each.epsilon:.2f}, delta {each.delta:g}, for "
            f"one {each.unit} of {each.units}{drawn if each.repeatable else ''}."
        )


def consent(
    dataset: Dataset,
    purpose: Annotated[str, typer.Option(help="What its persons were told that it is for.")],
    use: Annotated[
        list[str],
        typer.Option(help="What they agreed to: imitation, pretraining, forecasting, generation."),
    ],
    as_json: Json = False,
) -> None:
    """Write down what the persons in a dataset have agreed to, where it does not say so.

    Example: als data consent walks --purpose "to foresee where people go" --use forecasting
    """
    from als_plugins.experience.consent import record_consent

    count = record_consent(dataset, purpose, use)
    if as_json:
        say_json({"folder": str(dataset), "sources": count, "purpose": purpose, "uses": use})
    else:
        say(f"{dataset}: the persons in {count} sources agreed to {' and '.join(use)}.")


def purge(
    person: Annotated[
        str, typer.Argument(metavar="PERSON", help="The pseudonym, or the user_id of a CSV file.")
    ],
    place: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="All that it holds is purged; or a file.")
    ],
    as_json: Json = False,
) -> None:
    """Take a person out of a folder: of datasets, studies, tracks, CSV files and stores in it.

    Exit code 1 if a file still names them.

    Example: als data purge 5f0c91ab lessons
    """
    from als_plugins.privacy.purging import erase

    with counting_bar("files and folders") as count:
        found = erase(place, person, count)
    if as_json:
        say_json(
            {
                "gone": {str(path): what for path, what in found.gone.items()},
                "notes": found.notes, "left": [str(path) for path in found.left],
            }
        )  # fmt: skip
    else:
        for path, what in found.gone.items():
            say(f"{path}: {what}.")
        for note in dict.fromkeys(found.notes):
            say(note)
        for path in found.left:
            say(f"{path} still names {person}: look into it, and remove it.", error=True)
    if found.left:
        raise typer.Exit(1)
