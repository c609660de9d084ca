"""Arithmetic questions for the lesson: facts, the partition of facts into splits, wrong answers.

A fact is an unordered pair of operands. Which split asks about it is fixed for ever by a hash of
the pair, whatever the operator and the order, so that neither 5 + 7 nor 7 x 5 is ever met in
training when {5, 7} is held out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.checks import whole_number
from als_engine.errors import ArgumentError
from als_engine.task import LEVELS, Split

OPERATORS: Final = ("+", "-", "x")
SPOKEN: Final[Mapping[str, str]] = {"+": "plus", "-": "minus", "x": "times"}
WORDS: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
)  # fmt: skip
LARGEST: Final = 12
"""The largest operand that there are words for."""

SMALLEST: Final = 3
"""The least largest operand with which every split has facts."""

LARGEST_ANSWER: Final = LARGEST * LARGEST

_PLUS, _MINUS, _TIMES = range(3)
_TEST: Final = 4  # One fact in four, about.
_VALIDATION: Final = 6  # Of the others one in six.
_SLIP: Final = 5  # A wrong answer is at most this far from its neighbour, or one operand away.

Ints = NDArray[np.int32]


def asked_in(one: int, other: int) -> Split:
    """The only split that asks about the fact of these two operands."""
    low, high = min(one, other), max(one, other)
    # A hash that mixes well: CRC-32 would hold out a pattern of odd and even numbers.
    digest = hashlib.blake2b(f"pair {low},{high}".encode(), digest_size=8).digest()
    if digest[0] % _TEST == 0:
        return "test"
    return "validation" if digest[7] % _VALIDATION == 5 else "train"


def wording(left: int, operator: int, right: int, in_words: bool) -> str:
    """A question's terms on one line: "7 + 5", or "seven plus five"."""
    sign = OPERATORS[operator]
    if in_words:
        return f"{WORDS[left]} {SPOKEN[sign]} {WORDS[right]}"
    return f"{left} {sign} {right}"


@dataclass(frozen=True, slots=True)
class Questions:
    """A lesson's questions; every array has one row per question.

    Attributes:
        left, operator, right: (n,) the operands, and an index into `OPERATORS`.
        numbers: (n, pads) what the pads show, all different.
        pad: (n,) which pad shows the answer.
    """

    left: Ints
    operator: Ints
    right: Ints
    numbers: Ints
    pad: Ints


class Arithmetic:
    """Draws lessons from the facts up to a largest operand.

    Attributes:
        operators: indices into `OPERATORS` that are asked about.
        facts: by split, (n, 2) operands, the smaller one first.
    """

    def __init__(self, largest: int = LARGEST, operations: str = "".join(OPERATORS)) -> None:
        """Lists the facts.

        Raises:
            ArgumentError: `largest` is out of range, or an operation is unknown or doubled.
        """
        is_text = isinstance(operations, str)
        if not is_text or not operations or len(set(operations)) != len(operations):
            raise ArgumentError(f"operations must be some of +-x, each once, got {operations!r}")
        for sign in operations:
            if sign not in OPERATORS:
                raise ArgumentError(f"operations must be some of +-x, got {operations!r}")
        largest = whole_number("largest", largest, SMALLEST, LARGEST)
        self.operators = np.array([OPERATORS.index(sign) for sign in operations], np.int32)
        pairs = [(low, high) for high in range(1, largest + 1) for low in range(1, high + 1)]
        self.facts: Mapping[str, Ints] = {
            split: _rows(pair for pair in pairs if asked_in(*pair) == split) for split in LEVELS
        }

    def draw(self, rng: np.random.Generator, split: Split, n: int, num_pads: int) -> Questions:
        """Draws `n` questions with their answers and wrong answers."""
        facts = self.facts[split]
        low, high = facts[rng.integers(len(facts), size=n)].T
        operator = self.operators[rng.integers(len(self.operators), size=n)]
        swap = (rng.random(n) < 0.5) | (operator == _MINUS)  # Nothing is below zero.
        left, right = np.where(swap, high, low), np.where(swap, low, high)
        answer = np.choose(operator, (left + right, left - right, left * right))
        pad = rng.integers(num_pads, size=n, dtype=np.int32)
        wrong = _wrong(rng, answer, np.where(operator == _TIMES, low, _SLIP), num_pads - 1)
        others = (pad[:, None] + 1 + np.arange(num_pads - 1)) % num_pads
        numbers = np.empty((n, num_pads), np.int32)
        rows = np.arange(n)
        numbers[rows, pad] = answer
        numbers[rows[:, None], others] = rng.permuted(wrong, axis=1)
        return Questions(left, operator, right, numbers, pad)


def _wrong(rng: np.random.Generator, answer: Ints, operand: Ints, count: int) -> Ints:
    """(n, count) different wrong answers of at least 0 around each answer.

    How many of them lie below it is uniform as far as the answer has room below, so that the rank
    of a number among the pads tells nothing.
    """
    n = len(answer)
    slips = rng.integers(1, _SLIP + 1, size=(n, count))
    # Off by one row of the multiplication table.
    slips = np.where(rng.random((n, count)) < 0.3, operand[:, None], slips)
    below = np.minimum(rng.integers(0, count + 1, size=n), answer)
    wrong = np.empty((n, count), np.int32)
    for i, (right, lower, gaps) in enumerate(
        zip(answer.tolist(), below.tolist(), slips.tolist(), strict=True)
    ):
        number = right
        for k in range(count):
            if k == lower:
                number = right
            if k < lower:
                # Room for those that are still to come below this one.
                number = max(number - gaps[k], lower - 1 - k)
            else:
                number += gaps[k]
            wrong[i, k] = number
    return wrong


def _rows(pairs: Iterable[tuple[int, int]]) -> Ints:
    return np.array(list(pairs), np.int32).reshape(-1, 2)
