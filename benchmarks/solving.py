"""Does `mappo` solve the bundled scenarios? Trains it on each and plays held-out levels.

    python benchmarks/solving.py                    all that is missing, one after another
    python benchmarks/solving.py tag --seeds 1      one scenario, one training
    python benchmarks/solving.py --rules            plays the scenarios' own simple rules, too
    python benchmarks/solving.py --table            prints what is in results/solving

Runs whose name ends with -guided learn an easier task: the feet can be sent to things by name.

Scenarios, sensors and yardsticks are those of the suite `core`: 0 is random, 1 is the expert. A
training may begin with demonstrations of the expert, or of a simple rule, which are steps of its
budget; the table says how many. Nothing here was chosen on the test split: settings were tried on
the validation split.
Each result is a file of its own, so that an interrupted call goes on with the next training.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("OMP_NUM_THREADS", "1")

from trainings import make_missing, whole
from transfer import over_seeds

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "solving"
SUITE = HERE / "suites" / "core.toml"
EPISODES = 100
SEEDS = 5
WORLDS = 32


@dataclass(frozen=True)
class Run:
    """How `mappo` is trained on a scenario.

    Attributes:
        scenario: its id.
        steps: of its worlds, over all rows.
        config: what is not the default.
        arguments: of the scenario, where they are not those of the suite.
        method: how the expert shows what to do in all steps (`als imitate`); None where `mappo`
            learns from rewards, too.
    """

    scenario: str
    steps: int
    config: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    method: Literal["bc", "dagger"] | None = None


def _shown_by(rule: str) -> dict[str, Any]:
    """A training that begins with demonstrations of a scenario's simple rule."""
    return {"encoder": "mlp", "imitate": 30_000, "imitate_from": f"heuristic:rule={rule}"}


def _bettered(rule: str) -> dict[str, Any]:
    """A long one, which then gets better by rewards: slowly, and looking far ahead."""
    return {
        **_shown_by(rule), "imitate": 300_000, "gamma": 0.995, "learning_rate": 4e-4,
        "target_kl": 0.02, "ent_coef": 0.001,
    }  # fmt: skip


GUIDED = {"action_mode": "guided"}
HELD = {
    "encoder": "mlp", "hold": 10, "use_masks": True, "rollout": 1_024, "batch_size": 256,
    "n_epochs": 8,
}  # fmt: skip
"""From rewards alone; some 100,000 decisions of a million steps."""


def _without_entities(*sensors: str) -> dict[str, Any]:
    """What was observed by default when these were trained: nothing that one runs into."""
    return {"sensors": [*sensors, "proprioception"]}


ATTENTION = {"encoder": "attention", "learning_rate": 5e-4}
UNDISTURBED = {"noise": 0.0}
RUNS = {
    "classroom": Run(
        "ALS/Classroom-v0",
        600_000,
        {"encoder": "attention", "passes": 4.0, "imitation_rate": 2e-3, "noise": 0.3},
        {"sensors": ["question", "pads", "entities"]},
        method="bc",
    ),
    "vocabulary": Run(
        "ALS/Vocabulary-v0",
        160_000,
        {**ATTENTION, "imitate": 100_000, "imitate_config": UNDISTURBED},
    ),
    "tag": Run("ALS/Tag-v0", 300_000),
    "diagnosis": Run(
        "ALS/Diagnosis-v0",
        160_000,
        {**ATTENTION, "imitate": 100_000, "imitate_config": {"noise": 0.2}},
    ),
    "delivery": Run(
        "ALS/Delivery-v0", 160_000, {**ATTENTION, "imitate": 100_000, "imitate_config": UNDISTURBED}
    ),
    "tag-rgb": Run(
        "ALS/Tag-v0",
        120_000,
        {"passes": 3.0, "noise": 0.2},
        {"sensors": ["rgb"], "frame_size": 32},
        method="dagger",
    ),
    # One recipe for all of these, and a small budget: none of them was tuned by itself.
    "build": Run("ALS/Build-v0", 100_000, _shown_by("nearest-block")),
    "commons": Run("ALS/Commons-v0", 1_800_000, _bettered("greedy")),
    "gathering": Run(
        "ALS/Gathering-v0", 100_000, _shown_by("nearest-portrait"), _without_entities("company")
    ),
    "meeting": Run("ALS/Meeting-v0", 100_000, _shown_by("follow-the-voice")),
    "tour": Run("ALS/Tour-v0", 100_000, _shown_by("lin-ucb"), _without_entities("tour", "heard")),
    "tutor": Run(
        "ALS/Tutor-v0", 100_000, _shown_by("mastery-threshold"), _without_entities("register")
    ),
    "ward": Run("ALS/Ward-v0", 1_800_000, _bettered("basal-bolus")),
    "world": Run(
        "ALS/World-v0", 100_000, _shown_by("nearest-request"), _without_entities("errand")
    ),
    # One recipe once more, tried on validation levels of three of them.
    "commons-guided": Run("ALS/Commons-v0", 1_000_000, HELD, GUIDED),
    "gathering-guided": Run("ALS/Gathering-v0", 1_000_000, HELD, GUIDED),
    "ward-guided": Run("ALS/Ward-v0", 1_000_000, HELD, GUIDED),
}


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", help=f"some of {', '.join(RUNS)}; all by default")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trainings of each")
    parser.add_argument("--rules", action="store_true", help="play the simple rules, and no more")
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if unknown := set(options.runs) - set(RUNS):
        parser.error(f"unknown {unknown.pop()!r}; there are {', '.join(RUNS)}")
    if options.rules:
        play_rules(options.runs or list(RUNS))
    elif not options.table:
        train_all(options.runs or list(RUNS), options.seeds)
    print_table()
    return 0


