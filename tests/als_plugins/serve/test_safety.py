"""Strangers, other pages and broken programs are refused, and disturb nobody who is inside."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from serving import Program, Served, served
from websockets.exceptions import ConnectionClosed, InvalidStatus

from als_plugins.serve.access import TOKENS, Access
from als_plugins.serve.server import LOCAL
from als_plugins.serve.show import Show


@pytest.fixture(scope="module")
def world() -> Iterator[Served]:
    with served("ALS/Tag-v0", arguments={"max_episode_steps": 100_000}) as found:
        yield found


def test_a_token_lets_one_in_once_and_is_then_worth_nothing(world: Served) -> None:
    token = world.token()
    status, headers, _ = world.get(f"/?token={token}")
    assert (status, headers["location"]) == (303, "/")
    assert "HttpOnly" in headers["set-cookie"]
    assert token not in headers["set-cookie"]
    cookie = headers["set-cookie"].partition(";")[0]
    status, headers, _ = world.get("/", Cookie=cookie)
    assert status == 200
    assert "script-src 'self'" in headers["content-security-policy"]
    status, _, text = world.get(f"/?token={token}")
    assert status == 403
    assert b"used before" in text


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, b"open the address"),
        ({"Cookie": "als=1"}, b"open the address"),
        ({"Host": "evil.example"}, b"by that name"),
        ({"Host": "localhost:1"}, b"by that name"),
        ({"Origin": "http://evil.example"}, b"another page"),
        ({"Origin": "null"}, b"another page"),
    ],
)
def test_strangers_and_other_pages_get_nothing(
    world: Served, headers: dict[str, str], why: bytes
) -> None:
    cookie = {"Cookie": world.cookie(), **headers} if len(headers) else {}
    status, _, text = world.get("/", **cookie)
    assert status == 403
    assert why in text


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml", "/..%2f..%2fpyproject.toml", "/three/../../plugin.py", "/app.py",
        "//etc/passwd", "/three/LICENSE/", "/docs", "/openapi.json", "/%00", "/style.css/",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_page(world: Served, path: str) -> None:
    assert world.get(path, Cookie=world.cookie())[0] in (400, 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_sent_but_messages(world: Served, method: str) -> None:
    assert world.get("/", method, Cookie=world.cookie(), body=b"x" * 10_000)[0] == 405


@pytest.mark.parametrize(
    "headers",
    [{"Cookie": "als_1=x"}, {"Origin": "http://evil.example"}, {"Host": "evil.example"}],
    ids=["tokenless", "cross-origin", "other name"],
)
def test_no_stranger_gets_a_socket(world: Served, headers: dict[str, str]) -> None:
    cookie = headers.get("Cookie") or world.cookie()
    others = {name: value for name, value in headers.items() if name != "Cookie"}
    if "Host" in others:
        assert _by_hand(world, cookie, others["Host"]) == "HTTP/1.1 403 Forbidden"
        return
    with pytest.raises(InvalidStatus), world.program(cookie=cookie, headers=others):
        pass


def _by_hand(world: Served, cookie: str, host: str) -> str:
    """The first line of the answer to a handshake with another name."""
    with socket.create_connection((LOCAL, world.server.port), timeout=20) as raw:
        lines = [
            "GET /socket HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
            f"Cookie: {cookie}", "", "",
        ]  # fmt: skip
        raw.sendall("\r\n".join(lines).encode())
        return raw.recv(4096).decode().partition("\r\n")[0]


def test_a_hundred_hostile_messages_are_refused_and_disturb_nobody(world: Served) -> None:
    rng = random.Random(0)
    cookie = world.cookie()
    with world.program() as player:
        player.send("join", avatar=0, name="<img onerror=x()>")
        player.until(lambda: player.board.get("seat.0", {}).get("person"))
        player.send("drive", forward=1.0)
        began, refused, closed = player.board["step"], 0, 0
        hostile = [_hostile(rng, i) for i in range(100)]
        for i in range(0, 100, 10):
            with world.program(cookie=cookie) as stranger:
                for data in hostile[i : i + 10]:
                    try:
                        stranger.socket.send(data)
                        stranger.refusal()
                        refused += 1
                    except ConnectionClosed:
                        closed += 1
                        break
        assert refused + closed >= 95
        assert refused > 60
        player.until(lambda: player.board["step"] > began + 5)
        assert player.board["seat.0"]["person"] == "<img onerror=x()>"
        assert player.refusals == []
    assert world.said == []


def _hostile(rng: random.Random, i: int) -> str | bytes:
    kinds = [
        lambda: "{" * rng.randrange(1, 2_000),
        lambda: bytes(rng.randrange(256) for _ in range(200)),
        lambda: json.dumps({"n": 10 + i, "type": "open", "path": "../../etc/passwd"}),
        lambda: json.dumps({"n": 10 + i, "type": "scenario", "id": "ALS/Tutor-v0"}),
        lambda: json.dumps({"n": 10 + i, "type": "join", "avatar": 0, "name": "thief"}),
        lambda: json.dumps({"n": 10 + i, "type": "drive", "forward": 1e9}),
        lambda: json.dumps({"n": 10 + i, "type": "say", "sentence": "x" * 150}),
        lambda: json.dumps({"n": 0, "type": "hand", "does": "use"}),
        lambda: json.dumps({"n": 10 + i, "type": "join", "avatar": 0, "name": "x" * 1_900}),
        lambda: "x" * (3_000 if i % 20 < 10 else 100_000),
    ]
    return kinds[i % 10]()


def test_a_message_that_comes_again_counts_once(world: Served) -> None:
    with world.program() as program:
        program.send("ping")
        program.until(lambda: program.answers[-1:] and program.answers[-1]["type"] == "pong")
        program.socket.send('{"n": 1, "type": "ping"}')
        assert "n has to go up" in program.refusal()


def test_who_sends_too_much_is_cut_off(world: Served) -> None:
    with world.program() as program:
        with pytest.raises(ConnectionClosed) as cut:
            _pester(program)
        assert cut.value.rcvd is not None
        assert cut.value.rcvd.reason == "too many messages"


def _pester(program: Program) -> None:
    for _ in range(2_000):
        program.send("ping")
    while True:
        program.read()


def test_a_spectator_that_stops_reading_is_kept_waiting_and_nobody_else(world: Served) -> None:
    # A tiny window, so that the server's own buffers are soon full.
    cookie = world.cookie()
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    raw.connect((LOCAL, world.server.port))
    lines = [
        "GET /socket HTTP/1.1", f"Host: {LOCAL}:{world.server.port}", "Upgrade: websocket",
        "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13", f"Cookie: {cookie}", "", "",
    ]  # fmt: skip
    raw.sendall("\r\n".join(lines).encode())
    with closing(raw), world.program() as program:
        program.send("pace", speed=8.0)
        program.until(lambda: "step" in program.board)
        began, at = program.board["step"], time.monotonic()
        program.until(lambda: program.board["step"] > began + 40)
        assert time.monotonic() - at < 20.0
        program.send("pace", speed=1.0)


@pytest.mark.parametrize("given", ["", "\u00e9\u4f60", "\ud800", "x" * 10_000])
def test_no_text_is_a_token_or_a_cookie_but_ours(given: str) -> None:
    access = Access(frozenset({"127.0.0.1"}), 8600)
    cookie = access.exchange(access.token())
    access.token()
    assert access.exchange(given) is None
    assert not access.knows({access.cookie: given})
    assert access.knows({access.cookie: cookie or ""})


def test_a_token_that_is_old_or_one_of_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    access = Access(frozenset({"localhost"}), 80)
    first = access.token()
    others = [access.token() for _ in range(TOKENS)]
    assert len(first) == 22  # 128 bits in base64.
    assert access.exchange(first) is None
    late = time.monotonic() + 7_200.0
    monkeypatch.setattr(time, "monotonic", lambda: late)
    assert access.exchange(others[0]) is None
    assert access.exchange("") is None


def test_an_invitation_lets_one_more_in(world: Served) -> None:
    with world.program() as program:
        address = _invitation(program)
        path = address.partition(f":{world.server.port}")[2]
        assert world.get(path)[0] == 303
        assert world.get(path)[0] == 403


def _invitation(program: Program) -> str:
    program.send("invite")
    found = program.until(
        lambda: [each for each in program.answers if each["type"] == "invitation"]
    )
    address: str = found[0]["address"]
    return address


def test_a_show_that_does_not_end_keeps_no_server_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def stubborn(show: Show) -> None:
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1000.0)

    monkeypatch.setattr(Show, "run", stubborn)
    with served("ALS/Tag-v0"):  # Which fails where it does not end.
        pass
