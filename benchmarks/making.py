"""Do made scans help where few real ones have labels?

    python benchmarks/making.py              makes what is missing
    python benchmarks/making.py --labels 5   with five real scans of each class alone
    python benchmarks/making.py --table      prints the table of docs/making.md
    python benchmarks/making.py --figure docs/images/making.png

With some labelled scans of each class, from training patients, a GAN and a diffusion model are
trained, and each makes 64 scans of each class. A classifier then learns, in as many gradient steps
each time, from the real scans as they are, turned and mirrored, and from these and the made ones
half and half. It is asked about the scans of test patients by a scanner that nobody has learnt
from. Five seeds; steps and sizes were chosen on validation patients with seed 0 and 5 or 50 labels.
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
LABELS = (5, 20, 100)
STEPS = {"gan": 300, "diffusion": 400}
COUNT = 64
SEEDS = 5


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=int, choices=LABELS, help="of each class; all by default")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each")
    parser.add_argument("--table", action="store_true", help="print what is there")
    parser.add_argument("--figure", type=Path, help="draw real and made scans")
    options = parser.parse_args()
    if options.figure:
        draw(options.figure)
    elif not options.table:
        for seed in range(options.seeds):
            for labels in [options.labels] if options.labels else LABELS:
                path = RESULTS / f"{labels}-{seed}.json"
                make_missing(path, f"{labels} labels, seed {seed}", partial(run, labels, seed))
    print_table()
    return 0


def run(labels: int, seed: int, show: Any) -> dict[str, Any]:
    """One row of the table, by one seed."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    from als_plugins.making.examples import Examples
    from als_plugins.making.makers import make_maker
    from als_plugins.making.scans import few_scans, scans_of
    from als_plugins.making.scoring import classified, copied, frechet

    few, test, every = few_scans(labels, seed), scans_of("test"), scans_of("train")
    classes = np.repeat(np.arange(2), COUNT)

    def asked(*training: Examples, augment: bool = True) -> float:
        likely = classified(training, test, seed, augment=augment)
        return round(float(roc_auc_score(test.labels, likely)), 4)

    auroc = {"as they are": asked(few, augment=False), "turned and mirrored": asked(few)}
    distance, copies = {"real": round(frechet(few, test, every), 4)}, {}
    for kind, steps in STEPS.items():
        maker = make_maker(kind)
        maker.train(few, steps, seed)
        made = Examples(maker.make(classes, seed), classes)
        auroc[f"and made by the {kind}"] = asked(few, made)
        distance[kind] = round(frechet(made, test, every), 4)
        copies[kind] = round(copied(made, few, test), 4)
    return {
        "command": f"python benchmarks/making.py --labels {labels} --seeds {seed + 1}",
        "auroc": auroc,
        "frechet": distance,
        "copied": copies,
    }


def print_table() -> None:
    """Prints means over seeds, with 95% intervals."""
    rows = {}
    for labels in LABELS:
        files = sorted(RESULTS.glob(f"{labels}-[0-9]*.json"))
        found = [json.loads(path.read_text(encoding="utf-8")) for path in files]
        if found:
            rows[labels] = found
    if not rows:
        return
    print("| real scans of each class | seeds | learnt from | AUROC | Fréchet distance | copies |")
    print("| ---: | ---: | --- | --- | ---: | ---: |")
    for labels, found in rows.items():
        for name in found[0]["auroc"]:
            kind = name.rpartition(" ")[2]
            by = kind if kind in STEPS else "real"
            distance = sum(each["frechet"][by] for each in found) / len(found)
            near = sum(each["copied"].get(kind, 0.0) for each in found) / len(found)
            print(
                f"| {labels} | {len(found)} | {name} "
                f"| {over_seeds([each['auroc'][name] for each in found])} "
                f"| {distance:.2f} | {f'{near:.2f}' if kind in STEPS else '-'} |"
            )


def draw(path: Path) -> None:
    """Real scans and made ones, one above the other: benign ones left, malignant ones right."""
    import numpy as np
    from PIL import Image, ImageDraw

    from als_plugins.making.makers import make_maker
    from als_plugins.making.scans import few_scans

    labels, each, side = 20, 5, 72
    few = few_scans(labels, 0)
    classes = np.repeat(np.arange(2), each)
    shown = {"real": np.concatenate([few.values[few.labels == c][:each] for c in (0, 1)])}
    for kind, steps in STEPS.items():
        maker = make_maker(kind)
        maker.train(few, steps, 0)
        shown[kind] = maker.make(classes, 0)
    left, gap, top = 92, 16, 26
    width = left + 2 * each * side + gap
    sheet = Image.new("L", (width, top + len(shown) * (side + 6)), 255)
    words = ImageDraw.Draw(sheet)
    for label, name in enumerate(("benign", "malignant")):
        words.text((left + label * (each * side + gap), 6), name, fill=40, font_size=15)
    for row, (name, pictures) in enumerate(shown.items()):
        y = top + row * (side + 6)
        words.text((6, y + side // 2 - 10), name, fill=40, font_size=15)
        for column, picture in enumerate(pictures[:, 0]):
            grey = Image.fromarray(np.rint((picture + 1.0) * 127.5).astype(np.uint8))
            x = left + column * side + gap * (column >= each)
            sheet.paste(grey.resize((side - 4, side - 4), Image.Resampling.NEAREST), (x, y))
    sheet.save(path)


if __name__ == "__main__":
    sys.exit(main())
