"""What goes on inside the inhabitants, against the published equations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from als_scenarios.town.world.items import CHILD, NURSE, PATIENT, SCHOOL, WARD, YARD
from als_scenarios.town.world.life import (
    CALM,
    COLUMNS,
    DOSE,
    HUNGRY,
    ILL,
    INCUBATES,
    KNOWS,
    THRESHOLD,
    TIRED,
    live,
    measure,
)

SICK = 4
PEOPLE = 7


class People:
    """One world's inhabitants, all at school and well."""

    def __init__(self) -> None:
        self.body = np.zeros((1, PEOPLE, COLUMNS))
        self.body[..., THRESHOLD] = 1e9
        self.folk = np.zeros((1, PEOPLE, 5), np.int32)
        self.where = np.full((1, PEOPLE), SCHOOL, np.int32)
        self.lesson = np.zeros((1, PEOPLE), np.bool_)
        self.content = np.zeros((1, PEOPLE))

    def live(self, hours: float, times: int = 1, step: int = 0, laid: int = 0) -> None:
        steps, table = np.array([step]), np.array([laid], np.int32)
        for _ in range(times):
            live(self.where, steps, table, self.lesson, (self.body, self.folk), self.content, hours)


@given(st.floats(0.0, 1.0), st.floats(0.01, 12.0))
def test_tiredness_rises_as_the_two_process_model_says(tired: float, hours: float) -> None:
    people = People()
    people.body[..., TIRED] = tired
    people.live(hours)
    expected = 1.0 - (1.0 - tired) * math.exp(-hours / 18.18)
    np.testing.assert_allclose(people.body[..., TIRED], expected, rtol=1e-12)


def test_hours_may_be_cut_into_steps() -> None:
    one, many = People(), People()
    for people in (one, many):
        people.lesson[:] = True
        people.body[..., [TIRED, KNOWS, CALM]] = 0.3
    one.live(2.0)
    many.live(1 / 60, 120)
    np.testing.assert_allclose(one.body[..., [TIRED, KNOWS, CALM]],
                               many.body[..., [TIRED, KNOWS, CALM]], rtol=1e-10)  # fmt: skip


def test_a_quarter_of_what_is_not_known_is_learnt_in_an_hour_of_a_lesson() -> None:
    people = People()
    people.lesson[0, CHILD] = True
    people.body[..., KNOWS] = 0.4
    people.live(1.0)
    assert people.body[0, CHILD, KNOWS] == pytest.approx(0.4 + 0.25 * 0.6)
    assert people.body[0, NURSE, KNOWS] == 0.4


def test_who_breathes_with_the_ill_is_infected_as_wells_and_riley_have_it() -> None:
    people = People()
    people.where[:] = WARD
    people.where[0, CHILD] = YARD
    people.folk[0, PATIENT, SICK] = 1
    people.live(1 / 60, 30)
    dose = 67.0 * 0.48 * 0.5 / 210.0
    assert people.body[0, 0, DOSE] == pytest.approx(dose)
    assert people.body[0, NURSE, DOSE] == pytest.approx(0.05 * dose)
    assert people.body[0, CHILD, DOSE] == 0.0
    # With thresholds of the exponential distribution the share who catch it is 1 - exp(-dose).
    thresholds = -np.log(1.0 - (np.arange(10_000) + 0.5) / 10_000)
    assert (thresholds <= dose).mean() == pytest.approx(1 - math.exp(-dose), abs=1e-3)


def test_an_infection_breaks_out_after_three_quarters_of_an_hour_and_heals_on_the_ward() -> None:
    people = People()
    people.body[0, 0, [THRESHOLD, INCUBATES]] = 0.0, 1e-9
    people.live(1 / 60, 44)
    assert not people.folk[0, 0, SICK]
    people.live(1 / 60, 3)
    assert people.folk[0, 0, SICK]
    people.where[0, 0] = WARD
    people.live(1 / 60, 150)
    assert not people.folk[0, 0, SICK]
    assert people.body[0, 0, ILL] == 0.0
    people.folk[0, PATIENT, SICK] = 1
    people.where[0, PATIENT] = WARD
    people.live(1 / 60, 300)
    assert people.folk[0, PATIENT, SICK]


def test_a_laid_table_feeds_twice_as_well() -> None:
    left = []
    for laid in (0, 1):
        people = People()
        people.where[:] = YARD
        people.body[..., HUNGRY] = 0.9
        people.live(1 / 60, 6, step=250, laid=laid)
        left.append(0.9 + 0.1 / 8 - people.body[0, 0, HUNGRY])
    assert left[1] == pytest.approx(2 * left[0])


@given(*[st.floats(0.0, 1.0)] * 4)
def test_well_being_is_one_less_the_drive(a: float, b: float, c: float, d: float) -> None:
    people = People()
    people.body[..., :4] = a, b, c, d
    measure(np.array([0]), people.body, people.content)
    drive = (a**4 + b**4 + c**4 + (1 - d) ** 4) ** (1 / 3)
    np.testing.assert_allclose(people.content, 1 - drive / 4 ** (1 / 3), atol=1e-9)
