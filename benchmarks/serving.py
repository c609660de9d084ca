"""Measures `als serve`: pictures, key to motion, the page's weight, and what spectators cost.

    python benchmarks/serving.py [pictures] [keys] [weight] [spectators]

Times of a busy machine say little, so each is given beside the processor time that it took.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import sync_playwright

from als_engine.system.browser import find_chromium

OPTIONS = [
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox",
    "--disable-background-networking",
]  # fmt: skip
SIZE = {"width": 800, "height": 450}
KEY = """async () => {
  const avatar = als.things.avatar(0), view = document.getElementById("view");
  const rest = () => new Promise((done) => setTimeout(done, 700 + 200 * Math.random()));
  const times = [], messages = [];
  for (let i = 0; i < 25; i++) {
    await rest();
    const code = i % 2 ? "KeyD" : "KeyA", heading = avatar.heading, at = performance.now();
    const pose = als.link.get("pose.avatar0"), take = als.link.on.changed;
    let heard = null;
    als.link.on.changed = () => {
      if (als.link.get("pose.avatar0") !== pose) heard ??= performance.now() - at;
      take();
    };
    dispatchEvent(new KeyboardEvent("keydown", { code }));
    while (Math.abs(avatar.heading - heading) < 1e-4 && performance.now() - at < 5000) {
      await new Promise((done) => requestAnimationFrame(done));
    }
    times.push(performance.now() - at);
    if (heard !== null) messages.push(heard);
    als.link.on.changed = take;
    dispatchEvent(new KeyboardEvent("keyup", { code }));
  }
  return [times, messages];
}"""
SPECTATE = """
import sys, urllib.request
from http.cookiejar import CookieJar
from websockets.sync.client import connect
jar = CookieJar()
urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar)).open(sys.argv[1]).close()
cookie = {"Cookie": "; ".join(f"{each.name}={each.value}" for each in jar)}
place = sys.argv[1].partition("/?")[0].replace("http", "ws", 1) + "/socket"
import threading
def watch():
    with connect(place, subprotocols=["als.v1.json"], additional_headers=cookie) as socket:
        for message in socket:
            pass
threads = [threading.Thread(target=watch, daemon=True) for _ in range(int(sys.argv[2]))]
for thread in threads: thread.start()
print("ready", flush=True)
sys.stdin.read()
"""
SERVE = "from als_engine.cli import main; main()"


@contextmanager
def served(*words: str) -> Iterator[tuple[str, psutil.Process]]:
    """Runs `als serve`; yields the address and the process."""
    command = [sys.executable, "-c", SERVE, "serve", *words, "--no-open", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as server:
        assert server.stdout is not None
        try:
            address = next(m[0] for line in server.stdout if (m := re.search(r"http://\S+", line)))
            yield address, psutil.Process(server.pid)
        finally:  # Else what has gone wrong is never told: the server goes on.
            server.terminate()


@contextmanager
def page(address: str) -> Iterator[Any]:
    with sync_playwright() as playwright:
        path = str(find_chromium())
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        view = browser.new_page(viewport=SIZE)
        view.goto(address)
        wait(view, "window.als && als.pictures > 0 && als.link.get('clock')")
        yield view
        browser.close()


def wait(view: Any, code: str) -> None:
    end = time.monotonic() + 120
    while not view.evaluate(f"Boolean({code})"):
        assert time.monotonic() < end, code
        time.sleep(0.05)


def of_browser() -> float:
    """Processor seconds of the browser's processes so far."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            if "chrom" in child.name():
                times = child.cpu_times()
                total += times.user + times.system
        except psutil.Error:
            continue
    return total


def pictures() -> None:
    words = ["ALS/Tag-v0", "--arg", "num_avatars=8", "--arg", "max_episode_steps=100000"]
    with served(*words) as (address, _), page(address) as view:
        time.sleep(8)  # Until the page has found the fineness that it can keep.
        before, at, spent = view.evaluate("als.pictures"), time.perf_counter(), of_browser()
        time.sleep(12)
        count = view.evaluate("als.pictures") - before
        seconds, spent = time.perf_counter() - at, of_browser() - spent
        fineness = view.evaluate("als.scene.fineness")
    print(
        f"pictures: {count / seconds:.1f} a second of {SIZE['width']} x {SIZE['height']} at "
        f"fineness {fineness:.2f}; {1000 * spent / max(count, 1):.0f} ms of processor time "
        f"each, so {2 * count / spent:.0f} a second on two free cores"
    )


def keys() -> None:
    words = ["ALS/Tag-v0", "--arg", "max_episode_steps=100000"]
    with served(*words) as (address, _), page(address) as view:
        view.evaluate("document.querySelector('#seats button').click()")
        wait(view, "document.body.classList.contains('playing')")
        for _ in range(25):
            view.evaluate("als.link.ping()")
            time.sleep(0.05)
        shown, heard = map(np.array, view.evaluate(KEY))
        trips = np.array(view.evaluate("als.link.roundTrips"))
    for name, times in (
        ("key to the picture that moves", shown),
        ("key to the message that moves it", heard),
        ("there and back without a world", trips),
    ):
        late = np.percentile(times, 95)
        print(f"{name}: median {np.median(times):.0f} ms, 95th percentile {late:.0f} ms")


def weight() -> None:
    sizes = (
        "performance.getEntriesByType('resource')"
        ".map((one) => [one.transferSize, one.decodedBodySize])"
    )
    with served("ALS/Tour-v0") as (address, _), page(address) as view:
        found = np.array(view.evaluate(sizes))
        shown = view.evaluate("performance.getEntriesByType('paint')[0].startTime")
    print(
        f"weight: {found[:, 0].sum() / 1e3:.0f} kB sent, {found[:, 1].sum() / 1e3:.0f} kB "
        f"unpacked; something is shown after {shown / 1e3:.2f} s"
    )


def spectators() -> None:
    cost = {}
    for count in (1, 21):
        with served("ALS/Tag-v0", "--arg", "num_avatars=8") as (address, process):
            command = [sys.executable, "-c", SPECTATE, address, str(count)]
            with subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
            ) as watching:
                watching.stdout.readline()
                time.sleep(3)
                before, at = process.cpu_times(), time.perf_counter()
                time.sleep(10)
                after, seconds = process.cpu_times(), time.perf_counter() - at
                watching.stdin.close()
                watching.kill()
        spent = after.user + after.system - before.user - before.system
        cost[count] = 100 * spent / seconds
    one, many = cost[1], cost[21]
    print(f"spectators: the server takes {one:.1f} % of a core for one, {many:.1f} % for 21")


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["pictures", "keys", "weight", "spectators"]
    for each in (pictures, keys, weight, spectators):
        if each.__name__ in wanted:
            each()
