"""How well `als forecast` foresees people in Tag and Gathering, and how fast it is.

    python benchmarks/forecasting.py                   all that is missing, one after another
    python benchmarks/forecasting.py paths --seeds 1   one kind: paths, gaps, next or speed
    python benchmarks/forecasting.py --table           prints what is in results/forecasting

Tracks are collected and played again first (`--data` is where they are kept). Networks learn from
the train part of the levels, stop and are calibrated by the validation part, and are measured on
the test part, as the baselines are. Nothing was chosen on the test part.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "forecasting"
SEEDS = 5
KINDS = ("paths", "gaps", "next", "speed")
DATA: dict[str, tuple[str, int, dict[str, Any]]] = {
    "tag": ("ALS/Tag-v0", 400, {"num_avatars": 4}),
    "gathering": ("ALS/Gathering-v0", 40, {}),
    "delivery": ("ALS/Delivery-v0", 60, {"num_avatars": 4}),
}
"""Name to scenario, episodes and arguments."""

SMALL: dict[str, Any] = {"hidden": 32, "batch": 128, "evaluate_every": 100}
QUICK: dict[str, Any] = {"learning_rate": 6e-3, "steps": 300}
RUNS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "paths": [
        ("tag", {"model": "gru", "steps": 400}),
        ("tag", {"model": "social", "steps": 400}),
        ("gathering", {"model": "gru", "steps": 400}),
        ("gathering", {"model": "social", "steps": 400}),
    ],
    "gaps": [("tag", {"task": "gap", "model": "gru", "steps": 300})],
    "next": [
        ("delivery", {"task": "hand", "model": "gru", "horizon": 2.0, **QUICK}),
        ("gathering", {"task": "utterance", "model": "social", "horizon": 2.0, **QUICK}),
        ("delivery", {"task": "goal", "model": "gru", "horizon": 3.0, **QUICK}),
    ],
}
"""What is trained, with each seed."""

PEOPLE = 1_000


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", help=f"some of {', '.join(KINDS)}; all by default")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trainings of each")
    parser.add_argument("--data", type=Path, default=Path("forecasting"), help="where tracks are")
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if unknown := set(options.kinds) - set(KINDS):
        parser.error(f"unknown {unknown.pop()!r}; there are {', '.join(KINDS)}")
    if not options.table:
        kinds = options.kinds or list(KINDS)
        for seed in range(options.seeds):
            for kind in kinds:
                for data, settings in RUNS.get(kind, []):
                    make(options.data, kind, data, settings, seed)
        if "speed" in kinds:
            measure_speed(options.data)
    print_table()
    return 0


def tracks_of(folder: Path, name: str) -> Path:
    """Collects and plays again what is missing."""
    from als_plugins.experience.collect import collect
    from als_plugins.forecast.replay import replay_dataset
    from als_plugins.forecast.tracks import write_tracks

    scenario, episodes, arguments = DATA[name]
    place = folder / name
    if not (place / "tracks.json").exists():
        print(f"collecting {scenario}", file=sys.stderr)
        data = folder / f"{name}-data"
        given = {**arguments, "sensors": ["proprioception"]}
        collect(scenario, data, policy="expert", episodes=episodes, arguments=given)
        write_tracks(replay_dataset(data), place)
    return place


def make(folder: Path, kind: str, data: str, settings: dict[str, Any], seed: int) -> None:
    """One training, and its measures beside the baselines', unless they are there."""
    from als_engine.agents.saving import versions
    from als_engine.system.files import write_text
    from als_plugins.forecast.comparing import compare
    from als_plugins.forecast.tracks import read_tracks
    from als_plugins.forecast.training import Job, train_forecaster

    task, model = settings.get("task", "path"), settings["model"]
    path = RESULTS / f"{kind}-{data}-{task}-{model}-{seed}.json"
    if path.exists():
        return
    print(path.stem, file=sys.stderr)
    tracks = read_tracks(tracks_of(folder, data))
    job = Job(**{**SMALL, **settings, "seed": seed})
    begun, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as place:
        made = train_forecaster(tracks, Path(place) / "run", job)
        assert made is not None
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        found = compare(made, tracks, "test", seed)
    result = {
        "command": f"python benchmarks/forecasting.py {kind} --seeds {seed + 1}",
        "data": DATA[data],
        "settings": job.model_dump(),
        "trained": made.record.trained.model_dump(),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "measured": [_rounded(each.as_dict()) for each in found],
        "versions": versions(),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(result, indent=1) + "\n")


