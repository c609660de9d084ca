"""Called by mkdocs while it builds: adds what is generated, which so never lies in the tree."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

# mkdocs loads this file by its path; its neighbours are found beside it.
sys.path.insert(0, str(Path(__file__).parent))

import cli_page
import points_page
import reference_pages
import scenario_pages

from als_engine.plugins.registry import registry


def on_config(config: Any) -> Any:
    """Puts the tutorial after the first page, where there is one."""
    if (Path(config.docs_dir) / "tutorial.md").exists() and "tutorial.md" not in str(config.nav):
        config.nav.insert(1, {"Tutorial": "tutorial.md"})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Adds a page and a picture for each scenario, and the reference of the API."""
    specs = registry.scenarios()
    made: dict[str, str | bytes] = {"scenarios/index.md": scenario_pages.index(specs)}
    for spec in specs:
        name = scenario_pages.name_of(spec)
        made[f"scenarios/{name}.md"] = scenario_pages.page(spec)
        made[f"scenarios/{name}.png"] = scenario_pages.picture(spec)
    made |= reference_pages.pages()
    for path, content in made.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fills in the references of the commands and of the points that are checked."""
    return points_page.insert_points(cli_page.insert_commands(markdown))
