"""Do made tracks help a forecaster where real ones are few?

    python benchmarks/making_tracks.py            makes what is missing
    python benchmarks/making_tracks.py --table    prints the table of docs/making.md

From a few episodes of Tag with four players, of which experts drive all, a GAN and a diffusion
model make 128 tracks. A forecaster (a GRU that sees a second and foresees two) learns in as many
gradient steps each time from the real tracks, from these and their mirror images, or from both and
made ones. It is asked about the test part. Sizes and steps were chosen beforehand.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from trainings import make_missing
from transfer import over_seeds

RESULTS = Path(__file__).parent / "results" / "making"
SCENES = (4, 16)
EPISODES, COUNT, SEEDS = 100, 128, 2
MAKER_STEPS = {"gan": 150, "diffusion": 150}
SETTINGS: dict[str, Any] = {
    "model": "gru", "history": 1.0, "horizon": 2.0, "others": 0, "hidden": 32, "batch": 64,
    "steps": 150, "evaluate_every": 50,
}  # fmt: skip


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--data", type=Path, default=Path("forecasting"), help="where tracks are")
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if not options.table:
        for seed in range(options.seeds):
            for scenes in SCENES:
                path = RESULTS / f"tracks-{scenes}-{seed}.json"
                says = f"tracks of {scenes} scenes, seed {seed}"
                make_missing(path, says, partial(run, options.data, scenes, seed))
    print_table()
    return 0


def every_track(folder: Path) -> Any:
    """Collects and plays again what is missing."""
    from als_plugins.experience.collect import collect
    from als_plugins.forecast.replay import replay_dataset
    from als_plugins.forecast.tracks import read_tracks, write_tracks

    place = folder / "making"
    if not (place / "tracks.json").exists():
        given = {"num_avatars": 4, "sensors": ["proprioception"], "physics": "mujoco"}
        data = folder / "making-data"
        collect("ALS/Tag-v0", data, policy="expert", episodes=EPISODES, arguments=given)
        write_tracks(replay_dataset(data), place)
    return read_tracks(place)


def run(folder: Path, scenes: int, seed: int, show: Any) -> dict[str, Any]:
    """The rows of some number of scenes, by one seed."""
    import numpy as np

    from als_engine.seeding import spread
    from als_plugins.forecast.measures import measure_paths
    from als_plugins.forecast.training import Job, train_forecaster
    from als_plugins.making.examples import Examples
    from als_plugins.making.makers import make_maker
    from als_plugins.making.scoring import copied, frechet
    from als_plugins.making.tracks import TRACKS, mirrored, pieces_of, with_made

    every = every_track(folder)
    rng = np.random.default_rng(spread("few tracks", seed))
    train = np.flatnonzero(every.part == 0)
    some = np.concatenate([rng.choice(train, scenes, replace=False), np.flatnonzero(every.part)])
    few = every.select(np.sort(some))
    learnt, longest = pieces_of(few, "train")
    others = pieces_of(few, "test", longest).examples
    broad = pieces_of(every, "train", longest).examples
    given = {"as they are": few, "and mirrored": mirrored(few)}
    distance, copies = {"real": round(frechet(learnt, others, broad), 4)}, {}
    for kind, steps in MAKER_STEPS.items():
        maker, labels = make_maker(kind, TRACKS), np.zeros(COUNT, np.int64)
        maker.train(learnt, steps, seed)
        made = Examples(maker.make(labels, seed), labels)
        given[f"and made by the {kind}"] = with_made(mirrored(few), made.values, longest)
        distance[kind] = round(frechet(made, others, broad), 4)
        copies[kind] = round(copied(made, learnt, others), 4)
    errors, surprise = {}, {}
    for name, tracks in given.items():
        with tempfile.TemporaryDirectory() as place:
            found = train_forecaster(tracks, Path(place) / "run", Job(**SETTINGS, seed=seed))
        assert found is not None
        last = measure_paths(found, every, "test", seed).scores[-1]
        errors[name], surprise[name] = round(last.final_error, 4), round(last.nll, 4)
    return {
        "command": f"python benchmarks/making_tracks.py --seeds {seed + 1}",
        "pieces": len(learnt.labels),
        "final_error": errors,
        "nll": surprise,
        "frechet": distance,
        "copied": copies,
    }


def print_table() -> None:
    """Prints means over seeds, with 95% intervals."""
    rows = {}
    for scenes in SCENES:
        files = sorted(RESULTS.glob(f"tracks-{scenes}-[0-9]*.json"))
        if found := [json.loads(path.read_text(encoding="utf-8")) for path in files]:
            rows[scenes] = found
    if not rows:
        return
    print(
        "| episodes | seeds | learnt from | error after 2 s, m | NLL | Fréchet distance | copies |"
    )
    print("| ---: | ---: | --- | --- | --- | ---: | ---: |")
    for scenes, found in rows.items():
        for name in found[0]["final_error"]:
            kind = name.rpartition(" ")[2]
            by = kind if kind in MAKER_STEPS else "real"
            distance = sum(each["frechet"][by] for each in found) / len(found)
            near = sum(each["copied"].get(kind, 0.0) for each in found) / len(found)
            print(
                f"| {scenes} | {len(found)} | {name} "
                f"| {over_seeds([each['final_error'][name] for each in found])} "
                f"| {over_seeds([each['nll'][name] for each in found])} "
                f"| {distance:.2f} | {f'{near:.2f}' if kind in MAKER_STEPS else '-'} |"
            )


if __name__ == "__main__":
    sys.exit(main())
