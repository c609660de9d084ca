"""The results of a study as tables: a row for each trial and for each answer, and what they mean.

Parquet where pyarrow is installed, else CSV. The same participants give the same rows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from als_engine.system.files import replacing, write_text
from als_engine.texts import cell
from als_plugins.serve.study.design import Study
from als_plugins.serve.study.records import Participant

__all__ = ["ANSWERS", "TRIALS", "write_tables"]

TRIALS: Final = {
    "person": ("string", "the participant: a random pseudonym, bound to nothing else"),
    "number": ("int64", "the participant's number, which chooses the order of its conditions"),
    "place": ("int64", "the place of the condition in that order, from 0"),
    "condition": ("string", "the name of the condition"),
    "trial": ("int64", "the number of the trial, from 0, as the participant met them"),
    "level": ("int64", "the level of the scenario that was laid out"),
    "steps": ("int64", "how many steps the trial took; there are 15 a second"),
    "seconds": ("float64", "how long it took by the wall clock, pauses included"),
    "return": ("float64", "the sum of the participant's rewards"),
    "success": ("bool", "whether the task was solved"),
    "terminated": ("bool", "whether the task ended the trial; else the time was up"),
    "begun": ("int64", "how often it was begun: more than once after a reload or a restart"),
}
ANSWERS: Final = {
    "person": TRIALS["person"],
    "condition": ("string", "the condition that was asked about; empty for the whole study"),
    "question": ("string", "the name of the question"),
    "answer": ("string", "a number of the scale, one of the choices, or a text"),
}


def write_tables(folder: Path, study: Study, people: Sequence[Participant]) -> list[Path]:
    """Writes `trials`, `answers` and `dictionary.csv`, each whole or not at all.

    Args:
        folder: where to.
        study: what was asked.
        people: the participants, finished or not.

    Returns:
        The files.
    """
    people = sorted(people, key=lambda each: each.number)
    metrics = sorted({name for each in people for trial in each.trials for name in trial.metrics})
    columns = {**TRIALS, **dict.fromkeys(metrics, ("float64", _OF_THE_SCENARIO))}
    trials = [
        [
            each.person, each.number, t.place, t.condition, t.trial, t.level, t.steps, t.seconds,
            t.total, t.success, t.terminated, t.begun, *(t.metrics.get(name) for name in metrics),
        ]
        for each in people
        for t in each.trials
    ]  # fmt: skip
    answers = [
        [each.person, a.condition, a.question, a.value] for each in people for a in each.answers
    ]
    return [
        _write(folder / "trials", columns, trials),
        _write(folder / "answers", ANSWERS, answers),
        _write_dictionary(folder / "dictionary.csv", columns, study),
    ]


_OF_THE_SCENARIO: Final = "a metric of the scenario at the end of the trial"


def _write(path: Path, columns: dict[str, tuple[str, str]], rows: list[list[Any]]) -> Path:
    if find_spec("pyarrow") is None:
        target = path.with_suffix(".csv")
        write_text(target, _csv([*columns], rows))
        return target
    import pyarrow as arrow
    from pyarrow import parquet

    schema = arrow.schema(
        [(name, arrow.type_for_alias(kind)) for name, (kind, _) in columns.items()]
    )
    by_column = zip(*rows, strict=True) if rows else [[] for _ in columns]
    arrays = [arrow.array(c, f.type) for c, f in zip(by_column, schema, strict=True)]
    target = path.with_suffix(".parquet")
    with replacing(target) as temporary, temporary.open("wb") as file:
        parquet.write_table(arrow.Table.from_arrays(arrays, schema=schema), file)
    return target


def _write_dictionary(path: Path, columns: dict[str, tuple[str, str]], study: Study) -> Path:
    """What each column means, and each condition and question."""
    rows = [["trials", name, kind, meaning] for name, (kind, meaning) in columns.items()]
    rows += [["answers", name, kind, meaning] for name, (kind, meaning) in ANSWERS.items()]
    rows += [
        ["condition", each.name, each.scenario, each.text or "(no text)"]
        for each in study.conditions
    ]
    rows += [["question", each.name, _kind(each), each.text] for each in study.questions]
    write_text(path, _csv(["of", "name", "type", "meaning"], rows))
    return path


def _kind(question: Any) -> str:
    if question.kind == "scale":
        ends = f" ({question.low} to {question.high})" if question.low or question.high else ""
        return f"1 to {question.points}{ends}"
    return "; ".join(question.choices) if question.kind == "choice" else "text"


def _csv(head: list[str], rows: list[list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()
