"""The pages about scenarios: a film, text from the Task's docstring, spaces, baselines."""

from __future__ import annotations

import inspect
import io
from collections.abc import Sequence
from pathlib import Path

from page_tables import table
from scenario_baselines import baselines
from scenario_spaces import spaces as spaces_section

import als_engine
from als_engine.cli.show import arguments_of
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import ScenarioSpec
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


FILMS = Path(__file__).parents[1] / "images" / "films"
"""What `make images` films: one for each scenario that comes with the engine."""


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
    roles, spaces = _looked_at(spec)
    facts = {
        "family": spec.family or "-",
        "avatars": f"{spec.num_avatars} ({spec.min_avatars} to {spec.max_avatars})",
        "roles": roles,
        "steps": f"at most {spec.max_episode_steps}",
    }
    return "\n".join(
        [
            f"# {spec.id}",
            "",
            first,
            "",
            *_film(spec),
            "",
            "```python",
            "import gymnasium as gym",
            "",
            f'env = gym.make("als_engine:{spec.id}")',
            "```",
            "",
            *table(list(facts), [list(facts.values())]),
            "",
            rest.strip(),
            "",
            "## All arguments",
            "",
            *table(("argument", "default", "of"), [_code(row) for row in _arguments(spec)]),
            "",
            "## Spaces",
            "",
            *spaces,
            "",
            "## Baselines",
            "",
            *baselines(spec),
            "## How to cite",
            "",
            *_citation(spec),
            "",
        ]
    )


def _film(spec: ScenarioSpec) -> list[str]:
    """The expert at play, or a picture where there is no film, as for scenarios of others."""
    name = name_of(spec)
    if not (FILMS / f"{name}.mp4").exists():
        return [f"![A level of {spec.id}]({name}.png)"]
    return [
        "<figure>",
        f'<video controls loop muted playsinline preload="none" poster="../{name}.png" '
        f'aria-label="The expert plays {spec.id}">',
        f'<source src="../../images/films/{name}.mp4" type="video/mp4">',
        "</video>",
        "<figcaption>The expert on a test level. Episodes of more than 30 seconds are shown at "
        f"twice their speed. <code>als play {spec.id} --agent expert</code> films it "
        "anew.</figcaption>",
        "</figure>",
    ]


def _looked_at(spec: ScenarioSpec) -> tuple[str, list[str]]:
    """The names of a scenario's roles, and the lines about its spaces."""
    simulation = simulate(spec, observers=None)
    try:
        return ", ".join(dict.fromkeys(simulation.roles)), spaces_section(simulation)
    finally:
        simulation.close()


def _citation(spec: ScenarioSpec) -> list[str]:
    """A record for BibTeX: the id carries the scenario's version, the engine has one of its own."""
    return [
        "Name the id with its version, the version of the engine, and the physics engine. Works",
        "that the scenario builds on are under References, where it has any.",
        "",
        "```bibtex",
        f"@software{{als_{name_of(spec).replace('-', '_')},",
        f"  title   = {{{spec.id}, a scenario of ALS Engine}},",
        "  author  = {{The ALS Engine contributors}},",
        f"  version = {{{als_engine.__version__}}},",
        "}",
        "```",
    ]


def index(specs: Sequence[ScenarioSpec]) -> str:
    """The page that lists all scenarios, as cards by family."""
    parts = ["# Scenarios", ""]
    families = dict.fromkeys(spec.family for spec in specs)
    for family in families:
        parts += [
            f"## {(family or 'Others').capitalize()}",
            "",
            '<div class="grid cards" markdown>',
        ]
        for spec in specs:
            if spec.family == family:
                name = name_of(spec)
                parts += ["", f"- [![{spec.id}]({name}.png)]({name}.md)", ""]
                parts += [f"    **[{spec.id}]({name}.md)**", "", f"    {spec.summary}"]
        parts += ["", "</div>", ""]
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
