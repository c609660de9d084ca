"""Draws the pictures of `docs/serving.md`: pages of `als serve` in a Chromium.

    python docs/scripts/serving_images.py

Needs Chromium, which playwright finds by itself: `playwright install chromium`.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from als_engine.system.browser import find_chromium

IMAGES = Path(__file__).parents[1] / "images"
OPTIONS = [
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox",
    "--disable-background-networking",
]  # fmt: skip
SIZE = {"width": 1_180, "height": 700}


@contextmanager
def served(*words: str) -> Iterator[str]:
    """Runs `als serve`; yields the address."""
    command = [sys.executable, "-c", "from als_engine.cli import main; main()", "serve", *words]
    command += ["--no-open", "--port", "0", "--paused"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as server:
        assert server.stdout is not None
        yield next(m[0] for line in server.stdout if (m := re.search(r"http://\S+", line)))
        server.terminate()


def wait(page: Any, code: str) -> None:
    """Waits until something is true on the page."""
    end = time.monotonic() + 120
    while not page.evaluate(f"Boolean({code})"):
        assert time.monotonic() < end, code
        time.sleep(0.1)


def until_step(page: Any, step: int) -> None:
    """Lets the world run up to a step."""
    page.evaluate("als.link.send('pace', {paused: false, speed: 2.0})")
    wait(page, f"als.link.get('step') >= {step}")
    page.evaluate("als.link.send('pace', {paused: true})")
    pictures = page.evaluate("als.pictures")
    page.evaluate("als.scene.adapt = () => 0")
    page.evaluate("als.scene.fineness = 1; als.scene.size = [0, 0]")
    wait(page, f"als.pictures > {pictures} && als.link.get('clock').paused")
    time.sleep(1.0)


def join(page: Any) -> None:
    page.fill("#name", "Ann")
    page.evaluate("document.querySelector('#seats button').click()")
    wait(page, "document.body.classList.contains('playing')")


def watch_meeting(page: Any) -> None:
    until_step(page, 400)


def play_tag(page: Any) -> None:
    join(page)
    until_step(page, 30)


def teach(page: Any) -> None:
    until_step(page, 140)
    join(page)
    page.evaluate("document.querySelector('#palette button.verb').click()")
    until_step(page, 150)


def main() -> None:
    jobs: list[tuple[str, list[str], Callable[[Any], None]]] = [
        ("serving-meeting", ["ALS/Meeting-v0", "--level", "5210"], watch_meeting),
        ("serving-tag", ["ALS/Tag-v0", "--arg", "num_avatars=6", "--level", "5388"], play_tag),
        ("serving-tutor", ["ALS/Tutor-v0", "--level", "5210"], teach),
    ]
    with sync_playwright() as playwright:
        path = str(find_chromium())
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        for name, words, act in jobs:
            with served(*words) as address:
                page = browser.new_page(viewport=SIZE)
                page.goto(address)
                wait(page, "window.als && als.pictures > 0 && als.link.get('clock')")
                act(page)
                picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
                page.close()
            file = IMAGES / f"{name}.png"
            picture.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
            print(file, f"{file.stat().st_size / 1e3:.0f} kB")
        browser.close()


if __name__ == "__main__":
    main()
