"""The grammar of meetings and the marks of minutes: what may be said, and what follows from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.sensors.tokenizer import encode
from als_engine.task import LEVELS
from als_engine.world.layout import check_sign_text
from als_scenarios.office.meeting import minutes, talk
from als_scenarios.office.meeting.hearing import LISTEN
from als_scenarios.office.meeting.talk import ACT, COLUMNS, DATE, END, ITEM, OWNER, SPEAKER, START
from als_scenarios.office.meeting.words import (
    AGREE,
    AMEND,
    CHAT,
    DAYS,
    FORMS,
    ITEMS,
    NAMES,
    NEW_DATE,
    PROPOSE,
    TOPICS,
    VOLUNTEER,
    WITHDRAW,
    sentence,
)

SCRIPTS = [
    (split, speakers, talk.draw(np.random.default_rng([7, i, speakers]), split, speakers))
    for split in LEVELS
    for speakers in (3, 4, 6)
    for i in range(25)
]


def said(script: talk.Script) -> np.ndarray:
    return script.rows[script.rows[:, START] < talk.NEVER]


def truth(script: talk.Script) -> np.ndarray:
    known = np.ones((1, talk.MOST_ACTS), bool)
    return talk.agreed(talk.settled(script.rows[None], known))[0]


def by_hand(rows: list[list[int]]) -> dict[int, tuple[int, int, int]]:
    """The owner, the date and the last act about each item, told act by act."""
    items: dict[int, tuple[int, int, int]] = {}
    for row in rows:
        if row[ACT] == CHAT or row[ITEM] == -1:
            continue
        owner, date, _ = items.get(row[ITEM], (-1, -1, -1))
        owner = row[OWNER] if row[OWNER] != -1 else owner
        date = row[DATE] if row[DATE] != -1 else date
        items[row[ITEM]] = (owner, date, row[ACT])
    return items


rows_of_acts = st.lists(
    st.tuples(
        st.integers(0, CHAT), st.integers(-1, 5), st.integers(-1, 5), st.integers(-1, 4),
        st.booleans(),
    ),
    max_size=talk.MOST_ACTS,
)  # fmt: skip


@settings(max_examples=150)
@given(rows_of_acts)
def test_what_follows_is_what_follows_act_by_act(acts: list[tuple[int, int, int, int, bool]]):
    script = np.full((1, talk.MOST_ACTS, COLUMNS), -1, np.int32)
    script[..., ACT] = CHAT
    known = np.zeros((1, talk.MOST_ACTS), bool)
    for i, (act, owner, item, date, heard) in enumerate(acts):
        script[0, i, [ACT, OWNER, ITEM, DATE]] = act, owner, item, date
        known[0, i] = heard
    expected = by_hand([row for row, k in zip(script[0].tolist(), known[0], strict=True) if k])
    found = talk.settled(script, known)[0]
    assert found.tolist() == [list(expected.get(item, (-1, -1, -1))) for item in range(ITEMS)]


def test_an_item_is_agreed_upon_only_if_the_last_word_about_it_was_an_agreement() -> None:
    for _, _, script in SCRIPTS:
        for item, (owner, date, last) in by_hand(said(script).tolist()).items():
            stands = [owner, date] if last == AGREE else [-1, -1]
            assert truth(script)[item].tolist() == stands


def test_a_meeting_agrees_upon_two_to_four_items_and_upon_another_not() -> None:
    for _, _, script in SCRIPTS:
        about = by_hand(said(script).tolist())
        assert 2 <= (truth(script)[:, 0] != -1).sum() <= 4
        assert any(last != AGREE for _, _, last in about.values())


def test_minds_are_changed_after_an_agreement_too() -> None:
    changed = 0
    for _, _, script in SCRIPTS:
        agreed = [row[ITEM] for row in said(script).tolist() if row[ACT] == AGREE]
        lost = [item for item in agreed if truth(script)[item, 0] == -1]
        changed += bool(lost) or len(set(agreed)) < len(agreed)
    assert changed > len(SCRIPTS) / 2


def test_everything_is_proposed_first_and_an_amendment_changes_something() -> None:
    for _, _, script in SCRIPTS:
        values: dict[int, list[int]] = {}
        for row in said(script).tolist():
            if row[ACT] == PROPOSE:
                assert row[ITEM] not in values
                values[row[ITEM]] = [row[OWNER], row[DATE]]
            elif row[ACT] == AMEND:
                old = values[row[ITEM]]
                new = [
                    a if a != -1 else b for a, b in zip((row[OWNER], row[DATE]), old, strict=True)
                ]
                assert sum(a != b for a, b in zip(old, new, strict=True)) == 1
                values[row[ITEM]] = new
            elif row[ACT] != CHAT:
                assert row[ITEM] in values


def test_at_most_two_speak_at_once_and_nobody_interrupts_themselves() -> None:
    for _, speakers, script in SCRIPTS:
        rows = said(script)
        assert rows[:, SPEAKER].min() >= 0
        assert rows[:, SPEAKER].max() < speakers
        assert (np.diff(rows[:, START]) > 0).all()
        assert (rows[1:, SPEAKER] != rows[:-1, SPEAKER]).all()
        assert (rows[2:, START] >= rows[:-2, END]).all()


def test_there_is_time_to_understand_every_sentence_and_the_meeting_ends_in_time() -> None:
    for _, _, script in SCRIPTS:
        rows = said(script)
        assert (rows[:, END] - rows[:, START] >= LISTEN + 4).all()
        assert rows[0, START] == talk.FIRST
        assert script.over_at == rows[:, END].max() <= talk.LATEST


def test_two_in_five_changes_of_the_speaker_overlap() -> None:
    overlaps = [said(s)[1:, START] < said(s)[:-1, END] for _, _, s in SCRIPTS]
    assert np.concatenate(overlaps).mean() == pytest.approx(0.4, abs=0.03)


def test_phrasings_and_topics_are_those_of_the_split_and_say_what_the_act_names() -> None:
    for split, _, script in SCRIPTS:
        assert TOPICS[script.topic].split == split
        assert sorted(script.agenda.tolist()) == list(range(ITEMS))
        for row in said(script).tolist():
            form = FORMS[row[talk.FORM]]
            assert form.split == split
            assert form.act in {row[ACT], VOLUNTEER, NEW_DATE}
            assert ("{date}" in form.text) == (row[DATE] != -1)
            names_owner = row[OWNER] != -1 and form.act != VOLUNTEER
            assert ("{owner}" in form.text) == names_owner
            assert ("{task}" in form.text) == (row[ITEM] != -1)


def test_no_phrasing_and_no_task_is_there_twice() -> None:
    tasks = [task for topic in TOPICS for task in topic.tasks]
    assert len(set(tasks)) == len(tasks)
    assert len({form.text for form in FORMS}) == len(FORMS)


def test_every_sentence_fits_into_a_text_observation_and_every_board_holds_its_lines() -> None:
    longest = max((task for topic in TOPICS for task in topic.tasks), key=lambda t: len(encode(t)))
    assert max(len(encode(sentence(form, 0, 4, longest, 2))) for form in range(len(FORMS))) < 48
    for topic in TOPICS:
        for half in (0, 1):
            check_sign_text("agenda", minutes.listed(topic.name, topic.tasks, half))
    lines = np.full((ITEMS, 2), (5, 2), np.int32)
    assert check_sign_text("minutes", minutes.board(lines, 1))[1].rstrip() == "D Fay Wednesday"


def test_who_volunteers_speaks_of_themselves() -> None:
    form = next(i for i, each in enumerate(FORMS) if each.act == VOLUNTEER)
    assert sentence(form, 1, 1, "book the hall", 4) == "Ben: I can book the hall by Friday."
    assert FORMS[form].act not in {PROPOSE, WITHDRAW}


# -- marks -----------------------------------------------------------------------------------------


pages = st.lists(
    st.one_of(st.none(), st.tuples(st.integers(0, 5), st.integers(0, 4))), min_size=6, max_size=6
)


def as_array(page: list[tuple[int, int] | None]) -> np.ndarray:
    return np.array([(-1, -1) if line is None else line for line in page], np.int32)[None]


@settings(max_examples=150)
@given(pages, pages)
def test_marks_are_those_of_the_message_understanding_conferences(lines, key):
    correct = partial = incorrect = missing = spurious = 0
    for line, due in zip(lines, key, strict=True):
        if line is not None and due is not None:
            right = (line[0] == due[0]) + (line[1] == due[1])
            correct, partial = correct + (right == 2), partial + (right == 1)
            incorrect += right == 0
        missing += line is None and due is not None
        spurious += line is not None and due is None
    possible = correct + partial + incorrect + missing
    actual = correct + partial + incorrect + spurious
    recall = (correct + 0.5 * partial) / possible if possible else 0.0
    precision = (correct + 0.5 * partial) / actual if actual else 0.0
    both = precision + recall
    marks = minutes.marked(as_array(lines), as_array(key))
    assert marks.recall[0] == pytest.approx(recall)
    assert marks.precision[0] == pytest.approx(precision)
    assert marks.f1[0] == pytest.approx(2 * precision * recall / both if both else 0.0)


def test_six_names_and_five_days_are_told_apart() -> None:
    assert len(set(NAMES)) == 6
    assert len(set(DAYS)) == 5
