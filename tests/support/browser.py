"""Pages as people see them: Chromium without a window, what a page asks for, and contrast."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from get_browser import EXCUSE, OPTIONS

from als_engine.system.browser import find_chromium


def chromium() -> Iterator[Any]:
    """A running Chromium; what depends on it is skipped, or fails, where there is none."""
    found = find_chromium()
    if found is None:
        not_looked_at("there is no Chromium to look at the page with")
    try:
        from playwright import sync_api
    except ImportError as error:
        not_looked_at(f"playwright is not installed ({error})")
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(found), args=OPTIONS)
        yield browser
        browser.close()


def not_looked_at(reason: str, excuse: Path = EXCUSE) -> NoReturn:
    """Skips a test of a page. In CI it fails, unless `get_browser` has tried in vain."""
    why = excuse.read_text(encoding="utf-8") if excuse.exists() else ""
    if (os.environ.get("CI") or os.environ.get("ALS_CI")) and not why:
        pytest.fail(f"{reason}: `make test` installs one")
    pytest.skip(f"{reason}: {why}" if why else reason)


class Page:
    """An open page, and what it did.

    Attributes:
        view: playwright's page.
        asked: addresses that it asked for, all but those of files and data, which are let through.
        said: what stands on its console.
    """

    def __init__(self, view: Any) -> None:
        self.view = view
        self.asked: list[str] = []
        self.said: list[str] = []
        view.on("console", lambda message: self.said.append(message.text))
        view.on("pageerror", lambda error: self.said.append(str(error)))
        view.route("**/*", self._let_through)

    def _let_through(self, route: Any) -> None:
        if route.request.url.startswith(("file:", "data:")):
            route.continue_()
        else:
            self.asked.append(route.request.url)
            route.abort()


@contextmanager
def opened(browser: Any, file: Path, **options: Any) -> Iterator[Page]:
    """A file as a page."""
    view = browser.new_page(**options)
    try:
        page = Page(view)
        view.goto(file.as_uri())
        yield page
    finally:
        view.close()


def contrast(one: str, other: str) -> float:
    """The ratio of two colours' luminances, as WCAG 2.1 defines it."""
    lights = sorted(map(_luminance, (one, other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(color: str) -> float:
    channels = np.array([int(c) for c in re.findall(r"\d+", color)[:3]]) / 255
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
