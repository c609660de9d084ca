"""Draws the leaderboard of `als bench run core`: `docs/images/board.png`.

    python docs/scripts/board_image.py

Needs Chromium, which playwright finds by itself: `playwright install chromium`.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from als_bench.board.pages import write_board
from als_bench.results.store import Store
from als_bench.standings import read_standings

BASELINES = Path("runs") / "core.sqlite"
IMAGE = Path(__file__).parents[1] / "images" / "board.png"
SIZE = {"width": 1_000, "height": 690}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        board = Path(folder) / "board"
        with Store(BASELINES) as store:
            write_board(board, store, read_standings(store), films=False)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto((board / "index.html").as_uri())
        page.screenshot(path=IMAGE)
        browser.close()
    print(IMAGE, f"{IMAGE.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
