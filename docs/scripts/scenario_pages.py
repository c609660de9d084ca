"""The pages about scenarios: text from each Task's docstring, a picture from the camera."""

from __future__ import annotations

import inspect
import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import als_engine
from als_bench.suites import read_suites
from als_engine.cli.show import arguments_of, spaces_of
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import ScenarioSpec, SuiteSpec
from als_engine.simulation import simulate

SECTIONS = (
    "Description",
    "Observations",
    "Actions",
    "Rewards",
    "Episode end",
    "Arguments",
    "Metrics",
    "Version history",
)
"""What the docstring of every scenario has, in this order."""


def name_of(spec: ScenarioSpec) -> str:
    """`ALS/Tag-v0` as `tag-v0`, or `acme-tag-v0` for somebody else's."""
    namespace, _, name = spec.id.partition("/")
    return name.lower() if namespace == "ALS" else f"{namespace}-{name}".lower()


def docstring(spec: ScenarioSpec) -> str:
    """The Markdown in a scenario's docstring."""
    return inspect.getdoc(registry.load(spec)) or ""


def sections(text: str) -> list[str]:
    """The titles of a docstring's sections."""
    return [line[3:].strip() for line in text.splitlines() if line.startswith("## ")]


def page(spec: ScenarioSpec) -> str:
    """One scenario's page as Markdown."""
    first, _, rest = docstring(spec).partition("\n")
    spaces, rules = _looked_at(spec)
    facts = {
        "Family": spec.family or "-",
        "Avatars": f"{spec.num_avatars} ({spec.min_avatars} to {spec.max_avatars})",
        "Steps": f"at most {spec.max_episode_steps}",
    }
    name = name_of(spec)
    return "\n".join(
        [
            f"# {spec.id}",
            "",
            first,
            "",
            f"![A level of {spec.id}]({name}.png)",
            "",
            "```python",
            "import gymnasium as gym",
            "",
            f'env = gym.make("als_engine:{spec.id}")',
            "```",
            "",
            *_table(("", ""), list(facts.items())),
            "",
            rest.strip(),
            "",
            "## All arguments",
            "",
            *_table(("argument", "default", "of"), [_code(row) for row in _arguments(spec)]),
            "",
            "## Spaces",
            "",
            "Of avatar 0; sensors that are not on by default are asked for with `sensors=[...]`.",
            "",
            *_table(("name", "on", "space"), [(f"`{row[0]}`", *row[1:]) for row in spaces]),
            "",
            "## Baselines",
            "",
            *_baselines(spec, rules),
            "",
            "## How to cite",
            "",
            *_citation(spec),
            "",
        ]
    )


def _looked_at(spec: ScenarioSpec) -> tuple[list[tuple[str, str, str]], list[str]]:
    """The spaces of a scenario, and the names of its rules."""
    simulation = simulate(spec.id)
    try:
        return spaces_of(simulation), list(simulation.task.heuristics())
    finally:
        simulation.close()


@cache
def _suites() -> list[SuiteSpec]:
    return read_suites(Path(__file__).parents[2] / "benchmarks" / "suites")


def _baselines(spec: ScenarioSpec, rules: Sequence[str]) -> list[str]:
    """What random actions and the expert earn, as the suites have frozen it, and the rules."""
    found: dict[tuple[str, ...], list[str]] = {}
    for suite in _suites():
        for entry in suite.entries:
            if entry.scenario == spec.id and entry.random is not None:
                given = {**entry.arguments, **entry.held_out}
                said = ", ".join(f"`{name}={value!r}`" for name, value in given.items())
                row = (entry.name, said, f"{entry.random:.2f}", f"{entry.expert:.2f}")
                found.setdefault(row, []).append(f"`{suite.id}`")
    head = ("entry", "arguments", "random", "expert", "suites")
    lines = ["Mean returns on held-out levels, frozen in the suites for this version:", ""]
    lines += _table(head, [(*row, ", ".join(suites)) for row, suites in found.items()])
    if rules:
        first, *more = rules
        others = f" (also `heuristic:rule=` {', '.join(f'`{rule}`' for rule in more)})"
        lines += [
            "",
            f"A simple rule of the field: `{first}`{others if more else ''}. What it earns says",
            "",
            "```text",
            f"als evaluate heuristic --on {spec.id}",
            "```",
        ]
    return lines


def _citation(spec: ScenarioSpec) -> list[str]:
    """A record for BibTeX: the id carries the scenario's version, the engine has one of its own."""
    return [
        "Name the id with its version, the version of the engine, and the physics engine. Works",
        "that the scenario builds on are under References, where it has any.",
        "",
        "```text",
        f"@software{{als_{name_of(spec).replace('-', '_')},",
        f"  title   = {{{spec.id}, a scenario of ALS Engine}},",
        "  author  = {{The ALS Engine contributors}},",
        f"  version = {{{als_engine.__version__}}},",
        "}",
        "```",
    ]


def index(specs: Sequence[ScenarioSpec]) -> str:
    """The page that lists all scenarios."""
    parts = ["# Scenarios", ""]
    for spec in specs:
        name = name_of(spec)
        link = f"{name}.md"
        parts += [f"## [{spec.id}]({link})", "", spec.summary, ""]
        parts += [f"[![{spec.id}]({name}.png){{ width=480 }}]({link})", ""]
    return "\n".join(parts)


def picture(spec: ScenarioSpec, level: int = 0, width: int = 640) -> bytes:
    """A PNG of one level, always the same."""
    from PIL import Image

    simulation = simulate(spec.id, level=level)
    try:
        simulation.reset([0])
        image = Image.fromarray(simulation.render())
    finally:
        simulation.close()
    image = image.resize((width, width * image.height // image.width), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    # 256 colours are enough for worlds of flat surfaces, and a third of the bytes.
    image.quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _arguments(spec: ScenarioSpec) -> list[tuple[str, str, str]]:
    return list(arguments_of(spec, registry.load(spec)))


def _code(row: tuple[str, str, str]) -> tuple[str, str, str]:
    return f"`{row[0]}`", f"`{row[1]}`", row[2]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
