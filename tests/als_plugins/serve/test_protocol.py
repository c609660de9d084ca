"""A message is one of those described, whole and in range, or it is refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest

from als_plugins.serve.protocol import FORMATS, MAX_BYTES, BadMessage, Drive, Join, pack, read

JSON, MSGPACK = FORMATS


def test_both_codes_say_the_same() -> None:
    message = {"n": 1, "type": "drive", "forward": 1, "face": 0.5}
    as_json, as_msgpack = read(json.dumps(message), JSON), read(msgpack.packb(message), MSGPACK)
    assert as_json == as_msgpack == Drive(n=1, type="drive", forward=1.0, face=0.5)


def test_what_the_server_sends_comes_back_in_both_codes() -> None:
    message = {"type": "change", "values": {"a": [0.5, None, "ä"]}}
    assert json.loads(pack(message, JSON)) == message
    assert msgpack.unpackb(pack(message, MSGPACK)) == message


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({}, "n: |tag"),
        ([], "dict"),
        ("drive", "dict"),
        ({"n": 1}, "tag"),
        ({"n": 1, "type": "open", "file": "/etc/passwd"}, "tag"),
        ({"n": 1, "type": "drive", "forward": 2.0}, "forward: .* less than or equal to 1"),
        ({"n": 1, "type": "drive", "forward": "1"}, "forward: .* valid number"),
        ({"n": 1, "type": "drive", "forward": True}, "forward: .* valid number"),
        ({"n": 1, "type": "drive", "up": 1}, "up: .* not permitted"),
        ({"n": -1, "type": "leave"}, "n: .* greater than"),
        ({"n": 1.5, "type": "leave"}, "n: .* integer"),
        ({"n": 1, "type": "join", "avatar": -1}, "avatar: "),
        ({"n": 1, "type": "join", "avatar": 0, "name": "x" * 25}, "name: "),
        ({"n": 1, "type": "hand", "does": "throw"}, "does: "),
        ({"n": 1, "type": "say"}, "sentence: .* required"),
        ({"n": 1, "type": "pace", "speed": 1_000.0}, "speed: .*the speeds are"),
        ({"n": 1, "type": "seek", "step": -1}, "step: "),
    ],
)
def test_a_wrong_message_is_refused_with_the_field_that_is_wrong(message: Any, why: str) -> None:
    with pytest.raises(BadMessage, match=why):
        read(json.dumps(message), JSON)


@pytest.mark.parametrize(
    "data",
    ["", "{", "nul", '{"n": NaN}', '{"n": 1e999}', "[" * 1_500, b"\xff\xfe", b"\x00" * 9, "\ud800"],
)
def test_what_is_no_json_is_refused(data: str | bytes) -> None:
    with pytest.raises(BadMessage):
        read(data, JSON)


@pytest.mark.parametrize("data", ["{}", b"", b"\xc1", b"\x81\x01\x02", b"\xdf\xff\xff\xff\xff"])
def test_what_is_no_msgpack_is_refused(data: str | bytes) -> None:
    with pytest.raises(BadMessage):
        read(data, MSGPACK)


def test_a_long_message_is_refused_unread() -> None:
    with pytest.raises(BadMessage, match="at most"):
        read(" " * MAX_BYTES + "{}", JSON)


def test_a_name_is_one_line_without_control_characters() -> None:
    message = read(json.dumps({"n": 1, "type": "join", "avatar": 0, "name": " a\nb\x1b[2J "}), JSON)
    assert isinstance(message, Join)
    assert message.name == r"a b\x1b[2J"
