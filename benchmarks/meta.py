"""Does learning to learn pay? Few labels in the clinic, and trials of a word's meaning.

    python benchmarks/meta.py labels                few labels: all that is missing
    python benchmarks/meta.py trials --seeds 5      memory over episodes: all that is missing
    python benchmarks/meta.py policies --seeds 3    policies that adapt by gradients: likewise
    python benchmarks/meta.py difficulty            players whose difficulty follows them
    python benchmarks/meta.py --table               prints what is in results/meta
    python benchmarks/meta.py --chart FILE          draws few labels

Whatever is chosen (how a method adapts) is chosen on the validation split; figures are of the test
split. Each training is a file of its own, so that an interrupted call goes on with the next one.
"""

from __future__ import annotations

import argparse
import itertools
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
    parser.add_argument("part", nargs="?", choices=list(PARTS), help="what is measured")
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each agent")
    parser.add_argument("--table", action="store_true", help="print what is there")
    parser.add_argument("--chart", type=Path, help="a file to draw few labels into")
    options = parser.parse_args()
    if options.part == "labels":
        measure_labels()
    elif options.part == "difficulty":
        measure_difficulty()
    elif options.part is not None:
        for seed in range(options.seeds):
            (measure_trials if options.part == "trials" else measure_policies)(seed)
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

PARTS = ("labels", "trials", "policies", "difficulty")

POLICIES = ("joint", "maml", "fomaml", "reptile")
SHOWN, ADAPTING = 16_000, 8_000
"""Steps in which a simple rule shows what to do, and then those of each way to learn."""
ADAPTIVE = {"tasks": "things", "episodes": 4, "rate": 0.1, "imitate_from": "heuristic:rule=nearest"}

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


def trained(name, seed, agent, steps, config, begin=None):  # type: ignore[no-untyped-def]
    """The folder of a training on pairs of colour and shape, which is run where it is missing."""
    from als_engine.agents.training import train_agent
    from als_engine.cli.bars import training_bar
    from als_plugins.meta.tasks import BUNDLED

    made, tasks = WORK / f"{name}-{seed}", BUNDLED["things"]
    if not (made / "agent").exists():
        print(f"{name}, seed {seed}", file=sys.stderr)
        with training_bar() as show:
            done = train_agent(
                str(tasks.scenario), agent=agent, steps=steps, worlds=32, seed=seed,
                arguments=dict(tasks.arguments), config=config, folder=made, begin=begin,
                on_progress=show,
            )  # fmt: skip
        whole(done, steps)
    return made


def measure_policies(seed: int) -> None:
    """Trains and scores the policies of one seed, as far as that is missing."""
    from als_engine.agents.saving import open_agent
    from als_engine.cli.bars import counting_bar
    from als_plugins.meta.scoring import Contestant, Settings, run_scores
    from als_plugins.meta.tasks import BUNDLED

    shown = {**ADAPTIVE, "algorithm": "joint", "imitate": SHOWN}
    begin = trained("shown", seed, "maml", SHOWN, shown)
    everybody = []
    for name in POLICIES:
        made = trained(name, seed, "maml", ADAPTING, {**ADAPTIVE, "algorithm": name}, begin)
        ways = ("fine-tuning", "cautious") if name == "maml" else ("fine-tuning",)
        everybody.append(Contestant(name, open_agent(made), ways))
    everybody.append(Contestant("scratch", everybody[0].opened, ("scratch",)))
    everybody.append(Contestant("expert", None, ("expert",)))
    asked = Settings(
        tasks=BUNDLED["things"], agents=[each.name for each in everybody], after=[0, 1, 3, 10],
        trials=4, seed=seed,
    )  # fmt: skip
    with counting_bar("agents and ways") as count:
        run_scores(asked, everybody, RESULTS / "policies" / str(seed), on_progress=count)


def measure_difficulty() -> None:
    """Scripted players of Tag whose difficulty follows them, at two target rates."""
    import json

    from als_engine.agents.curriculum.difficulty import difficulty_of
    from als_engine.seeding import spread
    from als_engine.simulation import simulate

    place = {"role": "evader", "sensors": ["proprioception"], "split": "test"}
    found = []
    for rule, target in itertools.product(("expert", "straight"), (0.4, 0.6, 0.8)):
        follows, worlds = difficulty_of(str(target), "ALS/Tag-v0", 1, place), {}
        for episode in range(DIFFICULT):
            given = follows.choose(rule)
            if follows.stage not in worlds:
                worlds[follows.stage] = simulate("ALS/Tag-v0", 1, 1, **given)
            world = worlds[follows.stage]
            world.reset([spread("episodes of a difficulty", episode)])
            while not (world.terminated[0] or world.truncated[0]):
                world.advance(world.expert_actions(None if rule == "expert" else rule))
            follows.note(rule, world.metrics()["success"][0])
            found.append([rule, target, follows.stages[follows.stage]["pace"],
                          follows.successes[rule][-1]])  # fmt: skip
        for world in worlds.values():
            world.close()
    (RESULTS / "difficulty.json").write_text(json.dumps(found) + "\n", encoding="utf-8")


DIFFICULT = 30
"""Episodes of each player, of which the first third does not count."""


def difficulty_table() -> str:
    """What has come of the difficulty, in Markdown."""
    import json

    path = RESULTS / "difficulty.json"
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    lines = ["| player | target | successes | mean pace |", "| --- | ---: | ---: | ---: |"]
    for key in dict.fromkeys((rule, target) for rule, target, *_ in rows):
        late = [each for each in rows if tuple(each[:2]) == key][DIFFICULT // 3 :]
        success, pace = (sum(each[i] for each in late) / len(late) for i in (3, 2))
        lines.append(f"| {key[0]} | {key[1]:.0%} | {success:.0%} | {pace:.2f} |")
    return "\n".join(lines) + "\n"


def measure_trials(seed: int) -> None:
    """Trains and scores the agents of one seed, as far as that is missing."""
    from als_engine.agents.saving import open_agent
    from als_engine.cli.bars import counting_bar
    from als_plugins.meta.scoring import Contestant, Settings, run_scores
    from als_plugins.meta.tasks import BUNDLED

    tasks, folder = BUNDLED["things"], RESULTS / "trials" / str(seed)
    opened = {}
    for name, (steps, config) in TRAININGS.items():
        made = trained(name, seed, "rl2", steps, {**config, "tasks": "things"})
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
    print(difficulty_table())
    for where, after in (
        ("trials/*/results", [0, 1, 3, 10]),
        ("policies/*/results", [0, 1, 3, 10]),
        ("cautious", [0, 1, 10]),
    ):
        if paths := sorted(RESULTS.glob(f"{where}/*.json")):
            print(scores_table([read_model(path, Scored) for path in paths], after))


if __name__ == "__main__":
    sys.exit(main())
