"""Does learning to learn pay? Few labels in the clinic, and trials of a word's meaning.

    python benchmarks/meta.py labels                few labels: all that is missing
    python benchmarks/meta.py trials --seeds 5      memory over episodes: all that is missing
    python benchmarks/meta.py --table               prints what is in results/meta
    python benchmarks/meta.py --chart FILE          draws few labels

Whatever is chosen (how a method adapts) is chosen on the validation split; figures are of the test
split. Each training is a file of its own, so that an interrupted call goes on with the next one.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from trainings import whole

RESULTS = Path(__file__).parent / "results" / "meta"
LABELS = {
    "diagnosis": {"steps": 150, "seeds": 5, "tasks": 100},
    "imaging": {"steps": 100, "seeds": 5, "tasks": 30},
}


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=["labels", "trials"], help="what is measured")
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each agent, for trials")
    parser.add_argument("--table", action="store_true", help="print what is there")
    parser.add_argument("--chart", type=Path, help="a file to draw few labels into")
    options = parser.parse_args()
    if options.part == "labels":
        measure_labels()
    elif options.part == "trials":
        for seed in range(options.seeds):
            measure_trials(seed)
    if options.chart is not None:
        from als_plugins.meta.chart import write_chart

        write_chart(kept_labels(), options.chart)
    else:
        print_tables()
    return 0


SMALL = {
    "net_arch": [64], "memory_size": 32, "memory_steps": 16, "rollout": 2_048,
    "learning_rate": 2e-3,
}  # fmt: skip
TRAININGS = {
    "rl2": (300_000, {**SMALL, "episodes": 4, "memory_size": 64, "memory_steps": 64}),
    "multi": (300_000, {**SMALL, "episodes": 1}),
}
"""Steps and hyperparameters of the agent with a memory over episodes, and of the one without."""

WORK = Path("runs") / "meta"
"""Where the agents themselves are kept."""


def settings(data: str):  # type: ignore[no-untyped-def]
    """What is measured of few labels."""
    from als_plugins.meta.few_labels import Settings
    from als_plugins.meta.methods import METHODS

    return Settings(data=data, methods=list(METHODS), labels=[1, 5, 20], **LABELS[data])


def measure_labels() -> None:
    """Trains and tests whatever is missing."""
    from als_engine.cli.bars import counting_bar
    from als_plugins.meta.few_labels import run_few_labels

    for data in LABELS:
        print(data, file=sys.stderr)
        with counting_bar("trainings") as count:
            run_few_labels(settings(data), RESULTS / data, on_progress=count)


def kept_labels():  # type: ignore[no-untyped-def]
    """What is there of few labels."""
    from als_plugins.meta.few_labels import kept

    return [found for data in LABELS if (found := kept(settings(data), RESULTS / data))]


def measure_trials(seed: int) -> None:
    """Trains and scores the agents of one seed, as far as that is missing."""
    from als_engine.agents.saving import open_agent
    from als_engine.agents.training import train_agent
    from als_engine.cli.bars import counting_bar, training_bar
    from als_plugins.meta.scoring import Contestant, Settings, run_scores
    from als_plugins.meta.tasks import BUNDLED

    tasks, folder = BUNDLED["things"], RESULTS / "trials" / str(seed)
    opened = {}
    for name, (steps, config) in TRAININGS.items():
        made = WORK / f"{name}-{seed}"
        if not (made / "agent").exists():
            print(f"{name}, seed {seed}", file=sys.stderr)
            with training_bar() as show:
                given = {**config, "tasks": "things"}
                trained = train_agent(
                    str(tasks.scenario), agent="rl2", steps=steps, worlds=32, seed=seed,
                    arguments=dict(tasks.arguments), config=given, folder=made, on_progress=show,
                )  # fmt: skip
            whole(trained, steps)
        opened[name] = open_agent(made)
    everybody = [
        Contestant("rl2", opened["rl2"], ("memory",)),
        Contestant("multi", opened["multi"], ("fine-tuning", "cautious", "scratch")),
        Contestant("expert", None, ("expert",)),
    ]
    asked = Settings(
        tasks=tasks, agents=[each.name for each in everybody], after=[0, 1, 3, 10], trials=12,
        seed=seed,
    )  # fmt: skip
    with counting_bar("agents and ways") as count:
        run_scores(asked, everybody, folder, on_progress=count)


def print_tables() -> None:
    """What is there, in Markdown."""
    from als_engine.models import read_model
    from als_plugins.meta.few_labels import table_of
    from als_plugins.meta.scoring import Scored, scores_table

    print(table_of(kept_labels()))
    for where, after in (("trials/*/results", [0, 1, 3, 10]), ("cautious", [0, 1, 10])):
        if paths := sorted(RESULTS.glob(f"{where}/*.json")):
            print(scores_table([read_model(path, Scored) for path in paths], after))


if __name__ == "__main__":
    sys.exit(main())
