"""What corrections in the page are worth: simulated persons teach tag, beside learning alone.

    python benchmarks/teaching.py            five persons, one after the other
    python benchmarks/teaching.py --seeds 1  one
    python benchmarks/teaching.py --table    prints what is in results/teaching

A person is a program that plays through the same messages as the page. It sees where the avatars
are, aims at the other one with an error of some degrees, and knows no more: it takes over for three
seconds, lets the agent go on for one and a half, and again; after every 500 steps that were shown
the agent learns. Beside it `mappo` learns from rewards alone, in trainings of more and more steps:
the first of them that does as well on validation levels says how many steps the person has saved.
Returns are of test levels. A show runs in real time, so another run differs a little.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from trainings import make_missing, whole
from transfer import over_seeds
from websockets.sync.client import ClientConnection, connect

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "teaching"
SCENARIO = "ALS/Tag-v0"
ARGUMENTS = {"sensors": ["entities", "proprioception"], "action_mode": "discrete"}
SEEDS = 5
SHOWN = (500, 1_000, 1_500)
"""Steps that have been shown whenever the agent learns."""
ALONE = (5_000, 10_000, 20_000, 40_000, 80_000)
"""Steps of the trainings without a person."""
ERROR = math.radians(15)
EPISODES = 100
SERVE = "from als_engine.cli import main; main()"


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS, help="persons, and trainings beside")
    parser.add_argument("--table", action="store_true", help="print what is there")
    options = parser.parse_args()
    if not options.table:
        for seed in range(options.seeds):
            make_missing(RESULTS / f"{seed}.json", f"person {seed}", partial(result, seed))
    print_table()
    return 0


def result(seed: int, show: Any) -> dict[str, Any]:
    """What one person has taught, and what learning alone comes to."""
    from als_engine.agents.saving import (
        AgentRecord,
        load_agent,
        make_agent,
        save_agent,
        versions,
    )
    from als_engine.agents.training import train_agent

    taught = []
    with tempfile.TemporaryDirectory() as folder:
        beginner, lessons = Path(folder) / "beginner", Path(folder) / "lessons"
        agent = make_agent("mappo", SCENARIO, ARGUMENTS, {})
        save_agent(
            agent, beginner, AgentRecord(agent="mappo", scenario=SCENARIO, arguments=ARGUMENTS)
        )
        for number, shown in enumerate(teach(beginner, lessons, seed), start=1):
            agent = load_agent(lessons / "agents" / f"{number:04d}")[0]
            taught.append({"shown": shown, **returns(agent)})
    alone = []
    for steps in ALONE:
        trained = train_agent(
            SCENARIO, "mappo", steps=steps, worlds=32, seed=seed, arguments=ARGUMENTS,
            on_progress=show,
        )  # fmt: skip
        whole(trained, steps)
        alone.append({"steps": steps, **returns(trained.agent)})
        if alone[-1]["validation"] >= taught[-1]["validation"]:
            break
    return {
        "command": f"python benchmarks/teaching.py --seeds {seed + 1}",
        "taught": taught,
        "alone": alone,
        "versions": versions(),
    }


def returns(agent: Any) -> dict[str, float]:
    """Mean returns on validation and on test levels."""
    from als_engine.evaluation.protocol import evaluate

    found = {}
    for split in ("validation", "test"):
        played = evaluate(agent, SCENARIO, EPISODES, seed=0, split=split, arguments=ARGUMENTS)
        found[split] = round(float(played.returns.mean()), 3)
    return found


def teach(agent: Path, lessons: Path, seed: int) -> list[int]:
    """Lets a person teach; returns how many steps were shown each time that the agent has learnt.

    All of it at once: who stops reading for a while acts on what was there before.
    """
    shown = []
    rng = np.random.default_rng(seed)
    with served(agent, lessons, seed) as address, Person(address) as person:
        person.send("consent", agree=True)
        for learnt, enough in enumerate(SHOWN, start=1):
            while person.board["teaching"]["corrected"] < enough:
                person.send("join", avatar=0, name="")
                person.for_steps(45, lambda: chase(person, rng))
                person.send("leave")
                person.for_steps(22, lambda: None)
            person.send("learn")
            person.until(partial(has_learnt, person, learnt))
            shown.append(int(person.board["teaching"]["corrected"]))
    return shown


def has_learnt(person: Person, number: int) -> bool:
    """Whether the agent has learnt so many times."""
    learnt = person.board["teaching"]["learnt"]
    return learnt is not None and learnt["name"] == f"{number:04d}"


def chase(person: Person, rng: np.random.Generator) -> None:
    """Walks towards the other avatar, more or less."""
    own, other = person.board.get("pose.avatar0"), person.board.get("pose.avatar1")
    if own and other:
        aim = math.atan2(other[1] - own[1], other[0] - own[0]) + rng.normal(0.0, ERROR)
        person.send("drive", forward=1.0, face=math.remainder(aim, math.tau))


@contextmanager
def served(agent: Path, lessons: Path, seed: int) -> Iterator[str]:
    """Runs `als serve --teach`; yields the address."""
    words = ["serve", str(agent), "--teach", str(lessons), "--seed", str(seed)]
    command = [sys.executable, "-c", SERVE, *words, "--no-open", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as server:
        assert server.stdout is not None
        try:
            yield next(m[0] for line in server.stdout if (m := re.search(r"http://\S+", line)))
        finally:  # Else what has gone wrong is never told: the server goes on.
            server.terminate()


class Person:
    """A client of the page's protocol.

    Attributes:
        board: keys and values, as they have come.
    """

    def __init__(self, address: str) -> None:
        """Exchanges the token in the address for a cookie, and connects."""
        jar = CookieJar()
        urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar)).open(address).close()
        cookie = {"Cookie": "; ".join(f"{each.name}={each.value}" for each in jar)}
        place = address.partition("/?")[0].replace("http", "ws", 1) + "/socket"
        self._socket: ClientConnection = connect(
            place, subprotocols=["als.v1.json"], additional_headers=cookie
        )
        self.board: dict[str, Any] = {}
        self._number = 0
        self.until(lambda: "teaching" in self.board)
        self.send("pace", speed=4.0)

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def send(self, kind: str, **fields: Any) -> None:
        """Says something."""
        self._number += 1
        self._socket.send(json.dumps({"n": self._number, "type": kind, **fields}))

    def for_steps(self, steps: int, act: Callable[[], None]) -> None:
        """Does something whenever something is seen, for so many steps of the world."""
        seen, last = 0, self.board.get("step")
        while seen < steps:
            self._read()
            now = self.board.get("step")
            if now is not None and now != last:
                seen += max(1, now - last) if last is not None else 1
                last = now
                act()

    def until(self, holds: Callable[[], bool]) -> None:
        """Reads until something holds."""
        end = time.monotonic() + 300
        while not holds():
            assert time.monotonic() < end, "it never came to hold"
            self._read()

    def _read(self) -> None:
        message = json.loads(self._socket.recv(timeout=120))
        if message["type"] == "refused":
            raise SystemExit(f"refused: {message['why']}")
        for key, value in message.get("values", {}).items():
            self.board[key] = value


def print_table() -> None:
    """Mean returns on test levels, and steps that a person has saved, in Markdown."""
    found = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))
    ]
    if not found:
        return
    print(f"| steps | return on test levels, {len(found)} seeds |")
    print("| --- | --- |")
    for i, enough in enumerate(SHOWN):
        scores = [one["taught"][i]["test"] for one in found]
        print(f"| {enough:,} shown by a person | {over_seeds(scores)} |")
    for i, steps in enumerate(ALONE):
        scores = [one["alone"][i]["test"] for one in found if len(one["alone"]) > i]
        if len(scores) == len(found):
            print(f"| {steps:,} alone | {over_seeds(scores)} |")
    needed = []
    for one in found:
        last = one["alone"][-1]
        well = last["validation"] >= one["taught"][-1]["validation"]
        needed.append(f"{last['steps']:,}" if well else f"more than {last['steps']:,}")
    print()
    print(f"Alone as well on validation levels after: {', '.join(needed)} steps.")


if __name__ == "__main__":
    sys.exit(main())
