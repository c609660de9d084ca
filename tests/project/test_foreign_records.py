"""Any value anywhere in a file from somebody else: it is used, or one line says what is wrong."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from als_command import als
from learn_worlds import ID, learn
from made_bundles import SUITE, Stages, close, honest, opened
from places import ROOT

from als_bench.checking.bundle import Bundle
from als_bench.checking.verify import verify_bundle
from als_bench.suites import check_suite, read_suite
from als_engine.agents.curriculum.settings import ReplaySettings, RulesSettings, parse
from als_engine.agents.saving import AgentRecord, make_agent, open_agent, save_agent
from als_engine.errors import ALSError
from als_engine.system.safe_files import pack_tensors
from als_engine.system.toml_files import read_toml
from als_plugins.encoders.saving import load_encoder, make_encoder, save_encoder
from als_plugins.experiment.checks import check_ids
from als_plugins.experiment.config import read_experiment

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

Path_ = tuple[Any, ...]
ODD: tuple[Any, ...] = (
    "odd", -7, None, [1, "two"], 1 << 63, "", {"a": {"b": [None]}}, True, 1e308, "a\x1b[31mb\n<b>",
    0, [], "../../odd", {}, -0.5, [[[]]], "\u202eodd", [None], "1", 10**30,
)  # fmt: skip
EACH = 4
"""How many odd values are put into each place."""


def places(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Where there is something: in tables and in lists."""
    inside = value.items() if isinstance(value, dict) else ()
    inside = enumerate(value[:2]) if isinstance(value, list) else inside
    for key, part in inside:
        yield (*at, key)
        yield from places(part, (*at, key))


def damaged(record: Any, each: int = EACH) -> Iterator[tuple[str, Any]]:
    """The record with one thing changed, taken out, or added."""
    for number, place in enumerate(places(record)):
        for odd in [ODD[(number * each + k) % len(ODD)] for k in range(each)] + ["(without)"]:
            changed = copy.deepcopy(record)
            holder = changed
            for key in place[:-1]:
                holder = holder[key]
            if odd == "(without)":
                del holder[place[-1]]
            else:
                holder[place[-1]] = odd
            yield f"{place}: {odd!r:.40}", changed
    yield "more", {**record, "more": 1}


def check_each(record: Any, read: Callable[[Any], Any]) -> None:
    """Nothing but a line comes of a wrong record."""
    lines = []
    for name, changed in damaged(record):
        try:
            read(changed)
        except ALSError as error:
            lines.append(str(error))
        except Exception as error:
            raise AssertionError(f"{name}: {error!r}") from error
    assert len(lines) > 10
    assert all(10 < len(line) < 1_500 for line in lines)


def toml(value: Any) -> str:
    """A value as TOML has it, tables in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(x)}" for key, x in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return "'nothing'" if value is None else json.dumps(value, ensure_ascii=False)


def as_file(path: Path, record: dict[str, Any]) -> Path:
    lines = [f"{json.dumps(key)} = {toml(value)}" for key, value in record.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_suite(tmp_path: Path) -> None:
    record, _ = read_toml(ROOT / "benchmarks" / "suites" / "smoke.toml")
    path = tmp_path / "suite.toml"
    check_each(record, lambda changed: check_suite(read_suite(as_file(path, changed))))


def test_an_experiment(tmp_path: Path) -> None:
    record, _ = read_toml(ROOT / "benchmarks" / "experiments" / "tag.toml")
    path = tmp_path / "experiment.toml"

    def read(changed: dict[str, Any]) -> None:
        check_ids(read_experiment(as_file(path, changed)), path)

    check_each(record, read)


def test_a_manifest() -> None:
    stages = Stages()
    files = honest(np.random.default_rng(1), stages)
    stages.close()
    manifest, logs = opened(files)
    packed = {name: pack_tensors(arrays) for name, arrays in logs.items()}

    def read(changed: dict[str, Any]) -> None:
        verify_bundle(Bundle.of(close(changed, packed)), SUITE)

    check_each(manifest, read)


def test_an_agent(tmp_path: Path) -> None:
    arguments = {"sensors": ["proprioception"], "action_mode": "discrete"}
    agent = make_agent("ppo", ID, arguments, {"net_arch": [4]})
    folder = tmp_path / "agent"
    save_agent(
        agent,
        folder,
        AgentRecord(agent="ppo", scenario=ID, arguments=arguments, config=agent.config),
    )
    path = folder / "agent.json"

    def read(changed: dict[str, Any]) -> None:
        path.write_text(json.dumps(changed), encoding="utf-8")
        open_agent(str(folder))

    check_each(json.loads(path.read_text()), read)


def test_an_encoder(tmp_path: Path) -> None:
    box = gymnasium.spaces.Box(0.0, 1.0, (3,), np.float32)
    space = gymnasium.spaces.Dict({"touch": box})
    folder = tmp_path / "encoder"
    save_encoder(make_encoder("attention", space, {"width": 8, "heads": 1}), "attention", folder)
    path = folder / "encoder.json"

    def read(changed: dict[str, Any]) -> None:
        path.write_text(json.dumps(changed), encoding="utf-8")
        load_encoder(folder, space)

    check_each(json.loads(path.read_text()), read)


@pytest.mark.parametrize("name", ["plr", "rules"])
def test_a_curriculum(name: str) -> None:
    stages = [{"num_pads": 2, "operations": "+"}, {"background": {"student": "wander"}}]
    made = ReplaySettings() if name == "plr" else RulesSettings(stages=stages)
    check_each(made.model_dump(), parse)


def test_a_dataset(tmp_path: Path) -> None:
    folder, copied = tmp_path / "data", tmp_path / "copied"
    words = ("--episodes", 2, "--sensors", "proprioception", "--policy", "random")
    done = als("collect", ID, *words, "--out", folder)
    assert done.code == 0, done.err
    shutil.copytree(folder, copied)
    (path,) = (path for path in copied.iterdir() if path.suffix == ".json")
    record = json.loads(path.read_text())
    for name, changed in damaged(record, each=1):
        path.write_text(json.dumps(changed), encoding="utf-8")
        shown = als("data", "show", copied)
        assert shown.code in (0, 2), name
        assert "Traceback" not in shown.err, name
        assert len(shown.err.strip().splitlines()) == (1 if shown.code else 0), (name, shown.err)
        assert "\x1b" not in shown.out + shown.err, name