def measure_speed(folder: Path) -> None:
    """Times forecasts of a thousand people in one place, one second ahead, in one thread."""
    import numpy as np
    import torch

    from als_engine.system.files import write_text
    from als_plugins.forecast.forecaster import (
        Forecaster,
        ForecasterRecord,
        Trained,
        make_network,
    )
    from als_plugins.forecast.tracks import Tracks, TracksRecord
    from als_plugins.forecast.windows import find_windows, gather

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    start, speed = rng.uniform(0, 200, (PEOPLE, 2)), rng.normal(size=(PEOPLE, 2))
    way = start + 0.2 * np.arange(10)[:, None, None] * speed
    tracks = Tracks(
        position=way[None].astype(np.float32),
        present=np.ones((1, 10, PEOPLE), np.bool_),
        person=np.arange(PEOPLE, dtype=np.int32)[None],
        part=np.zeros(1, np.int8),
        level=np.full(1, -1),
        start=np.zeros(1),
        record=TracksRecord(source="made up", time_step=0.2, names=[str(i) for i in range(PEOPLE)]),
    )
    found: dict[str, Any] = {"command": "python benchmarks/forecasting.py speed", "people": PEOPLE}
    fitted = {"constant-velocity": np.ones(5), "kalman": np.array([0.6, 0.01])}
    for model in ("constant-velocity", "kalman", "gru", "social"):
        trained = Trained(source="none", windows=0)
        record = ForecasterRecord(
            task="path", model=model, time_step=0.2, history=10, horizon=5, hidden=32,
            trained=trained, scale=[1.0] * 5,
        )  # fmt: skip
        network = make_network(record).eval() if record.is_network else None
        forecaster = Forecaster(record, network, fitted.get(model))
        times, cpu = [], []
        for _ in range(11):
            begun, used = time.perf_counter(), time.process_time()
            past, _ = gather(tracks, find_windows(tracks, 10), 10, 0, 8)
            forecaster.forecast(past)
            times.append(time.perf_counter() - begun)
            cpu.append(time.process_time() - used)
        found[model] = {
            "milliseconds": round(1e3 * statistics.median(times), 1),
            "cpu_milliseconds": round(1e3 * statistics.median(cpu), 1),
        }
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_text(RESULTS / "speed.json", json.dumps(found, indent=1) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


# -- tables ---------------------------------------------------------------------------------------


def print_table() -> None:
    """What there is, in Markdown: means over seeds, with the deviation over them for networks."""
    print("Where people will be: errors in metres, negative log-likelihood in nats.\n")
    _paths()
    print("\nWhere players of Tag were in gaps: mean error in metres, negative log-likelihood.\n")
    _gaps()
    print("\nWhat comes next, within 2 seconds (goals: 3).\n")
    _next()
    if (path := RESULTS / "speed.json").exists():
        found = json.loads(path.read_text(encoding="utf-8"))
        print("\nForecasts of a thousand people in one place, one second ahead, in one thread.\n")
        print("| forecaster | milliseconds | of processor time |")
        print("| --- | ---: | ---: |")
        for model, times in found.items():
            if isinstance(times, dict):
                cells = f"{times['milliseconds']:g} | {times['cpu_milliseconds']:g}"
                print(f"| {model} | {cells} |")
    every = [json.loads(p.read_text(encoding="utf-8")) for p in RESULTS.glob("*-*.json")]
    busy = [each["trained"]["busy"] for each in every]
    cpu = sum(each["cpu_seconds"] for each in every) / 60
    print(f"\n{len(every)} trainings took {cpu:.1f} minutes of processor time; they spent "
          f"{min(busy):.0%} to {max(busy):.0%} of it in forward and backward passes.")  # fmt: skip


def _runs(kind: str) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """Data, task and model to what each seed has measured of the model; baselines come first."""
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for data, settings in RUNS[kind]:
        task = settings.get("task", "path")
        for path in sorted(RESULTS.glob(f"{kind}-{data}-{task}-{settings['model']}-*.json")):
            for each in json.loads(path.read_text(encoding="utf-8"))["measured"]:
                found.setdefault((data, task, each["model"]), []).append(each)
    order = ("still", "line", "most-frequent", "constant-velocity", "last-again", "straight-on")
    rank = {name: i for i, name in enumerate((*order, "kalman", "gru", "social"))}
    names = list(DATA)
    keys = sorted(found, key=lambda key: (names.index(key[0]), key[1], rank[key[2]]))
    return {key: found[key] for key in keys}


def _trainings(model: str, seeds: list[Any]) -> str:
    """How many of a network; what is fitted at once comes out the same every time."""
    return str(len(seeds)) if model in ("gru", "social") else "-"


def _mean(values: list[float], form: str = ".2f") -> str:
    """The mean, and the deviation where seeds differ."""
    mean = format(statistics.mean(values), form)
    if len(values) < 2 or max(values) - min(values) < 1e-9:
        return mean
    return f"{mean} ± {format(statistics.stdev(values), form)}"


def _paths() -> None:
    print("| scenario | forecaster | trainings | mean error 1 s | 3 s | 5 s | final error 5 s "
          "| best of 20, final 5 s | nll 5 s | in 50% and 90%, 5 s |")  # fmt: skip
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (data, _, model), seeds in _runs("paths").items():
        scores = [{score["seconds"]: score for score in each["scores"]} for each in seeds]
        cells = [_mean([each[s]["mean_error"] for each in scores]) for s in (1.0, 3.0, 5.0)]
        last = [each[5.0] for each in scores]
        cells += [_mean([each[n] for each in last]) for n in ("final_error", "best_final", "nll")]
        inside = [statistics.mean(each[n] for each in last) for n in ("within_50", "within_90")]
        cells = [_trainings(model, seeds), *cells, f"{inside[0]:.0%}, {inside[1]:.0%}"]
        print(f"| {data} | {model} | {' | '.join(cells)} |")


def _gaps() -> None:
    print("| filled by | trainings | gap 1 s | 3 s | 5 s | nll 1 s | 3 s | 5 s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for (_, _, model), seeds in _runs("gaps").items():
        scores = [{score["seconds"]: score for score in each["scores"]} for each in seeds]
        cells = [
            _mean([each[s][name] for each in scores])
            for name in ("mean_error", "nll")
            for s in (1.0, 3.0, 5.0)
        ]
        print(f"| {model} | {_trainings(model, seeds)} | {' | '.join(cells)} |")


def _next() -> None:
    print(
        "| scenario | what is next | forecaster | trainings | log loss | whether: AUC | which "
        "| accuracy |"
    )
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for (data, task, model), seeds in _runs("next").items():
        known = [each["log_loss"] for each in seeds if each["log_loss"] is not None]
        cells = [_mean(known, ".3f") if known else "-"]
        cells += [_mean([each[n] for each in seeds]) for n in ("whether", "which", "accuracy")]
        print(f"| {data} | {task} | {model} | {_trainings(model, seeds)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    sys.exit(main())
