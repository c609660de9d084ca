"""`als make scans`: pictures of scans of which few have labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from als_engine.cli.bars import counting_bar
from als_engine.cli.console import say, say_json
from als_engine.cli.shared import MAX_SEED, MAX_STEPS, Json

if TYPE_CHECKING:
    from als_plugins.making.examples import Examples

__all__ = ["make", "scans"]

SHEET = 8

Out = Annotated[
    Path, typer.Option(metavar="DIR", help="New, empty, or one that this command has written.")
]
OfKind = Annotated[str, typer.Option("--kind", metavar="gan|diffusion", help="What makes them.")]
Labels = Annotated[
    int, typer.Option(help="Real scans of each class to learn from.", min=1, max=10_000)
]
Count = Annotated[int, typer.Option(help="Scans of each class to make.", min=1, max=10_000)]
Steps = Annotated[int, typer.Option(help="Gradient steps.", min=1, max=MAX_STEPS)]
Seed = Annotated[int, typer.Option(help="Of everything.", min=0, max=MAX_SEED)]


def make() -> None:
    """Make data where there is little."""


def scans(
    out: Out,
    kind: OfKind = "gan",
    labels: Labels = 20,
    count: Count = 64,
    steps: Steps = 800,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Learn what benign and malignant scans look like from a few, and make more of them.

    Example: als make scans --kind diffusion --labels 20 --out made
    """
    import numpy as np

    from als_engine.models import checked_fields
    from als_engine.system.interrupts import interruptible
    from als_engine.system.safe_files import write_tensors
    from als_plugins.making.examples import Examples
    from als_plugins.making.makers import MakerRecord, make_maker, save_maker
    from als_plugins.making.scans import few_scans, scans_of
    from als_plugins.making.scoring import compared

    maker, learnt = make_maker(kind), few_scans(labels, seed)
    with checked_fields():
        record = MakerRecord.model_validate(
            {"kind": kind, "labels": labels, "steps": steps, "seed": seed}
        )
    with interruptible() as stop, counting_bar("gradient steps") as told:
        maker.train(learnt, steps, seed, should_stop=stop, on_step=told)
    classes = np.repeat(np.arange(2), count)
    made = Examples(maker.make(classes, seed), classes)
    others, every = scans_of("validation"), scans_of("train")

    def write(new: Path) -> None:
        pictures = np.rint((made.values + 1.0) * 127.5).astype(np.uint8)
        write_tensors(new / "scans.safetensors", {"pictures": pictures, "labels": made.labels})
        _draw(new / "sheet.png", learnt, made)

    save_maker(maker, record, out, write)
    found = {
        "kind": kind,
        "labels": labels,
        "made": len(classes),
        **compared(made, learnt, others, every),
    }
    if as_json:
        say_json(found)
        return
    say(f"{out}: {len(classes)} scans, see sheet.png: above real ones, below made ones.")
    say(
        f"Fréchet distance to scans of other patients {found['frechet']:.2f}; of the {2 * labels} "
        f"real ones that it learnt from {found['frechet_of_real']:.2f}."
    )
    say(
        f"Distance to the nearest scan that it learnt from {found['distance_to_copies']:.2f} times "
        "that of other patients' scans: towards 0 they are copies."
    )


def _draw(path: Path, real: Examples, made: Examples) -> None:
    """A sheet of pictures: real ones, made ones; of each the benign ones first."""
    import numpy as np
    from PIL import Image

    rows = []
    for each in (real, made):
        for label in (0, 1):
            some = each.values[each.labels == label][:SHEET, 0]
            blank = np.ones((SHEET - len(some), *some.shape[1:]), np.float32)
            rows.append(np.concatenate([*some, *blank], axis=1))
    gap = np.ones((4, rows[0].shape[1]), np.float32)
    sheet = np.concatenate([rows[0], rows[1], gap, rows[2], rows[3]])
    grey = np.rint((sheet + 1.0) * 127.5).astype(np.uint8)
    height, width = grey.shape
    large = Image.fromarray(grey).resize((4 * width, 4 * height), Image.Resampling.NEAREST)
    large.save(path)
