"""A client is sent what has changed since it looked, and never more than the board holds."""

from __future__ import annotations

import json

from als_plugins.serve.board import Board
from als_plugins.serve.protocol import FORMATS


def test_a_client_that_knows_nothing_is_sent_all_and_then_the_changes() -> None:
    board = Board()
    board.write("a", 1)
    board.write("b", [1, 2])
    assert board.publish()
    assert board.since(-1) == {"type": "change", "change": 1, "values": {"a": 1, "b": [1, 2]}}
    board.write("b", [1, 3])
    board.write("a", 1)
    assert board.publish()
    assert board.since(1)["values"] == {"b": [1, 3]}


def test_the_same_value_again_is_no_change() -> None:
    board = Board()
    board.write("a", {"x": 1})
    board.publish()
    board.write("a", {"x": 1})
    assert not board.publish()
    assert board.changes == 1


def test_what_was_wiped_is_null_for_who_knew_it_and_nothing_for_who_did_not() -> None:
    board = Board()
    board.write("a", 1)
    board.publish()
    board.wipe("a")
    board.publish()
    assert board.since(1)["values"] == {"a": None}
    assert board.since(-1)["values"] == {}
    board.write("a", 2)
    board.publish()
    assert board.since(1)["values"] == {"a": 2}


def test_a_client_that_missed_a_hundred_changes_gets_one_message_of_the_last_values() -> None:
    board = Board()
    for step in range(100):
        board.write("step", step)
        board.publish()
    assert board.since(3)["values"] == {"step": 99}


def test_clients_that_have_seen_the_same_share_one_coded_message() -> None:
    board = Board()
    board.write("a", 1)
    board.publish()
    first = board.packed_since(-1, FORMATS[0])
    assert board.packed_since(-1, FORMATS[0]) is first
    assert json.loads(first)["values"] == {"a": 1}
