"""What of a pretrained encoder should learn, and how few numbers are enough?

    python benchmarks/tuning.py            pretrains, trains, evaluates what is missing
    python benchmarks/tuning.py --table    prints the table of docs/encoders.md

For each seed a small attention encoder is pretrained on episodes of Tag with two players (dynamics,
by an expert and at random). Then `mappo` imitates a simple rule in few episodes with three players,
with each way to tune that encoder. The score is how many actions of the rule in episodes on the
test split are the agent's likeliest; what the most frequent action gets stands beside it. The
baseline is the same network that begins at random. The learning rate of each way is the one of
three with the best score on the validation split, with a seed of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from trainings import make_missing, whole
from transfer import over_seeds

RESULTS = Path(__file__).parent / "results" / "tuning"
SCENARIO = "ALS/Tag-v0"
ARGUMENTS: dict[str, Any] = {
    "action_mode": "discrete",
    "sensors": ["entities", "proprioception"],
}
LATER = {**ARGUMENTS, "num_avatars": 3}
RULE = "heuristic:rule=straight"
SHOWN = {"before": 40, "after": 16, "test": 12, "validation": 12}
"""Episodes to pretrain on, to imitate, and to compare with."""
ENCODER = {"width": 16, "heads": 2, "features": 32}
LEARNING = {"net_arch": [16], "imitation_batch": 64}
UPDATES, PRETRAINING = 120, 150
"""Gradient steps."""
RATES = (3e-3, 1e-2, 3e-2)
RANK, SEEDS, CHOOSING = 2, 5, 100
WAYS: dict[str, dict[str, Any]] = {
    "from scratch": {"encoder": "attention", "encoder_config": ENCODER},
    "full": {},
    "frozen": {"tuning": "frozen"},
    "lora": {"tuning": "lora", "lora_rank": RANK},
    "adalora": {"tuning": "adalora", "lora_rank": RANK, "lora_steps": 80},
    "adapter": {"tuning": "adapter", "lora_rank": RANK},
}


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trainings of each kind")
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if not options.table:
        make_missing(RESULTS / "rates.json", "rates, on validation levels", choose)
        rates = json.loads((RESULTS / "rates.json").read_text(encoding="utf-8"))["chosen"]
        for seed in range(options.seeds):
            make_missing(RESULTS / f"{seed}.json", f"seed {seed}", partial(run, seed, rates))
    print_table()
    return 0


def choose(show: Any) -> dict[str, Any]:
    """The learning rate of each way."""
    with TemporaryDirectory() as place:
        prepare(Path(place), CHOOSING, "validation")
        scores = {
            name: {rate: learnt(Path(place), name, rate, CHOOSING, "validation", show)["score"]
                   for rate in RATES}
            for name in WAYS
        }  # fmt: skip
    chosen = {name: max(each, key=lambda rate: each[rate]) for name, each in scores.items()}
    return {"scores": scores, "chosen": chosen}


def run(seed: int, rates: dict[str, float], show: Any) -> dict[str, Any]:
    """All ways of one seed."""
    with TemporaryDirectory() as place:
        prepare(Path(place), seed, "test")
        found = {name: learnt(Path(place), name, rates[name], seed, "test", show) for name in WAYS}
        return {"seed": seed, "rates": rates, "found": found, "frequent": frequent(Path(place))}


def prepare(folder: Path, seed: int, split: str) -> None:
    """Episodes with two and three players, and an encoder that has learnt from the former."""
    from als_plugins.experience.collect import collect
    from als_plugins.pretraining.pretrain import pretrain

    for name, policy, where, given in (
        ("before", "mix", "train", {**ARGUMENTS, "num_avatars": 2}),
        ("after", RULE, "train", LATER),
        ("held-out", RULE, split, LATER),
    ):
        count = SHOWN[split if name == "held-out" else name]
        collect(
            SCENARIO, folder / name, policy=policy, episodes=count, worlds=8, seed=seed,
            split=where, arguments=given,
        )  # fmt: skip
    pretrain(
        folder / "before", folder / "encoder", encoder="attention", config=ENCODER,
        objectives={"dynamics": 1.0}, steps=PRETRAINING, learning_rate=3e-3, seed=seed,
        device="cpu",
    )  # fmt: skip


def learnt(
    folder: Path, name: str, rate: float, seed: int, split: str, show: Any
) -> dict[str, Any]:
    """An agent that imitates with one way: its score, and how many numbers of it have learnt."""
    from als_plugins.experience.dataset import open_experience
    from als_plugins.imitation.imitate import imitate
    from als_plugins.imitation.recorded import open_recorded
    from als_plugins.privacy.membership import agreement

    begins = {} if name == "from scratch" else {"pretrained": str(folder / "encoder" / "encoder")}
    steps = open_experience(folder / "after").part("train").steps
    passes = UPDATES * LEARNING["imitation_batch"] / steps
    done = imitate(
        SCENARIO, str(folder / "after"), seed=seed, device="cpu", arguments=LATER,
        config={**LEARNING, **begins, **WAYS[name], "imitation_rate": rate, "passes": passes},
        on_progress=show,
    )  # fmt: skip
    whole(done, steps)
    encoder = done.agent.policy.encoder
    held = open_recorded(str(folder / "held-out"), SCENARIO, done.agent, split)
    ranks = [w for n, w in encoder.named_parameters() if name == "adalora" and "lora_E" in n]
    return {
        "score": agreement(done.agent, held),
        "learns": sum(w.numel() for w in encoder.parameters() if w.requires_grad),
        "ranks": sum(int(each.count_nonzero()) for each in ranks),
    }


def frequent(folder: Path) -> float:
    """The score of whoever always does what is done most often."""
    from als_plugins.experience.dataset import open_experience

    steps = open_experience(folder / "held-out").part("test")
    actions = steps.windows(1).take(np.arange(steps.steps)).actions
    return float(np.bincount(actions.ravel()).max() / actions.size)


def print_table() -> None:
    """Prints means over seeds, with 95% intervals."""
    files = sorted(RESULTS.glob("[0-9]*.json"))
    if not files:
        return
    seeds = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    print(f"| tuning | numbers of the encoder that learn | rate | score ({len(seeds)} seeds) |")
    print("| --- | ---: | ---: | --- |")
    for name in WAYS:
        rows = [seed["found"][name] for seed in seeds]
        scores = [row["score"] for row in rows]
        rate = seeds[0]["rates"][name]
        print(f"| {name} | {rows[0]['learns']:,} | {rate:g} | {over_seeds(scores)} |")
    print(f"| the most frequent action | 0 | | {over_seeds([s['frequent'] for s in seeds])} |")


if __name__ == "__main__":
    sys.exit(main())
