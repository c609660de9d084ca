"""A show goes on by itself: watching changes nothing, joining is seen by all, leaving is no end."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from serving import served, until

from als_engine.agents.agent import Agent
from als_engine.errors import ArgumentError, SavedFileError, UnknownIdError
from als_plugins.serve import app
from als_plugins.serve.opening import open_stage
from als_plugins.serve.recording import episode_files, read_episode
from als_plugins.serve.server import LOCAL, bind

SHORT = {"max_episode_steps": 40}


def play(folder: Path, spectators: int) -> list[str]:
    """The files of the first two episodes of a world that so many programs watch."""
    options = {"arguments": SHORT, "record": folder, "paused": spectators > 0}
    with served("ALS/Tag-v0", **options) as world, world.program() as first, ExitStack() as stack:
        others = [stack.enter_context(world.program()) for _ in range(spectators)]
        first.send("pace", paused=False, speed=8.0)
        until(lambda: len(episode_files(folder)) >= 2)
        for other in others[:3]:
            other.until(lambda other=other: "step" in other.board)
    return [path.read_text() for path in episode_files(folder)[:2]]


def test_a_world_with_ten_spectators_is_the_world_without(tmp_path: Path) -> None:
    assert play(tmp_path / "watched", 10) == play(tmp_path / "alone", 0)


def test_a_person_who_joins_is_seen_and_who_leaves_may_come_back() -> None:
    with served("ALS/Tag-v0") as world, world.program() as ann, world.program() as bob:
        bob.until(lambda: bob.board.get("seat.0"))
        assert bob.board["seat.0"]["driver"] == "expert"
        assert bob.board["seat.0"]["person"] is None
        ann.send("join", avatar=0, name="Ann")
        bob.until(lambda: bob.board["seat.0"]["person"] == "Ann")
        bob.send("join", avatar=0, name="Bob")
        assert bob.refusal().startswith("Ann has this avatar")
        bob.until(lambda: bob.board["people"] == {"watching": 2, "playing": 1})
        ann.socket.close()
        bob.until(lambda: bob.board["seat.0"]["person"] is None)
        with world.program() as again:
            again.send("join", avatar=0, name="Ann")
            bob.until(lambda: bob.board["seat.0"]["person"] == "Ann")


def test_pause_step_and_the_next_episode() -> None:
    with served("ALS/Tag-v0", paused=True) as world, world.program() as program:
        program.until(lambda: "clock" in program.board)
        assert program.board["clock"]["paused"]
        for step in (1, 2):
            program.send("pace", step=True)
            program.until(lambda step=step: program.board["step"] == step)
        program.send("next")
        program.until(lambda: program.board["clock"]["episode"] == 2)
        assert program.board["step"] == 0


def test_msgpack_says_what_json_says() -> None:
    import msgpack

    with served("ALS/Tag-v0", paused=True) as world, world.program() as program:
        program.until(lambda: "clock" in program.board)
        with world.program(subprotocols=["als.v1.msgpack"]) as other:
            assert msgpack.unpackb(other.socket.recv(timeout=20))["type"] == "hello"
            values = msgpack.unpackb(other.socket.recv(timeout=20))["values"]
        assert {**values, "people": 0} == {**program.board, "people": 0}


def test_the_example_drives_an_avatar_in_thirty_lines() -> None:
    example = ROOT / "docs" / "examples" / "drive.py"
    assert len(example.read_text().splitlines()) <= 36
    with served("ALS/Tag-v0") as world, world.program() as program:
        address = f"http://{LOCAL}:{world.server.port}/?token={world.token()}"
        words = [sys.executable, str(example), address, "1.5"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
            program.until(lambda: program.board.get("seat.0", {}).get("person") == "drive.py")
            # Who does not read for long is no longer heard either: its connection is given up.
            program.until(lambda: running.poll() is not None, 60.0)
            said, _ = running.communicate(timeout=30)
        assert running.returncode == 0
        assert said.startswith("return ")


class Faulty(Agent):
    """Fails in its third step."""

    def act(self, observation: Any, state: Any = None, deterministic: bool = True) -> Any:
        if state == 2:
            raise RuntimeError("a shape\ndoes not fit")
        raw = next(iter(observation.values()))
        return raw[..., 0].astype(int) * 0, (state or 0) + 1


def test_an_agent_that_fails_rests_and_the_show_goes_on() -> None:
    with served("ALS/Tag-v0", paused=True) as world, world.program() as program:
        spaces = world.stage.simulation.observation_space, world.stage.simulation.action_space
        world.stage._agent = Faulty(*spaces)
        world.stage._memory = None
        program.send("pace", paused=False, speed=4.0)
        program.until(lambda: program.board.get("note"))
        assert program.board["note"] == (
            "expert has failed and rests: RuntimeError('a shape\\ndoes not fit')"
        )
        began = program.board["step"]
        program.until(lambda: program.board["step"] > began + 3)
    assert len(world.said) == 1


def test_a_recording_is_shown_again_with_a_time_line(tmp_path: Path) -> None:
    options = {"arguments": SHORT, "record": tmp_path}
    with served("ALS/Tag-v0", **options) as world, world.program() as program:
        program.send("join", avatar=0, name="")
        program.send("drive", forward=1.0, face=1.0)
        program.send("say", sentence="help")
        program.send("pace", speed=8.0)
        until(lambda: episode_files(tmp_path))
    first = episode_files(tmp_path)[0]
    assert read_episode(first).orders
    with served(str(tmp_path), paused=True) as world, world.program() as program:
        program.until(lambda: "clock" in program.board)
        length = program.board["clock"]["length"]
        program.send("seek", step=length)
        program.until(lambda: program.board["step"] == length)
        assert world.stage.simulation.state.digest(0).hex() == read_episode(first).digest
        assert program.board["note"] == ""
        end = program.board["pose.avatar0"]
        program.send("seek", step=3)
        program.until(lambda: program.board["step"] == 3)
        program.send("seek", step=length)
        program.until(lambda: program.board["step"] == length)
        assert program.board["pose.avatar0"] == end
        program.send("join", avatar=0)
        assert "recording" in program.refusal()


def test_a_server_ends_in_time_though_a_step_never_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a world that hangs nor a spectator that does not read keeps it from ending."""
    monkeypatch.setattr(app, "GRACE", 0.2)
    stuck, over = threading.Event(), threading.Event()

    def hang(orders: Any) -> None:
        stuck.set()
        over.wait(60.0)

    with served("ALS/Tag-v0", paused=True) as world, world.program() as program:
        cookie = world.cookie()
        silent = socket.create_connection((LOCAL, world.server.port))
        silent.sendall(f"GET / HTTP/1.1\r\nHost: {LOCAL}\r\nCookie: {cookie}\r\n".encode())
        monkeypatch.setattr(world.stage, "advance", hang)
        program.send("pace", paused=False)
        assert stuck.wait(20.0)
        began = time.monotonic()
        world.close()
        assert time.monotonic() - began < 10.0
    over.set()
    silent.close()
    # The world is freed as soon as the step has ended.
    until(lambda: world.stage.simulation.moving.closed)


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"format": 1}', "[" * 10_000, '{"format": 1, "scenario": "os:system"}'],
)
def test_a_damaged_recording_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "episode-00001.json").write_text(text)
    with pytest.raises(SavedFileError, match="episode-00001") as error:
        open_stage(str(tmp_path), None, {})
    assert "\n" not in str(error.value)


def test_bad_input_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UnknownIdError, match="did you mean"):
        open_stage("ALS/Tagg-v0", None, {})
    with pytest.raises(SavedFileError, match="not a saved agent"):
        open_stage(str(tmp_path), None, {})
    (tmp_path / "a").write_text("")
    with pytest.raises(SavedFileError, match="holds other files"):
        open_stage("ALS/Tag-v0", None, {}, record=tmp_path)
    taken = bind(LOCAL, 0)
    port = taken.getsockname()[1]
    with pytest.raises(ArgumentError, match=f"port {port} is taken: choose another"):
        bind(LOCAL, port)
    taken.close()
    with pytest.raises(ArgumentError, match="no address of this machine"):
        bind("192.0.2.1", 0)


def test_the_command_line_and_the_engine_load_no_server() -> None:
    code = (
        "import sys, als_engine; from als_engine.cli.app import build_command; "
        "build_command(); print([n for n in ('fastapi', 'uvicorn', 'msgpack') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"
