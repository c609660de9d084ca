"""Are the sentences that a small language model makes true, and how well does it know the others?

    python benchmarks/making_words.py            trains what is missing
    python benchmarks/making_words.py --table    prints the table of docs/making.md

Each model learns from 150 transcripts of ALS/Meeting-v0, and makes 20 talks freely and 20 guided,
where only words of true sentences can be said. Perplexity is that of 20 other meetings. Five seeds;
sizes and steps were chosen on validation transcripts of seed 0.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from trainings import make_missing
from transfer import over_seeds

RESULTS = Path(__file__).parent / "results" / "making"
TRANSCRIPTS, STEPS, HELD_OUT, COUNT, SEEDS = 150, 200, 20, 20, 5
NAMES = {
    "gru": "GRU",
    "bigram": "pairs of words",
    "unigram": "words",
    "grammar": "nothing but the grammar",
}


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if not options.table:
        for seed in range(options.seeds):
            path = RESULTS / f"words-{seed}.json"
            make_missing(path, f"words, seed {seed}", partial(run, seed))
    print_table()
    return 0


def run(seed: int, show: Any) -> dict[str, Any]:
    """All rows of the table, by one seed."""
    from als_plugins.making.words import (
        MODELS,
        Tongue,
        judge,
        language_of,
        make_words,
        perplexity,
        transcripts,
    )

    language = language_of()
    tongue = Tongue(language)
    learnt = [tongue.encode(each) for each in transcripts(language, "train", TRANSCRIPTS, seed)]
    test = transcripts(language, "test", HELD_OUT, seed)
    rows = {}
    for name, make in MODELS.items():
        model = make(len(tongue.words))
        model.learn(learnt, steps=STEPS, seed=seed)
        for guided in (False, True):
            talks = [
                (each.speakers, make_words(model, tongue, each.speakers, number, guided=guided))
                for number, each in enumerate(test[:COUNT])
            ]
            judged = judge(language, talks)
            rows[f"{name}, {'guided' if guided else 'free'}"] = {
                "perplexity": round(perplexity(model, tongue, test, guided=guided), 4),
                "grammatical": round(judged.grammatical, 4),
                "true": round(judged.true, 4),
                "sentences": judged.sentences / len(talks),
                "parameters": model.parameters,
            }
    return {"command": f"python benchmarks/making_words.py --seeds {seed + 1}", "rows": rows}


def print_table() -> None:
    """Prints means over seeds, with 95% intervals."""
    files = sorted(RESULTS.glob("words-[0-9]*.json"))
    found = [json.loads(path.read_text(encoding="utf-8"))["rows"] for path in files]
    if not found:
        return
    print("| knows | parameters | is | perplexity | grammatical | true | sentences |")
    print("| --- | ---: | --- | --- | --- | --- | --- |")
    for name in found[0]:
        model, _, how = name.partition(", ")
        cells = [
            over_seeds([each[name][what] for each in found])
            for what in ("perplexity", "grammatical", "true", "sentences")
        ]
        parameters = found[0][name]["parameters"]
        print(f"| {NAMES[model]} | {parameters:,} | {how} | {' | '.join(cells)} |")


if __name__ == "__main__":
    sys.exit(main())
