"""The tokenizer: every text comes back, and the vocabulary is what its corpus makes of it."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from als_engine.sensors.tokenizer import HEARD, MARKS, TOLD, VOCABULARY_SIZE, decode, encode


@given(st.text())
@example(" ")
@example("  two spaces, a tab\tand lines\r\n\n")
@example("naïve Ωμέγα 数学 🤖👩🏽‍🔬")
@example("<told> <pad> <|endoftext|> Ġ")
def test_every_text_comes_back(text):
    tokens = encode(text)
    assert decode(tokens) == text
    assert all(len(MARKS) <= token < VOCABULARY_SIZE for token in tokens)


def test_empty_text_has_no_tokens():
    assert encode("") == []
    assert decode([]) == ""


def test_what_no_byte_stands_for_becomes_a_question_mark():
    assert decode(encode("a\ud800b")) == "a?b"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("bring the blue parcel to desk three; red parcel to desk five", 13),
        ("what is seven times eight", 5),
        ("go to the malignant desk", 5),
        ("1984", 5),
    ],
)
def test_the_words_of_scenarios_are_one_token_each_and_so_is_every_digit(text, count):
    assert len(encode(text)) == count


def test_a_word_is_the_same_token_at_the_start_and_further_on():
    assert encode("red red")[0] == encode("red red")[1]


def test_an_observation_is_shown_with_its_marks_and_without_padding():
    tokens = [TOLD, *encode("bring it"), HEARD, *encode("wait"), 0, 0]
    assert decode(tokens) == "<told> bring it <heard> wait"


def test_the_vocabulary_regenerates_byte_for_byte_in_a_fresh_process():
    shipped = files("als_engine.sensors").joinpath("vocabulary.json").read_bytes()
    code = "from als_engine.sensors import tokenizer as t; print(t.train(), end='')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == shipped
