"""What persons' data tells, and what it costs to tell less.

    python benchmarks/privacy.py persons   who is told by episodes, before and after anonymising
    python benchmarks/privacy.py private   what imitation loses by privacy, and who is told
    python benchmarks/privacy.py --table   prints what is in results/privacy

Five sets of eight simulated persons (`persons.py`) each play tag. An attacker knows four fifths of
the episodes with their names and says whose the others are. For `private` one person's episodes are
collected once, and an agent learns from them for each epsilon and seed.
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


EPISODES = 400
EPSILONS = (None, 8.0, 3.0, 1.0)
DELTA = 1e-3
LEARNING = {"net_arch": [32], "imitation_batch": 256, "passes": 8.0, "imitation_rate": 3e-3}


def learnt_privately(seed: int, show: Any) -> dict[str, Any]:
    """Agents that have learnt from the same episodes with more and more privacy."""
    from als_engine.agents.saving import open_agent
    from als_engine.evaluation.protocol import evaluate
    from als_plugins.experience.collect import collect
    from als_plugins.imitation.imitate import imitate
    from als_plugins.privacy.anonymise import anonymise
    from als_plugins.privacy.membership import membership

    persons.introduce()
    found = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        collect(
            persons.SCENARIO, folder / "walks", policy=f"{persons.ID}:number=0", seed=seed,
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
            agent = open_agent(str(out), None, {})
            played = evaluate(
                agent.agent, agent.scenario, 40, seed=seed, arguments=agent.arguments,
                deterministic=True,
            )  # fmt: skip
            spent = trained.record.training
            found.append(
                {
                    "data": data, "epsilon": epsilon, **told.as_dict(),
                    "return": played.mean_return.value, "seconds": spent.seconds if spent else 0,
                }
            )  # fmt: skip
    return {"seed": seed, "episodes": EPISODES, "delta": DELTA, "found": found}


def print_private(found: list[dict[str, Any]]) -> None:
    """The table of the docs: over the seeds."""
    print("| epsilon | agreement | return on test levels | attack's AUC | intervals with 0.5 |")
    print("| --- | --- | --- | --- | --- |")
    for data, epsilon in [*(("walks", e) for e in EPSILONS), ("anonymous", None)]:
        rows = [
            row for each in found for row in each["found"]
            if (row["data"], row["epsilon"]) == (data, epsilon)
        ]  # fmt: skip
        name = "anonymised data, any" if data == "anonymous" else f"{epsilon or 'any'}"
        chance = sum(row["auc"]["low"] <= 0.5 <= row["auc"]["high"] for row in rows)
        columns = [
            over([row["agreement"] for row in rows], percent=True),
            over([row["return"] for row in rows]),
            over([row["auc"]["value"] for row in rows], digits=3),
            f"{chance} of {len(rows)}",
        ]
        print(f"| {name} | {' | '.join(columns)} |")


PARTS = {
    "persons": (identified, print_identified),
    "private": (learnt_privately, print_private),
}

if __name__ == "__main__":
    sys.exit(main())
