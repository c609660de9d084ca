"""Films the expert in every scenario, for the scenarios' pages: a part of `make images`.

    python docs/scripts/scenario_films.py [ALS/Tag-v0 ...]

`als play ID --agent expert` films the same first episode; here it is packed more tightly, since
films lie in the repository.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from fractions import Fraction
from itertools import count, islice
from pathlib import Path

import av
import scenario_pages

from als_engine.agents.saving import open_agent
from als_engine.evaluation.film import FRAMES_PER_SECOND, HEIGHT, WIDTH, Film
from als_engine.plugins.registry import registry
from als_engine.render.video import Picture
from als_engine.seeding import spread
from als_engine.simulation import simulate
from als_engine.system.files import replacing

SHORT = 100
"""Frames below which another episode follows."""

LONG = 450
"""Frames above which a film has every second one, and so is twice as fast as the world."""

QUALITY = {"crf": "31", "preset": "slow", "tune": "animation"}
"""Of x264: captions stay readable, and 40 seconds of a whole town stay below 150 kB."""


def frames(scenario: str) -> list[Picture]:
    """Episodes of test levels, as the expert plays them, with captions."""
    opened = open_agent("expert", scenario)
    arguments = {**opened.arguments, "split": "test"}
    world = simulate(scenario, 1, opened.observers, **arguments)
    try:
        film = Film(world, opened.agent, show=("captions",))
        shot: list[Picture] = []
        for episode in count():
            shot += film.episodes([spread("playing", 0, episode)])
            if len(shot) >= SHORT:
                break
        return shot
    finally:
        world.close()


def write(path: Path, pictures: Iterable[Picture]) -> None:
    """Writes an MP4 that begins to play before it is loaded."""
    with (
        replacing(path) as temporary,
        av.open(str(temporary), "w", format="mp4", options={"movflags": "faststart"}) as file,
    ):
        stream = file.add_stream("libx264", rate=Fraction(FRAMES_PER_SECOND))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = QUALITY
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        file.mux(stream.encode())


def main() -> None:
    """Writes the films of the scenarios that are named, or of all that come with the engine."""
    ours = [spec for spec in registry.scenarios() if spec.id.startswith("ALS/")]
    wanted = [spec for spec in ours if spec.id in (sys.argv[1:] or [each.id for each in ours])]
    for spec in wanted:
        path = scenario_pages.FILMS / f"{scenario_pages.name_of(spec)}.mp4"
        shot = frames(spec.id)
        speed = 1 if len(shot) <= LONG else 2
        write(path, islice(shot, 0, None, speed))
        print(f"{path.name:20}{len(shot):6} frames {path.stat().st_size / 1e3:6.0f} kB", flush=True)


if __name__ == "__main__":
    main()
