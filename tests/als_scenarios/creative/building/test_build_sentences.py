"""Sentences: the grammar, who says what, and a checker that agrees with brute force."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.task import LEVELS as SPLITS
from als_engine.world.layout import check_sign_text
from als_scenarios.creative.building.blocks import COLORS, COLUMNS, LEVELS, drawn
from als_scenarios.creative.building.sentences import (
    KINDS,
    RELATIONS,
    Sentence,
    constraints,
    every_sentence,
    lines,
    met,
    parse,
    sentences,
    shortest,
)

WORDS = ("one", "two", "three", "four")
COLOR, KIND = f"({'|'.join(COLORS)})", f"({'|'.join(KINDS)})"
FORMS = (
    rf"a {COLOR} {KIND}, (one|two|three|four) blocks? high",
    rf"a {COLOR} {KIND}, ({'|'.join(RELATIONS[:4])}) the {COLOR} {KIND}",
    rf"a {COLOR} block on top of a {COLOR} {KIND}",
)


def things(grid: np.ndarray, kind: str, color: int) -> list[tuple[int, int, int]]:
    """(left, right, height) of every thing of a kind in a grid, from the definitions."""
    found = []
    for left, right in product(range(COLUMNS), range(COLUMNS)):
        if right < left:
            continue
        own = [[cell == color for cell in grid[x]] for x in range(left, right + 1)]
        beside = [x for x in (left - 1, right + 1) if 0 <= x < COLUMNS]
        if any(color in grid[x] for x in beside) or not all(map(any, own)):
            continue
        heights = [sum(column) for column in own]
        filled = [column == [y < sum(column) for y in range(LEVELS)] for column in own]
        steps = list(range(1, len(own) + 1))
        is_a = {
            "tower": len(own) == 1 and filled[0] and heights[0] >= 2,
            "wall": len(own) >= 2 and all(filled) and len(set(heights)) == 1,
            "staircase": len(own) >= 2 and all(filled) and heights in (steps, steps[::-1]),
            "arch": len(own) == 3
            and filled[0]
            and filled[2]
            and heights[0] == heights[2] >= 2
            and own[1] == [y == heights[0] - 1 for y in range(LEVELS)]
            and not any(grid[left + 1][: heights[0] - 1]),
        }[kind]
        if is_a:
            found.append((left, right, max(heights)))
    return found


def counted(grid: np.ndarray, text: str) -> tuple[int, int]:
    """How many constraints a text has, and how many a grid meets: read and tried one by one."""
    form, said = next(
        (k, match.groups())
        for k, pattern in enumerate(FORMS)
        if (match := re.fullmatch(pattern, text))
    )
    number = {color: k + 1 for k, color in enumerate(COLORS)}
    if form == 0:
        color, kind, height = said
        there = things(grid, kind, number[color])
        high = [t for t in there if t[2] == WORDS.index(height) + 1]
        return 2, bool(there) + bool(high)
    if form == 1:
        color, kind, relation, other_color, other = said
        first, second = things(grid, kind, number[color]), things(grid, other, number[other_color])
        as_said = [
            {
                "taller than": a[2] > b[2],
                "lower than": a[2] < b[2],
                "left of": a[1] < b[0],
                "right of": a[0] > b[1],
            }[relation]
            for a, b in product(first, second)
        ]
        return 3, bool(first) + bool(second) + any(as_said)
    color, other_color, other = said
    second = things(grid, other, number[other_color])
    on_top = False
    for left, right, _ in second:
        for x in range(left, right + 1):
            top = max(y for y in range(LEVELS) if grid[x][y] == number[other_color])
            on_top |= top + 1 < LEVELS and grid[x][top + 1] == number[color]
    return 3, bool((grid == number[color]).any()) + bool(second) + on_top


def all_met(sentence: Sentence, grid: np.ndarray) -> int:
    return int(met(grid[None], np.array([sentence], np.int8))[0])


def test_every_sentence_is_of_the_grammar_and_is_parsed_back() -> None:
    for sentence in every_sentence():
        assert any(re.fullmatch(form, sentence.text) for form in FORMS)
        assert parse(sentence.text) == sentence
    assert len({sentence.text for sentence in every_sentence()}) == len(every_sentence()) > 600
    with pytest.raises(ValueError, match="no sentence of the grammar"):
        parse("a red dome")


def test_the_sentence_of_the_issue_can_be_said() -> None:
    sentence = parse("a red arch, taller than the blue tower")
    assert lines(sentence) == "A RED ARCH,\nTALLER THAN THE\nBLUE TOWER"


def test_every_sentence_fits_on_its_board() -> None:
    for sentence in every_sentence():
        check_sign_text("board", lines(sentence))


def test_each_sentence_is_said_in_one_split_and_each_word_in_all() -> None:
    each = {split: sentences(split) for split in SPLITS}
    assert sum(map(len, each.values())) == len(every_sentence())
    for said in each.values():
        assert {s.relation for s in said} == {-1, *range(len(RELATIONS))}
        assert {s.kind for s in said} == {-1, *range(len(KINDS))}
        assert {s.color for s in said} == set(range(len(COLORS)))
        assert {s.other for s in said} == {-1, *range(len(KINDS))}
    assert len(each["train"]) > len(each["test"]) > len(each["validation"]) > 80


def test_the_shortest_answer_of_every_sentence_meets_all_its_constraints() -> None:
    every = every_sentence()
    grids = np.stack([drawn(answer[0]) for s in every if (answer := shortest(s))])
    said = np.array(every, np.int8)
    np.testing.assert_array_equal(met(grids, said), constraints(said))


def test_nothing_meets_a_sentence_in_part_as_a_whole() -> None:
    said = parse("a red tower, three blocks high")
    grid = np.zeros((COLUMNS, LEVELS), np.int8)
    counts = []
    for level in range(LEVELS):
        grid[3, level] = 1
        counts.append(all_met(said, grid))
    assert counts == [0, 1, 2, 1]


def test_constraints_have_to_be_met_by_the_same_things() -> None:
    """A high tower right of the arch and a low one left of it are no tower left that is higher."""
    grid = np.zeros((COLUMNS, LEVELS), np.int8)
    grid[0, :3], grid[6, :2], grid[3, :2] = 1, 1, 2
    assert all_met(parse("a red tower, right of the blue tower"), grid) == 3
    assert all_met(parse("a red tower, taller than the blue tower"), grid) == 3
    assert all_met(parse("a red tower, lower than the blue tower"), grid) == 2


def near_misses(rng: np.random.Generator) -> np.ndarray:
    """A structure with things in it: answers, some of their cells changed."""
    grid = np.zeros((COLUMNS, LEVELS), np.int8)
    every = every_sentence()
    for _ in range(int(rng.integers(1, 3))):
        answer = shortest(every[int(rng.integers(len(every)))])
        assert answer is not None
        shift = int(rng.integers(COLUMNS - answer[1] + 1))
        there = drawn([p._replace(column=p.column + shift) for p in answer[0]])
        grid = np.where(there > 0, there, grid)
    for _ in range(int(rng.integers(0, 4))):
        grid[rng.integers(COLUMNS), rng.integers(LEVELS)] = rng.integers(0, 5)
    return grid.astype(np.int8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_checker_agrees_with_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    every, grid = every_sentence(), near_misses(rng)
    chosen = [every[i] for i in rng.integers(len(every), size=24).tolist()]
    said = np.array(chosen, np.int8)
    found = met(np.repeat(grid[None], len(said), 0), said)
    for sentence, total, count in zip(chosen, constraints(said), found, strict=True):
        assert (total, count) == counted(grid, sentence.text), (sentence.text, grid.T[::-1])
