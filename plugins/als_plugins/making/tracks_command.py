"""`als make tracks`: people's tracks where there are few, for `als forecast train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from als_engine.cli.bars import counting_bar
from als_engine.cli.console import say, say_json
from als_engine.cli.shared import Json
from als_plugins.making.command import OfKind, Out, Seed, Steps

__all__ = ["tracks"]

Given = Annotated[
    Path, typer.Argument(metavar="TRACKS", help="A folder of als forecast record or als make.")
]
Count = Annotated[int, typer.Option(help="Tracks to make.", min=1, max=10_000)]


def tracks(
    given: Given,
    out: Out,
    kind: OfKind = "diffusion",
    count: Count = 64,
    steps: Steps = 400,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Learn how people walk from the train part of some tracks, and add made people to it.

    Example: als make tracks data/tag-tracks --count 200 --out made

    A forecaster learns from both: als forecast train made/tracks --history 1 --horizon 2 --out DIR
    """
    import numpy as np

    from als_engine.models import checked_fields
    from als_engine.system.interrupts import interruptible
    from als_plugins.forecast.tracks import read_tracks, write_tracks
    from als_plugins.making.examples import Examples
    from als_plugins.making.makers import MakerRecord, make_maker, save_maker
    from als_plugins.making.scoring import compared
    from als_plugins.making.tracks import TRACKS, pieces_of, with_made

    real = read_tracks(given)
    maker, (learnt, longest) = make_maker(kind, TRACKS), pieces_of(real, "train")
    others = pieces_of(real, "validation", longest).examples
    scenes = real.of_part("train").scenes
    with checked_fields():
        record = MakerRecord.model_validate(
            {"kind": kind, "what": "tracks", "labels": scenes, "steps": steps, "seed": seed}
        )
    with interruptible() as stop, counting_bar("gradient steps") as told:
        maker.train(learnt, steps, seed, should_stop=stop, on_step=told)
    labels = np.zeros(count, np.int64)
    made = Examples(maker.make(labels, seed), labels)
    both = with_made(real, made.values, longest)
    save_maker(maker, record, out, lambda new: write_tracks(both, new / "tracks"))
    found = {
        "kind": kind,
        "scenes": scenes,
        "pieces": len(learnt.labels),
        "made": count,
        **compared(made, learnt, others, learnt),
    }
    if as_json:
        say_json(found)
        return
    say(f"{out / 'tracks'}: {count} made tracks beside those of {scenes} scenes.")
    say(
        f"Fréchet distance to other people's tracks {found['frechet']:.2f}; of the real ones that "
        f"it learnt from {found['frechet_of_real']:.2f}."
    )
    say(
        f"Distance to the nearest one that it learnt from {found['distance_to_copies']:.2f} times "
        "that of other people's: towards 0 they are copies."
    )
