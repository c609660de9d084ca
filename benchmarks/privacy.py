"""What persons' data tells, and what it costs to tell less.

    python benchmarks/privacy.py persons   who is told by episodes, before and after anonymising
    python benchmarks/privacy.py private   what imitation loses by privacy, and who is told
    python benchmarks/privacy.py sites     one agent of three sites, beside central data and alone
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
    options = parser.parse_args()
    for what in options.what or PARTS:
        run, table = PARTS[what]
        if not options.table:
            for seed in range(options.seeds):
                place = RESULTS / what / f"{seed}.json"
                make_missing(place, f"{what}, seed {seed}", partial(run, seed))
        found = [json.loads(p.read_text()) for p in sorted((RESULTS / what).glob("*.json"))]
        if found:
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


def over(values: list[float], percent: bool = False, digits: int = 2) -> str:
    """The mean over seeds, and the lowest and the highest."""
    form = "{:.0%}" if percent else f"{{:.{digits}f}}"
    if not values:
        return "-"
    mean, low, high = (form.format(f(values)) for f in (np.mean, np.min, np.max))
    return f"{mean} ({low} to {high})"


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
            trained = imitate(
                persons.SCENARIO, str(folder / data), folder=out, seed=seed, device="cpu",
                arguments=persons.ARGUMENTS, config={**LEARNING, **private, "repeatable": True},
                on_progress=show,
            )  # fmt: skip
            told = membership(out, folder / data, seed=seed)
            found.append(
                {
                    "data": data, "epsilon": epsilon, **told.as_dict(),
                    "seconds": spent.seconds if spent else 0,
                }
            )  # fmt: skip
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
            for out in (name, "together"):
                collect(
                    persons.SCENARIO, folder / out, policy="heuristic:rule=straight", seed=seed, worlds=16,
                    episodes=episodes, arguments={**persons.ARGUMENTS, "num_avatars": players},
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
                site.name: agreement(
                    learner, open_recorded(str(site), record.scenario, learner, "test")
                )
                for site in sites
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


PARTS = {
    "sites": (federated, print_federated),
    "persons": (identified, print_identified),
    "private": (learnt_privately, print_private),
}

if __name__ == "__main__":
    sys.exit(main())
