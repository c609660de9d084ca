"""Draws the pictures of `docs/serving.md` and `docs/studies.md`: pages in a Chromium.

    python docs/scripts/serving_images.py              all of them
    python docs/scripts/serving_images.py serving-tag  one

Needs Chromium, which playwright finds by itself: `playwright install chromium`.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from als_engine.system.browser import find_chromium

IMAGES = Path(__file__).parents[1] / "images"
STUDY = Path(__file__).parents[1] / "examples" / "study.toml"
OPTIONS = [
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox",
    "--disable-background-networking",
]  # fmt: skip
SIZE = {"width": 1_180, "height": 700}


def als(*words: str) -> list[str]:
    """`als` as a command of its own process."""
    return [sys.executable, "-c", "from als_engine.cli import main; main()", *words]


@contextmanager
def served(*words: str) -> Iterator[str]:
    """Runs `als serve`, or `als study`; yields the address."""
    command = als(*words, "--no-open", "--port", "0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as server:
        assert server.stdout is not None
        try:
            yield next(m[0] for line in server.stdout if (m := re.search(r"http://\S+", line)))
        finally:
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
    wait(page, "als.link.get('clock').paused")
    sharpen(page)


def sharpen(page: Any) -> None:
    """Draws once more, as finely as it goes."""
    pictures = page.evaluate("als.pictures")
    page.evaluate("als.scene.adapt = () => 0")
    page.evaluate("als.scene.fineness = 1; als.scene.size = [0, 0]")
    wait(page, f"als.pictures > {pictures}")
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


def see_as_avatar(page: Any) -> None:
    join(page)
    page.evaluate("als.link.send('pace', {paused: false})")
    wait(page, "als.link.get('view') && als.link.get('step') >= 20")
    page.evaluate("als.link.send('pace', {paused: true})")
    time.sleep(1.0)


def watch_run(page: Any) -> None:
    wait(page, "(als.link.get('curve')?.steps.length ?? 0) >= 60 && als.link.get('step') > 20")
    page.evaluate("als.scene.adapt = () => 0")
    page.evaluate("als.scene.fineness = 1; als.scene.size = [0, 0]")
    time.sleep(1.5)


@contextmanager
def training(folder: Path) -> Iterator[None]:
    """A training that goes on."""
    words = ["--agent", "q-learning", "--sensors", "proprioception,entities", "--worlds", "4"]
    command = als("train", "ALS/Tag-v0", *words, "--steps", "9999999", "--out", str(folder))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while not (folder / "progress.csv").exists():
            assert run.poll() is None
            time.sleep(0.2)
        try:
            yield
        finally:
            run.terminate()


def correct(page: Any) -> None:
    page.click("#teach-agree")
    wait(page, "als.teach.name")
    until_step(page, 60)
    page.keyboard.press("g")
    page.keyboard.press("x")
    wait(page, "document.body.classList.contains('playing')")
    page.keyboard.down("w")
    until_step(page, 110)
    wait(page, "als.link.get('teaching').praised > 0")
    page.keyboard.up("w")


def wait_for_consent(page: Any) -> None:
    wait(page, "als.link.get('study').client === als.link.client")
    time.sleep(1.0)


def wait_for_questions(page: Any) -> None:
    """Stands still through the trials: the pictures are of what comes after."""
    wait_for_consent(page)
    while page.evaluate("als.link.get('study').phase") != "questions":
        at = page.evaluate("als.link.get('study').at")
        page.click("#study-go")
        wait(page, f"als.link.get('study').at > {at}")
    page.check("#study input[value='5']")
    time.sleep(1.0)


def main() -> None:
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        if not wanted or "serving-run" in wanted:
            stack.enter_context(training(Path(folder) / "tag"))
        draw(Path(folder), wanted)


def draw(folder: Path, wanted: list[str]) -> None:
    """Draws what was asked for, with results in a folder that is thrown away."""
    tag, tutor = ["serve", "ALS/Tag-v0", "--level", "5388"], ["serve", "ALS/Tutor-v0"]
    jobs: list[tuple[str, list[str], Callable[[Any], None]]] = [
        ("serving-meeting", ["serve", "ALS/Meeting-v0", "--level", "5210"], watch_meeting),
        ("serving-tag", [*tag, "--arg", "num_avatars=6"], play_tag),
        ("serving-tutor", [*tutor, "--level", "5210"], teach),
        ("serving-limited", [*tag, "--limited"], see_as_avatar),
        ("serving-run", ["serve", str(folder / "tag")], watch_run),
        ("serving-teach", [*tag, "--agent", "random", "--teach", str(folder / "lessons")], correct),
        ("study-consent", ["study", str(STUDY), "--out", str(folder / "study")], wait_for_consent),
        (
            "study-questions",
            ["study", str(STUDY), "--out", str(folder / "asked")],
            wait_for_questions,
        ),
    ]
    jobs = [job for job in jobs if not wanted or job[0] in wanted]
    with sync_playwright() as playwright:
        path = str(find_chromium())
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        for name, words, act in jobs:
            paused = ["--paused"] if words[0] == "serve" and name != "serving-run" else []
            with served(*words, *paused) as address:
                page = browser.new_page(viewport=SIZE)
                page.set_default_timeout(120_000)
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
