"""What persons' data tells, and what it costs to tell less.

    python benchmarks/privacy.py persons   who is told by episodes, before and after anonymising
    python benchmarks/privacy.py private   what imitation loses by privacy, and who is told
    python benchmarks/privacy.py sites     one agent of three sites, beside central data and alone
    python benchmarks/privacy.py groups    what becomes of groups of people with rules and experts
    python benchmarks/privacy.py equalise  training for those who are served worst
    python benchmarks/privacy.py foresight what forecasts lose by privacy, and who is told
    python benchmarks/privacy.py private-sites   what a federation loses by privacy
    python benchmarks/privacy.py --table   prints what is in results/privacy

Five sets of eight simulated persons (`persons.py`) each play tag. An attacker knows four fifths of
the episodes with their names and says whose the others are. For `private` a simple rule plays, and
for each epsilon and seed an agent learns from its episodes.
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

import numpy as np
import persons
from private_learning import (
    equalised,
    federated_privately,
    foreseen,
    over,
    print_equalised,
    print_federated_privately,
    print_foreseen,
)  # fmt: skip
from trainings import make_missing

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "privacy"
SEEDS = 5
PERSONS, EACH = 8, 20
CUTS = (None, 40, 15)
"""Steps of the pieces that episodes are cut into."""


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=[*PARTS, []], help="by default all")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--table", action="store_true", help="print what is there")
    parser.add_argument("--picture", type=Path, help="draw what is there, .png or .svg")
    options = parser.parse_args()
    if options.picture is not None:
        draw(options.picture)
        return 0
    for what in options.what or PARTS:
        run, table = PARTS[what]
        if not options.table:
            for seed in range(options.seeds):
                place = RESULTS / what / f"{seed}.json"
                make_missing(place, f"{what}, seed {seed}", partial(run, seed))
        if found := read(what):
            table(found)
    return 0


def identified(seed: int, show: Any) -> dict[str, Any]:
    """How well persons are told apart."""
    from als_plugins.experience.collect import collect
    from als_plugins.privacy.identify import identify

    persons.introduce()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PERSONS * seed, PERSONS * (seed + 1)):
            collect(  # Each plays levels of its own, as persons do.
                persons.SCENARIO, Path(folder) / "walks", episodes=EACH, worlds=16,
                policy=f"{persons.ID}:number={number}", seed=number,
                arguments=persons.ARGUMENTS,
            )  # fmt: skip
        found = [
            {"cut": cut, **each.as_dict()}
            for cut in CUTS
            for each in identify(Path(folder) / "walks", cut=cut, seed=seed)
        ]
    return {"seed": seed, "persons": PERSONS, "episodes": PERSONS * EACH, "found": found}


def print_identified(found: list[dict[str, Any]]) -> None:
    """The table of the docs: part of the episodes whose person was named, over the seeds."""
    print("| pieces | attacker | before | after | chance |")
    print("| --- | --- | --- | --- | --- |")
    for cut in CUTS:
        for attacker in ("nearest", "logistic"):
            values = []
            for stage in ("before", "after"):
                rows = [
                    row["right"]["value"]
                    for each in found
                    for row in each["found"]
                    if (row["cut"], row["attacker"], row["stage"]) == (cut, attacker, stage)
                ]
                values.append(over(rows, percent=True))
            pieces = "whole episodes" if cut is None else f"{cut} steps"
            chance = np.mean([r["chance"] for e in found for r in e["found"] if r["cut"] == cut])
            print(f"| {pieces} | {attacker} | {' | '.join(values)} | {chance:.0%} |")


def read(what: str) -> list[dict[str, Any]]:
    """The results of a part that are there."""
    files = sorted((RESULTS / what).glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in files]


def draw(path: Path) -> None:
    """The picture of the docs: who is told by episodes, and what imitation loses by privacy."""
    from matplotlib.figure import Figure

    from als_engine.reports.figures import figure_file
    from als_engine.reports.series_chart import COLOURS

    rows = [row for each in read("persons") for row in each["found"]]
    with figure_file(path, dpi=110) as write:
        figure = Figure(figsize=(9.6, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        places = np.arange(len(CUTS))
        for i, (stage, name) in enumerate((("before", "as recorded"), ("after", "anonymised"))):
            values = [
                [r["right"]["value"] for r in rows
                 if (r["cut"], r["attacker"], r["stage"]) == (cut, "logistic", stage)]
                for cut in CUTS
            ]  # fmt: skip
            means = np.array([np.mean(v) for v in values])
            spread = [means - [min(v) for v in values], [max(v) for v in values] - means]
            left.errorbar(places + 0.12 * (i - 0.5), means, spread, fmt="o", capsize=4,
                          color=COLOURS[i], label=name)  # fmt: skip
        chance = [np.mean([r["chance"] for r in rows if r["cut"] == cut]) for cut in CUTS]
        left.hlines(chance, places - 0.3, places + 0.3, color="grey", label="chance")
        names = ["whole episodes", *(f"{cut} steps" for cut in CUTS[1:])]
        left.set_xticks(places, names)
        left.set_xlim(-0.6, len(CUTS) - 0.4)
        left.set_ylim(0, 0.7)
        left.set_ylabel("persons named rightly")
        left.set_title("Who acted, by how they move")
        left.legend(frameon=False)
        found = [row for each in read("private") for row in each["found"] if row["data"] == "walks"]
        order = [*reversed(EPSILONS[1:]), None]
        places = np.arange(len(order))
        for i, (name, value) in enumerate(
            (("agreement", lambda r: r["agreement"]), ("attack's AUC", lambda r: r["auc"]["value"]))
        ):
            values = [[value(r) for r in found if r["epsilon"] == e] for e in order]
            means = np.array([np.mean(v) for v in values])
            spread = [means - [min(v) for v in values], [max(v) for v in values] - means]
            right.errorbar(
                places, means, spread, marker="o", capsize=4, color=COLOURS[i + 2], label=name
            )
        right.axhline(0.5, color="grey", linestyle=":", linewidth=1)
        right.text(0.0, 0.51, "an attack by chance", color="grey", fontsize="small")
        right.set_xticks(places, ["1", "3", "8", "any"])
        right.set_xlabel("epsilon")
        right.set_ylim(0.3, 0.9)
        right.set_title("Imitation with privacy")
        right.legend(frameon=False, loc="upper left")
        write(figure)


EPISODES = 150
EPSILONS = (None, 8.0, 3.0, 1.0)
DELTA = 1e-3
LEARNING = {"net_arch": [64], "imitation_batch": 128, "passes": 4.0, "imitation_rate": 1e-2}


def learnt_privately(seed: int, show: Any) -> dict[str, Any]:
    """Agents that have learnt from the same episodes with more and more privacy."""
    from als_plugins.experience.collect import collect
    from als_plugins.imitation.imitate import imitate
    from als_plugins.privacy.anonymise import anonymise
    from als_plugins.privacy.membership import membership

    found = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        collect(
            persons.SCENARIO, folder / "walks", policy="heuristic:rule=straight", seed=seed,
            episodes=EPISODES, worlds=32, arguments=persons.ARGUMENTS,
        )  # fmt: skip
        anonymise(folder / "walks", folder / "anonymous")
        for data, epsilon in [*(("walks", e) for e in EPSILONS), ("anonymous", None)]:
            out = folder / f"{data}-{epsilon}"
            private = {} if epsilon is None else {"epsilon": epsilon, "delta": DELTA}
            imitate(
                persons.SCENARIO, str(folder / data), folder=out, seed=seed, device="cpu",
                arguments=persons.ARGUMENTS, config={**LEARNING, **private, "repeatable": True},
                on_progress=show,
            )  # fmt: skip
            told = membership(out, folder / data, seed=seed)
            found.append({"data": data, "epsilon": epsilon, **told.as_dict()})
    return {"seed": seed, "episodes": EPISODES, "delta": DELTA, "found": found}


def print_private(found: list[dict[str, Any]]) -> None:
    """The table of the docs: over the seeds."""
    print("| epsilon | agreement | attack's AUC | intervals with 0.5 |")
    print("| --- | --- | --- | --- |")
    for data, epsilon in [*(("walks", e) for e in EPSILONS), ("anonymous", None)]:
        rows = [
            row for each in found for row in each["found"]
            if (row["data"], row["epsilon"]) == (data, epsilon)
        ]  # fmt: skip
        name = "anonymised data, any" if data == "anonymous" else f"{epsilon or 'any'}"
        chance = sum(row["auc"]["low"] <= 0.5 <= row["auc"]["high"] for row in rows)
        columns = [
            over([row["agreement"] for row in rows], percent=True),
            over([row["auc"]["value"] for row in rows], digits=3),
            f"{chance} of {len(rows)}",
        ]
        print(f"| {name} | {' | '.join(columns)} |")


SITES = {"north": (50, 2), "south": (15, 4), "east": (8, 6)}
"""Episodes of each site, and how many play: unequal amounts of unequal kinds."""
ROUNDS = 8


def federated(seed: int, show: Any) -> dict[str, Any]:
    """One agent of all sites' weights, of all sites' data, and of each site's alone."""
    from als_engine.agents.saving import load_agent
    from als_plugins.experience.collect import collect
    from als_plugins.imitation.imitate import imitate
    from als_plugins.imitation.recorded import open_recorded
    from als_plugins.privacy.federated import federate
    from als_plugins.privacy.membership import agreement

    found = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, (episodes, players) in SITES.items():
            given = {**persons.ARGUMENTS, "num_avatars": players}
            for out, count, split in (
                (name, episodes, "train"), ("together", episodes, "train"),
                (f"held-{name}", 16, "test"),
            ):  # fmt: skip
                collect(
                    persons.SCENARIO, folder / out, policy="heuristic:rule=straight", seed=seed,
                    worlds=16, episodes=count, split=split, arguments=given,
                )  # fmt: skip
        config = {"net_arch": [64], "imitation_rate": 1e-2, "imitation_batch": 128}
        sites = [folder / name for name in SITES]
        federate(
            persons.SCENARIO, sites, folder / "runs-federated", rounds=ROUNDS, seed=seed,
            arguments=persons.ARGUMENTS, config=config,
        )  # fmt: skip
        for name in ("together", *SITES):
            imitate(
                persons.SCENARIO, str(folder / name), folder=folder / f"runs-{name}", seed=seed,
                arguments=persons.ARGUMENTS, device="cpu", on_progress=show,
                config={**config, "passes": float(ROUNDS)},
            )  # fmt: skip
        for name in ("federated", "together", *SITES):
            learner, record = load_agent(folder / f"runs-{name}")
            found[name] = {
                site: agreement(
                    learner,
                    open_recorded(str(folder / f"held-{site}"), record.scenario, learner, "test"),
                )
                for site in SITES
            }
    return {"seed": seed, "rounds": ROUNDS, "sites": SITES, "agreement": found}


