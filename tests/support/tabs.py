"""Open pages of a served world, in a Chromium without a window."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import browser as looking
import pytest
from serving import BROWSER, Served, until

from als_engine.system.browser import find_chromium

__all__ = ["Tab", "chromium", "tab"]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if find_chromium() is None:
        looking.not_looked_at("there is no Chromium to look at the page with")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as started:
        found = started.chromium.launch(executable_path=str(find_chromium()), args=BROWSER)
        yield found
        found.close()


class Tab:
    """An open page; what it asks for elsewhere, and what stands on its console, is kept."""

    def __init__(self, chromium: Any, world: Served, **options: Any) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        options.setdefault("viewport", {"width": 800, "height": 450})
        self.view = chromium.new_page(**options)
        self.view.on("console", lambda message: self.said.append(message.text))
        self.view.on("pageerror", lambda error: self.said.append(str(error)))
        self.view.on("request", lambda request: self.asked.append(request.url))
        self.view.set_default_timeout(60_000)
        self.view.goto(f"http://127.0.0.1:{world.server.port}/?token={world.token()}")
        self.wait("window.als && als.pictures > 0 && als.link.get('clock')")

    def value(self, code: str) -> Any:
        return self.view.evaluate(code)

    def wait(self, code: str) -> None:
        until(lambda: self.value(f"Boolean({code})"), 60.0)

    def board(self, key: str) -> Any:
        return self.value(f"als.link.get({key!r}) ?? null")

    def join(self, avatar: int, name: str) -> None:
        self.value(f"document.getElementById('name').value = {name!r}")
        self.wait(f"document.querySelectorAll('#seats button').length > {avatar}")
        self.view.evaluate(f"document.querySelectorAll('#seats button')[{avatar}].click()")
        self.wait(f"als.link.get('seat.{avatar}').person === {name!r}")


@contextmanager
def tab(chromium: Any, world: Served, **options: Any) -> Iterator[Tab]:
    found = Tab(chromium, world, **options)
    try:
        yield found
        assert found.said == []
        assert {url.split("/")[2] for url in found.asked} == {f"127.0.0.1:{world.server.port}"}
    finally:
        found.view.close()
