"""How near are made sounds of places to those of levels that nobody has learnt from?

    python benchmarks/making_sounds.py            makes what is missing
    python benchmarks/making_sounds.py --table    prints the table of docs/making.md
    python benchmarks/making_sounds.py --figure docs/images/making_sounds.png

A GRU over 32 spectra of each of four places learns from 48 recordings of each, and makes as many.
The distance is that to recordings of test levels. Beside it stand the real ones that it learnt
from, a Markov chain over the same spectra, and a baseline in which each band goes its own way.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from trainings import make_missing
from transfer import over_seeds

RESULTS = Path(__file__).parent / "results" / "making"
LEVELS, STEPS, SEEDS, PHYSICS = 16, 200, 2, "mujoco"
ROWS = {
    "real": "real ones that it learnt from",
    "bands": "each band by itself",
    "bigram": "pairs of spectra",
    "gru": "GRU over spectra",
}


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--table", action="store_true", help="print what is there")
    parser.add_argument("--figure", type=Path, help="draw real and made sounds")
    options = parser.parse_args()
    if not options.table:
        for seed in range(options.seeds):
            path = RESULTS / f"sounds-{seed}.json"
            make_missing(path, f"sounds, seed {seed}", partial(run, seed, options.figure))
    print_table()
    return 0


def run(seed: int, figure: Path | None, show: Any) -> dict[str, Any]:
    """All rows of the table, by one seed."""
    from als_plugins.making.scoring import copied, frechet
    from als_plugins.making.sounds import SoundMaker, like, recordings

    learnt, test = (recordings(split, LEVELS, PHYSICS) for split in ("train", "test"))
    made = {"real": learnt, "bands": like(learnt, learnt.labels, seed)}
    kinds: tuple[Any, ...] = ("bigram", "gru")
    for kind in kinds:
        maker = SoundMaker(kind)
        maker.learn(learnt, seed, steps=STEPS)
        made[kind] = maker.make(learnt.labels, seed)
    if figure is not None and seed == 0:
        draw(figure, learnt, made["gru"])
    return {
        "command": f"python benchmarks/making_sounds.py --seeds {seed + 1}",
        "frechet": {name: round(frechet(each, test, learnt), 4) for name, each in made.items()},
        "copied": {
            name: round(copied(each, learnt, test), 4)
            for name, each in made.items()
            if name != "real"
        },
    }


def draw(path: Path, real: Any, made: Any) -> None:
    """Real sounds above, made ones below, a column for each place: bands over time."""
    from matplotlib.figure import Figure

    from als_engine.reports.figures import figure_file
    from als_plugins.making.sounds import PLACES

    with figure_file(path) as write:
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        axes = figure.subplots(2, len(PLACES), sharex=True, sharey=True)
        for row, (name, examples) in enumerate((("real", real), ("made", made))):
            for column, place in enumerate(PLACES):
                heard = examples.values[examples.labels == column][4]
                seconds = heard.shape[1] / 15.0
                shown = axes[row, column].imshow(
                    heard, origin="lower", aspect="auto", vmin=0.0, vmax=0.6,
                    extent=(0.0, seconds, -0.5, 7.5), cmap="magma",
                )  # fmt: skip
                if row == 0:
                    axes[row, column].set_title(place.name)
                else:
                    axes[row, column].set_xlabel("seconds")
            axes[row, 0].set_ylabel(name)
            axes[row, 0].set_yticks((0, 4, 7), ("62.5 Hz", "1 kHz", "8 kHz"))
        figure.colorbar(shown, ax=axes, label="heard")
        write(figure)


def print_table() -> None:
    """Prints means over seeds, with 95% intervals."""
    files = sorted(RESULTS.glob("sounds-[0-9]*.json"))
    found = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    if not found:
        return
    print("| sounds | seeds | Fréchet distance | copies |")
    print("| --- | ---: | --- | --- |")
    for name, says in ROWS.items():
        near = [each["copied"][name] for each in found if name in each["copied"]]
        print(
            f"| {says} | {len(found)} | {over_seeds([each['frechet'][name] for each in found])} "
            f"| {over_seeds(near) if near else '-'} |"
        )


if __name__ == "__main__":
    sys.exit(main())
