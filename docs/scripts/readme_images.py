"""Draws the pictures of the README, after `make quickstart`: `make images`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import ceil
from pathlib import Path

import numpy as np
import scenario_pages
from PIL import Image

from als_engine.agents.saving import open_agent
from als_engine.evaluation.film import Film
from als_engine.plugins.registry import registry
from als_engine.render.video import Picture, write_video
from als_engine.simulation import simulate

IMAGES = Path(__file__).parents[1] / "images"
TRAINED = Path("quickstart-report/agent")
FRAMES = 150
SIZE = (320, 240)
COLUMNS, SMALL = 7, (140, 105)
"""Of the film in which all scenarios are played beside one another."""


def at_play(
    reference: str, scenario: str, seed: int, size: tuple[int, int] = SIZE
) -> Iterator[Picture]:
    """Small pictures of an agent, episode after episode, for as long as they are wanted."""
    opened = open_agent(reference, scenario)
    arguments = {**opened.arguments, "split": "test"}
    film = Film(simulate(scenario, 1, opened.observers, **arguments), opened.agent)
    for frame in film.episodes(range(seed, seed + 1_000)):
        small = Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)
        yield np.asarray(small)


def all_worlds() -> Iterator[Picture]:
    """Every bundled scenario, side by side, as its expert plays it."""
    ours = [spec.id for spec in registry.scenarios() if spec.id.startswith("ALS/")]
    films = [at_play("expert", each, 3, SMALL) for each in ours]
    rows = ceil(len(films) / COLUMNS)
    width, height = SMALL
    for _ in range(FRAMES):
        sheet = np.full((rows * height, COLUMNS * width, 3), 255, np.uint8)
        for i, film in enumerate(films):
            y, x = i // COLUMNS * height, i % COLUMNS * width
            sheet[y : y + height, x : x + width] = next(film)
        yield sheet


def main() -> None:
    """Writes everything."""
    for spec in registry.scenarios():
        path = IMAGES / f"{scenario_pages.name_of(spec)}.png"
        path.write_bytes(scenario_pages.picture(spec, width=SIZE[0]))
    write_video(IMAGES / "worlds.gif", all_worlds())
    if TRAINED.is_dir():
        trained = at_play(str(TRAINED), "ALS/Tag-v0", seed=0)
        write_video(IMAGES / "trained.gif", islice(trained, FRAMES))
    for path in sorted(IMAGES.iterdir()):
        print(f"{path.name:24}{path.stat().st_size / 1e3:8.0f} kB")


if __name__ == "__main__":
    main()
