"""Draws the pictures of the README, after `make quickstart`: `make images`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
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


def at_play(reference: str, scenario: str, seed: int) -> Iterator[Picture]:
    """Small pictures of an agent, episode after episode, for as long as they are wanted."""
    opened = open_agent(reference, scenario)
    arguments = {**opened.arguments, "split": "test"}
    film = Film(simulate(scenario, 1, opened.observers, **arguments), opened.agent)
    for frame in film.episodes(range(seed, seed + 1_000)):
        small = Image.fromarray(frame).resize(SIZE, Image.Resampling.LANCZOS)
        yield np.asarray(small)


def four_worlds() -> Iterator[Picture]:
    """The first bundled scenario of each family, side by side."""
    ours = {spec.family: spec for spec in reversed(registry.scenarios()) if spec.id[:4] == "ALS/"}
    families = ("education", "game", "medical", "office")
    films = [at_play("expert", spec.id, seed=3) for spec in (ours[name] for name in families)]
    for _ in range(FRAMES):
        a, b, c, d = (next(film) for film in films)
        yield np.vstack([np.hstack([a, b]), np.hstack([c, d])])


def main() -> None:
    """Writes everything."""
    for spec in registry.scenarios():
        path = IMAGES / f"{scenario_pages.name_of(spec)}.png"
        path.write_bytes(scenario_pages.picture(spec, width=SIZE[0]))
    write_video(IMAGES / "worlds.gif", four_worlds())
    if TRAINED.is_dir():
        trained = at_play(str(TRAINED), "ALS/Tag-v0", seed=0)
        write_video(IMAGES / "trained.gif", islice(trained, FRAMES))
    for path in sorted(IMAGES.iterdir()):
        print(f"{path.name:24}{path.stat().st_size / 1e3:8.0f} kB")


if __name__ == "__main__":
    main()
