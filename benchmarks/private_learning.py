"""Parts of `privacy.py`: training for the worst served, private forecasts and federations."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import persons
from transfer import over_seeds

DELTA = 1e-3


def over(values: list[float], percent: bool = False, digits: int = 2) -> str:
    """The mean over seeds, and the lowest and the highest."""
    form = "{:.0%}" if percent else f"{{:.{digits}f}}"
    if not values:
        return "-"
    mean, low, high = (form.format(f(values)) for f in (np.mean, np.min, np.max))
    return f"{mean} ({low} to {high})"


QUEUES = {
    "plain": None,
    "outcomes of both alike": {"weight": 5.0, "sharpness": 0.0},
    "equalised": {"weight": 5.0, "sharpness": 20.0},
}
CLERK = {
    "net_arch": [32], "rollout": 1_280, "batch_size": 256, "gamma": 0.99, "learning_rate": 3e-3,
    "ent_coef": 0.003,
}  # fmt: skip


def equalised(seed: int, show: Any) -> dict[str, Any]:
    """Clerks who learn from the same rewards, with and without what becomes of each group."""
    import counter

    from als_engine.agents.training import Equalise, train_agent
    from als_plugins.fairness.groups import gaps, people_of

    counter.introduce()
    found = {}
    for name, settings in QUEUES.items():
        done = train_agent(
            counter.ID, "mappo", steps=16_000, worlds=32, seed=seed, device="cpu", config=CLERK,
            equalise=None if settings is None else Equalise(**settings), on_progress=show,
        )  # fmt: skip
        people = people_of(
            done.agent, counter.ID, done.record.arguments, episodes=32, split="test", seed=seed
        )
        measured = gaps(people, seed)
        found[name] = {
            "return": counter.SCALE * measured["overall"].value,
            "groups": {group: each.value for group, each in measured["groups"].items()},
            "gap": measured["difference"].value,
        }
    return {"seed": seed, "found": found}


def print_equalised(found: list[dict[str, Any]]) -> None:
    """The table of the docs: over the seeds."""
    groups = list(found[0]["found"]["plain"]["groups"])
    print(f"| training | {' | '.join(groups)} | gap | return |")
    print(f"| --- |{' --- |' * (len(groups) + 2)}")
    for name in QUEUES:
        rows = [each["found"][name] for each in found]
        columns = [over_seeds([row["groups"][group] for row in rows]) for group in groups]
        columns += [over_seeds([row[key] for row in rows]) for key in ("gap", "return")]
        print(f"| {name} | {' | '.join(columns)} |")


WALKS = 100
FORESIGHT = {
    "model": "gru", "hidden": 16, "modes": 3, "history": 1.6, "horizon": 3.0, "steps": 150,
    "batch": 128, "learning_rate": 1e-2, "others": 0, "delta": DELTA, "repeatable": True,
}  # fmt: skip
TOLD = (None, 8.0, 1.0)


def foreseen(seed: int, show: Any) -> dict[str, Any]:
    """Forecasters that have learnt from the same tracks with more and more privacy."""
    from als_plugins.experience.collect import collect
    from als_plugins.forecast.comparing import compare
    from als_plugins.forecast.replay import replay_dataset
    from als_plugins.forecast.training import Job, train_forecaster
    from als_plugins.privacy.membership import forecaster_membership

    found = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        collect(
            persons.SCENARIO, folder / "walks", policy="heuristic:rule=straight", seed=seed,
            episodes=WALKS, worlds=20, arguments={**persons.ARGUMENTS, "num_avatars": 3},
        )  # fmt: skip
        tracks = replay_dataset(folder / "walks")
        for epsilon in TOLD:
            job = Job(**FORESIGHT, seed=seed, epsilon=epsilon)
            made = train_forecaster(tracks, folder / f"{epsilon}", job)
            assert made is not None
            told = forecaster_membership(made, tracks, seed=seed)
            measured = [each.as_dict() for each in compare(made, tracks, "test", seed)]
            found.append({"epsilon": epsilon, "measured": measured, "auc": told.as_dict()["auc"]})
    return {"seed": seed, "walks": WALKS, "delta": DELTA, "found": found}


def print_foreseen(found: list[dict[str, Any]]) -> None:
    """The table of the docs: over the seeds, three seconds ahead."""
    print("| forecaster | epsilon | mean error, metres | nll | attack's AUC |")
    print("| --- | --- | --- | --- | --- |")
    rows: dict[tuple[str, str], list[tuple[float, float, float | None]]] = {}
    for each in found:
        for row in each["found"]:
            for measured in row["measured"]:
                last, model = measured["scores"][-1], measured["model"]
                values = last["mean_error"], last["nll"]
                if model == FORESIGHT["model"]:
                    key = model, str(row["epsilon"] or "any")
                    rows.setdefault(key, []).append((*values, row["auc"]["value"]))
                elif row["epsilon"] is None:
                    rows.setdefault((model, ""), []).append((*values, None))
    for (model, epsilon), values in rows.items():
        errors, nlls, aucs = (
            [v for v in column if v is not None] for column in zip(*values, strict=True)
        )
        print(f"| {model} | {epsilon} | {over(errors)} | {over(nlls)} | {over(aucs, digits=3)} |")


PRIVATE_SITES = {"north": (80, 2), "south": (40, 4)}


def federated_privately(seed: int, show: Any) -> dict[str, Any]:
    """One agent of two sites' weights, with more and more privacy at each."""
    from als_engine.agents.saving import load_agent
    from als_plugins.experience.collect import collect
    from als_plugins.imitation.recorded import open_recorded
    from als_plugins.privacy.federated import federate
    from als_plugins.privacy.membership import agreement, membership

    found = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, (episodes, players) in PRIVATE_SITES.items():
            for out, count, split in ((name, episodes, "train"), (f"held-{name}", 12, "test")):
                collect(
                    persons.SCENARIO, folder / out, policy="heuristic:rule=straight", seed=seed,
                    worlds=20, episodes=count, split=split,
                    arguments={**persons.ARGUMENTS, "num_avatars": players},
                )  # fmt: skip
        for epsilon in TOLD:
            out = folder / f"{epsilon}"
            private = {} if epsilon is None else {"epsilon": epsilon, "delta": 1e-2}
            federate(
                persons.SCENARIO, [folder / name for name in PRIVATE_SITES], out, rounds=4,
                seed=seed, arguments=persons.ARGUMENTS,
                config={"net_arch": [64], "imitation_rate": 1e-2, "imitation_batch": 128,
                        "repeatable": True, **private},
            )  # fmt: skip
            learner, record = load_agent(out)
            held = {
                name: open_recorded(str(folder / f"held-{name}"), record.scenario, learner, "test")
                for name in PRIVATE_SITES
            }
            found.append(
                {
                    "epsilon": epsilon,
                    "agreement": {name: agreement(learner, data) for name, data in held.items()},
                    "auc": membership(out, folder / "north", seed=seed).as_dict()["auc"],
                }
            )
    return {"seed": seed, "sites": PRIVATE_SITES, "found": found}


def print_federated_privately(found: list[dict[str, Any]]) -> None:
    """The table of the docs: agreement with the rule on each site's held-out episodes."""
    print(f"| epsilon of each site | {' | '.join(PRIVATE_SITES)} | attack's AUC at north |")
    print(f"| --- |{' --- |' * (len(PRIVATE_SITES) + 1)}")
    for epsilon in TOLD:
        rows = [row for each in found for row in each["found"] if row["epsilon"] == epsilon]
        columns = [over([row["agreement"][name] for row in rows], True) for name in PRIVATE_SITES]
        columns.append(over([row["auc"]["value"] for row in rows], digits=3))
        print(f"| {epsilon or 'any'} | {' | '.join(columns)} |")