def print_federated(found: list[dict[str, Any]]) -> None:
    """The table of the docs: agreement with the rule on each site's held-out episodes."""
    print(f"| learnt from | {' | '.join(SITES)} | mean | worst |")
    print(f"| --- |{' --- |' * (len(SITES) + 2)}")
    for name in ("federated", "together", *SITES):
        rows = [list(each["agreement"][name].values()) for each in found]
        columns = [over(list(column), percent=True) for column in zip(*rows, strict=True)]
        columns += [over([float(f(row)) for row in rows], percent=True) for f in (np.mean, min)]
        print(f"| {name} | {' | '.join(columns)} |")


SERVED = {
    "ALS/Tutor-v0": (
        "random",
        "heuristic:rule=round-robin",
        "heuristic:rule=mastery-threshold",
        "expert",
    ),
    "ALS/Ward-v0": ("random", "heuristic:rule=basal-bolus", "heuristic:rule=pid", "expert"),
}
LESSONS = 32


def served(seed: int, show: Any) -> dict[str, Any]:
    """Outcomes by group on test levels; every agent meets the same people."""
    from als_engine.agents.saving import open_agent
    from als_plugins.fairness.groups import measure

    found = []
    for scenario, agents in SERVED.items():
        for agent in agents:
            opened = open_agent(agent, scenario, {"sensors": ["proprioception"]})
            print(agent, file=sys.stderr)
            found.append(
                measure(agent, opened, episodes=LESSONS, split="test", seed=seed).as_dict()
            )
    return {"seed": seed, "found": found}


def print_served(found: list[dict[str, Any]]) -> None:
    """The table of the docs, of the first seed."""
    for scenario in SERVED:
        rows = [row for row in found[0]["found"] if row["scenario"] == scenario]
        groups = list(rows[0]["groups"])
        print(f"| {scenario} | {' | '.join(groups)} | gap | ratio |")
        print(f"| --- |{' --- |' * (len(groups) + 2)}")
        for row in rows:
            each = [row["groups"][name] for name in groups] + [row["difference"], row["ratio"]]
            shown = [f"{i['value']:.2f} [{i['low']:.2f}, {i['high']:.2f}]" for i in each]
            print(f"| {row['agent'].rpartition('=')[2]} | {' | '.join(shown)} |")
        print()


PARTS = {
    "groups": (served, print_served),
    "equalise": (equalised, print_equalised),
    "foresight": (foreseen, print_foreseen),
    "private-sites": (federated_privately, print_federated_privately),
    "sites": (federated, print_federated),
    "persons": (identified, print_identified),
    "private": (learnt_privately, print_private),
}

if __name__ == "__main__":
    sys.exit(main())
