"""How fast the engine is, as ratios measured in one run.

python benchmarks/throughput.py             prints the table
python benchmarks/throughput.py --json      one JSON object a measure
python benchmarks/throughput.py --readme    also puts the table into README.md
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

# One thread each: NumPy's own pools would blur what is measured.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- throughput -->", "<!-- /throughput -->"


def main() -> int:
    """Measures, prints, and returns 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a measure")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    parser.add_argument("--only", default="", help="measures whose name contains this")
    parser.add_argument("--repeats", type=int, default=30, help="timed rounds of each measure")
    arguments = parser.parse_args()

    from measuring import ALL, Measure
    from rich.console import Console
    from rich.table import Table

    from als_engine.cli.bars import counting_bar

    chosen = [measure for measure in ALL if arguments.only in measure.__name__]
    results: list[Measure] = []
    with counting_bar("measures") as update:
        for done, measure in enumerate(chosen):
            update(done, len(chosen))
            results += measure(arguments.repeats)

    if arguments.json:
        for result in results:
            print(json.dumps(as_dict(result)))
    else:
        table = Table("what", "measured", "goal", "", "behind it")
        for result in results:
            mark = "[green]holds[/]" if result.holds else "[red]misses[/]"
            table.add_row(result.name, figure(result), goal(result), mark, result.detail)
        Console().print(table)
    if arguments.readme:
        write_readme([as_row(result) for result in results])
    return 0 if all(result.holds for result in results) else 1


def as_dict(result: object) -> dict[str, object]:
    """A measure as JSON: name, ratio, goal, holds and more."""
    names = ("name", "ratio", "goal", "at_most", "unit", "detail", "holds")
    return {name: getattr(result, name) for name in names}


def figure(result: object) -> str:
    """The measured figure with its unit."""
    return f"{result.ratio:.3g} {result.unit}".strip()  # type: ignore[attr-defined]


def goal(result: object) -> str:
    """The goal in words."""
    bound = "at most" if result.at_most else "at least"  # type: ignore[attr-defined]
    return f"{bound} {result.goal:g} {result.unit}".strip()  # type: ignore[attr-defined]


def as_row(result: object) -> str:
    """One line of the README's table."""
    mark = "yes" if result.holds else "**no**"  # type: ignore[attr-defined]
    cells = (result.name, figure(result), goal(result), mark, result.detail)  # type: ignore[attr-defined]
    return "| " + " | ".join(cells) + " |"


def write_readme(rows: list[str]) -> None:
    """Replaces the table between the README's two marks."""
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    head = "| what | measured | goal | holds | behind it |\n| --- | --- | --- | --- | --- |"
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    table = "\n".join((head, *rows, "", f"Measured on {machine}."))
    README.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