def train_all(names: list[str], seeds: int) -> None:
    """Trains and evaluates whoever is missing."""
    for seed in range(seeds):
        for name in names:
            make_missing(_file(name, seed), f"{name}, seed {seed}", partial(train, name, seed))


def train(name: str, seed: int, show: Any) -> dict[str, Any]:
    """One training and its evaluation on held-out levels."""
    from als_engine.agents.saving import versions
    from als_engine.agents.training import train_agent
    from als_engine.evaluation.protocol import evaluate
    from als_plugins.imitation.imitate import imitate

    run = RUNS[name]
    arguments = _arguments(run)
    learn = partial(imitate, method=run.method) if run.method else train_agent
    trained = learn(
        run.scenario,
        agent="mappo",
        steps=run.steps,
        worlds=WORLDS,
        seed=seed,
        arguments=arguments,
        config=run.config,
        on_progress=show,
    )
    whole(trained, run.steps)
    played = evaluate(trained.agent, run.scenario, EPISODES, seed=seed, arguments=arguments)
    record = trained.record.training
    assert record is not None
    return {
        "command": f"python benchmarks/solving.py {name} --seeds {seed + 1}",
        "scenario": run.scenario,
        "arguments": arguments,
        "config": dict(run.config),
        "steps": record.steps,
        "demonstrated": record.demonstrated,
        "seconds": round(trained.seconds, 1),
        "return": round(float(played.returns.mean()), 4),
        "success": round(float(played.metrics["success"].mean()), 4),
        "versions": versions(),
    }


def play_rules(names: list[str]) -> None:
    """Plays every simple rule of the scenarios on the levels that trained agents are tested on."""
    from als_engine.agents.saving import open_agent
    from als_engine.evaluation.protocol import evaluate
    from als_engine.simulation import simulate
    from als_engine.system.files import write_text

    for name in names:
        run = RUNS[name]
        arguments = _arguments(run)
        simulation = simulate(run.scenario, **arguments)
        rules = list(simulation.task.heuristics())
        simulation.close()
        played = {}
        for rule in rules:
            agent = open_agent(f"heuristic:rule={rule}", run.scenario, arguments).agent
            found = evaluate(agent, run.scenario, EPISODES, seed=0, arguments=arguments)
            played[rule] = {
                "return": round(float(found.returns.mean()), 4),
                "success": round(float(found.metrics["success"].mean()), 4),
            }
            print(f"{name}, {rule}: {played[rule]}", file=sys.stderr)
        result = {"command": f"python benchmarks/solving.py {name} --rules", "rules": played}
        RESULTS.mkdir(parents=True, exist_ok=True)
        write_text(RESULTS / f"{name}-rules.json", json.dumps(result, indent=2) + "\n")


def print_table() -> None:
    """Scores of each scenario, mean over trainings with its interval, in Markdown."""
    print(
        "| scenario | steps | of them demonstrated | minutes | trainings | score | success "
        "| best rule |"
    )
    print("| --- | ---: | ---: | ---: | ---: | --- | --- | --- |")
    for name, run in RUNS.items():
        files = sorted(RESULTS.glob(f"{name}-[0-9]*.json"))
        found = [json.loads(path.read_text(encoding="utf-8")) for path in files]
        if not found:
            continue
        entry = suite_entry(run.scenario)
        low, high = entry["random"], entry["expert"]
        scores = [(one["return"] - low) / (high - low) for one in found]
        rule = _best_rule(name, low, high)
        minutes = sum(one["seconds"] for one in found) / len(found) / 60
        named = run.scenario
        if sensors := run.arguments.get("sensors"):
            named += f" from {', '.join(f'`{each}`' for each in sensors)}"
        if run.arguments.get("action_mode") == "guided":
            named += ", guided"
        print(
            f"| {named} | {found[0]['steps']:,} | {found[0]['demonstrated']:,} "
            f"| {minutes:.1f} | {len(found)} | {over_seeds(scores)} "
            f"| {over_seeds([one['success'] for one in found])} "
            f"| {rule} |"
        )


def suite_entry(scenario: str) -> dict[str, Any]:
    """What the suite says of a scenario."""
    from als_engine.system.toml_files import read_toml

    suite, _ = read_toml(SUITE)
    found: dict[str, Any] = next(e for e in suite["entries"] if e["scenario"] == scenario)
    return found


def _arguments(run: Run) -> dict[str, Any]:
    """What the scenario is made with."""
    return {**suite_entry(run.scenario)["arguments"], **run.arguments}


def _best_rule(name: str, low: float, high: float) -> str:
    """The simple rule that earns most, and its score; a dash where none has been played yet."""
    path = RESULTS / f"{name.removesuffix('-guided')}-rules.json"
    if not path.exists():
        return "-"
    rules = json.loads(path.read_text(encoding="utf-8"))["rules"]
    best = max(rules, key=lambda rule: rules[rule]["return"])
    return f"{best} {(rules[best]['return'] - low) / (high - low):.2f}"


def _file(name: str, seed: int) -> Path:
    return RESULTS / f"{name}-{seed}.json"


if __name__ == "__main__":
    sys.exit(main())
