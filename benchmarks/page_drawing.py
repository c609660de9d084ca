"""Measures how long the page of `als serve` takes to draw a picture, beside the page of a commit.

    python benchmarks/page_drawing.py 0374a5e [ALS/World-v0 ...]

Both pages show the same world, draw by turns, and refresh shadows for every third picture, as they
do when things move. Pixels are read back, so that a picture is whole when the clock is looked at.
Times of a busy machine say little; their ratio says more.
"""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from als_engine.system.browser import find_chromium

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from serving import BROWSER, Served  # noqa: E402 - it lies in the folder of a line before.

from als_plugins.serve import app  # noqa: E402

PAGE = "plugins/als_plugins/serve/page"
DRAW = """() => {
  const { scene } = als, { renderer } = scene, gl = renderer.getContext();
  const pixel = new Uint8Array(4);
  scene.adapt = () => 0;
  scene.fineness = 1;
  scene.size = [0, 0];
  scene.fit();
  return [0, 1, 2, 3, 4, 5, 6].map((i) => {
    renderer.shadowMap.needsUpdate = i % 3 === 0;
    const began = performance.now();
    renderer.render(scene.scene, scene.camera);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    return performance.now() - began;
  }).slice(1);
}"""


def page_of(commit: str) -> dict[str, tuple[str, bytes]]:
    """The page's files as they were in a commit."""
    packed = subprocess.run(
        ["git", "archive", commit, PAGE], cwd=ROOT, check=True, capture_output=True
    ).stdout
    found = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        for member in files:
            ending = member.name.rpartition(".")[2]
            if member.isfile() and ending in app._TYPES:
                content = files.extractfile(member).read()
                name = member.name.removeprefix(f"{PAGE}/")
                found[name] = (app._TYPES[ending], gzip.compress(content, 1, mtime=0))
    return found


def opened(browser: Any, world: Served) -> Any:
    """A page that has drawn something."""
    view = browser.new_page(viewport={"width": 800, "height": 450})
    view.set_default_timeout(120_000)
    view.goto(f"http://127.0.0.1:{world.server.port}/?token={world.token()}")
    while not view.evaluate("Boolean(window.als && als.pictures > 0 && als.link.get('clock'))"):
        time.sleep(0.1)
    return view


def compare(browser: Any, scenario: str, commit: str) -> None:
    now, worlds = app.page_files, []
    arguments = {"num_avatars": 8}
    for files in (lambda: page_of(commit), now):
        app.page_files = files
        worlds.append(Served(scenario, arguments=arguments, paused=True))
    app.page_files = now
    views = [opened(browser, world) for world in worlds]
    times: list[list[float]] = [[], []]
    for _ in range(6):
        for view, own in zip(views, times, strict=True):
            view.bring_to_front()
            own += view.evaluate(DRAW)
    calls = [view.evaluate("als.scene.renderer.info.render.triangles") for view in views]
    least, typical = np.min(times, axis=1), np.median(times, axis=1)
    print(
        f"{scenario}, 8 avatars, 800 x 450: {typical[0]:.0f} ms at {commit}, {typical[1]:.0f} ms "
        f"now (1 / {typical[0] / typical[1]:.1f}); at best {least[0]:.0f} and {least[1]:.0f} ms "
        f"(1 / {least[0] / least[1]:.1f}); {calls[0]} and {calls[1]} triangles"
    )
    for view, world in zip(views, worlds, strict=True):
        view.close()
        world.close()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(f"{__doc__}\nname a commit to compare with")
    with sync_playwright() as playwright:
        chosen = playwright.chromium.launch(executable_path=str(find_chromium()), args=BROWSER)
        for each in sys.argv[2:] or ["ALS/Tag-v0", "ALS/World-v0"]:
            compare(chosen, each, sys.argv[1])
        chosen.close()
