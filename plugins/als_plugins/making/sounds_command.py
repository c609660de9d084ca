"""`als make sounds`: what places sound like, as bands over time and to listen to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from als_engine.cli.bars import counting_bar
from als_engine.cli.console import say, say_json
from als_engine.cli.shared import Json, Physics
from als_plugins.making.command import Out, Seed, Steps

__all__ = ["sounds"]

Levels = Annotated[
    int, typer.Option(help="Of each place, to listen to and learn from.", min=1, max=1_000)
]
Count = Annotated[int, typer.Option(help="Sounds of each place to make.", min=1, max=10_000)]

HEARD = 2


def sounds(
    out: Out,
    levels: Levels = 16,
    count: Count = 16,
    steps: Steps = 200,
    seed: Seed = 0,
    physics: Physics = None,
    as_json: Json = False,
) -> None:
    """Listen to a party, a meeting, a ward and a street, and make more such sounds.

    Example: als make sounds --count 16 --out made
    """
    import numpy as np

    from als_engine.models import checked_fields
    from als_engine.system.interrupts import interruptible
    from als_engine.system.safe_files import write_tensors
    from als_plugins.making.folders import write_made
    from als_plugins.making.scoring import compared, frechet
    from als_plugins.making.sounds import PLACES, SoundMaker, SoundsRecord, like, recordings, wav

    with checked_fields():
        record = SoundsRecord(levels=levels, steps=steps, seed=seed)
    learnt, others = (recordings(split, levels, physics) for split in ("train", "validation"))
    maker = SoundMaker()
    with interruptible() as stop, counting_bar("gradient steps") as told:
        maker.learn(learnt, seed, steps=steps, should_stop=stop, on_step=told)
    labels = np.repeat(np.arange(len(PLACES)), count)
    made = maker.make(labels, seed)
    bands = np.ascontiguousarray(made.values.transpose(0, 2, 1))

    def write(new: Path) -> None:
        write_tensors(new / "sounds.safetensors", {"bands": bands, "places": labels})
        for number, place in enumerate(PLACES):
            some = bands[labels == number][:HEARD].reshape(-1, bands.shape[-1])
            (new / f"{place.name}.wav").write_bytes(wav(some, seed))

    write_made(out, "sounds.json", record, write)
    found = {
        "made": len(labels),
        **compared(made, learnt, others, learnt),
        "frechet_of_bands_by_themselves": round(
            frechet(like(learnt, labels, seed), others, learnt), 4
        ),
    }
    if as_json:
        say_json(found)
        return
    names = ", ".join(f"{place.name}.wav" for place in PLACES)
    say(f"{out}: {len(labels)} sounds; listen to {names}.")
    say(
        f"Fréchet distance to places of other levels {found['frechet']:.2f}; of the real sounds "
        f"that it learnt from {found['frechet_of_real']:.2f}, of bands that each go their own way "
        f"{found['frechet_of_bands_by_themselves']:.2f}."
    )
    say(
        f"Distance to the nearest sound that it learnt from {found['distance_to_copies']:.2f} "
        "times that of other levels': towards 0 they are copies."
    )
