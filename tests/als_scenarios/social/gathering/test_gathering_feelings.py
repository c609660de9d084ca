"""The guests' feelings and cues: the published equations, written again for one guest at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.task import LEVELS
from als_scenarios.social.gathering import cues, evening, people
from als_scenarios.social.gathering.feelings import (
    ANGRY,
    CALM,
    CHANCE,
    CONTAGION,
    ENOUGH,
    HAPPY,
    LONELY,
    MARGIN,
    REACH,
    RETURN,
    SAD,
    drift,
    homes,
    quadrant,
    rename,
    well_being,
)
from als_scenarios.social.gathering.people import BLANK, FEIGNED, SHOWN

STEP = 1 / 15


def world(seed: int, guests: int, worlds: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    each = (worlds, guests)
    return {
        "feeling": rng.uniform(-1, 1, (*each, 2)),
        "home": rng.uniform(-1, 1, (*each, 2)),
        "openness": rng.uniform(0, 1, each),
        "vividness": rng.uniform(0, 1, each),
        "place": rng.uniform(-3, 3, (*each, 3)),
        "inside": rng.random(each) < 0.2,
        "draws": rng.random((*each, 2)),
    }


def one_by_one(of: dict[str, np.ndarray]) -> np.ndarray:
    """The equations of the model's docstring for one world, guest by guest."""
    guests = of["feeling"].shape[1]
    out = np.empty((guests, 2))
    for i in range(guests):
        for k in range(2):
            q = of["feeling"][0, i, k]
            rate = RETURN * (of["home"][0, i, k] - q)
            for j in range(guests):
                if j == i or of["inside"][0, i] != of["inside"][0, j]:
                    continue
                d = math.dist(of["place"][0, i, :2], of["place"][0, j, :2])
                gain = CONTAGION * of["openness"][0, i] * math.exp(-((d / REACH) ** 2))
                rate += gain * of["vividness"][0, j] * (of["feeling"][0, j, k] - q)
            noise = (of["draws"][0, i, k] - 0.5) * math.sqrt(12) * CHANCE * math.sqrt(STEP)
            out[i, k] = min(max(q + rate * STEP + noise, -1), 1)
    return out


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_feelings_drift_as_the_published_equations_say(seed: int, guests: int) -> None:
    of = world(seed, guests)
    expected = one_by_one(of)
    drift(**of, time_step=STEP)
    np.testing.assert_allclose(of["feeling"][0], expected, rtol=0, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_a_world_among_many_feels_the_same_bits_as_alone(seed: int) -> None:
    many = world(seed, 5, worlds=4)
    alone = {name: array[2:3].copy() for name, array in many.items()}
    drift(**many, time_step=STEP)
    drift(**alone, time_step=STEP)
    assert many["feeling"][2:3].tobytes() == alone["feeling"].tobytes()


def test_one_alone_comes_home_exponentially() -> None:
    of = world(1, 1)
    of["draws"][:] = 0.5
    start, home = of["feeling"].copy(), of["home"]
    for _ in range(75):
        drift(**of, time_step=STEP)
    expected = home + (start - home) * (1 - RETURN * STEP) ** 75
    np.testing.assert_allclose(of["feeling"], expected, atol=1e-12)
    np.testing.assert_allclose(
        of["feeling"], home + (start - home) * math.exp(-5 * RETURN), atol=0.02
    )


def test_chance_alone_spreads_as_an_ornstein_uhlenbeck_process() -> None:
    of = world(2, 1, worlds=4_000)
    of["feeling"][:] = of["home"][:] = 0.0
    rng = np.random.default_rng(3)
    for _ in range(300):
        of["draws"][:] = rng.random(of["draws"].shape)
        drift(**of, time_step=STEP)
    assert of["feeling"].std() == pytest.approx(CHANCE / math.sqrt(2 * RETURN), rel=0.05)


def test_contagion_draws_together_and_keeps_the_mean_of_equals() -> None:
    of = world(4, 2)
    of["openness"][:] = of["vividness"][:] = 1.0
    of["place"][:], of["inside"][:], of["draws"][:] = 0.0, False, 0.5
    of["home"][:] = of["feeling"]
    gap = np.abs(of["feeling"][0, 0] - of["feeling"][0, 1])
    mean = of["feeling"].mean(1)
    drift(**of, time_step=STEP)
    assert (np.abs(of["feeling"][0, 0] - of["feeling"][0, 1]) < gap).all()
    np.testing.assert_allclose(of["feeling"].mean(1), mean, atol=1e-12)


def test_no_feeling_passes_a_wall() -> None:
    of = world(5, 2)
    of["place"][:], of["inside"][:], of["draws"][:] = 0.0, [[True, False]], 0.5
    of["home"][:] = of["feeling"]
    before = of["feeling"].copy()
    drift(**of, time_step=STEP)
    np.testing.assert_array_equal(of["feeling"], before)


@pytest.mark.parametrize("friends", range(4))
def test_loneliness_ends_with_the_second_acquaintance(friends: int) -> None:
    knows = np.zeros((1, 4, 4), bool)
    knows[0, 0, 1 : 1 + friends] = True
    temper, burden = np.full((1, 4, 2), 0.5), np.zeros((1, 4, 2))
    home = homes(temper, burden, knows)
    assert home[0, 0, 0] == pytest.approx(0.5 - LONELY * max(ENOUGH - friends, 0) / ENOUGH)
    assert home[0, 0, 1] == 0.5


def test_moods_are_the_quadrants_of_valence_and_arousal() -> None:
    corners = np.array([[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])
    assert quadrant(corners).tolist() == [HAPPY, ANGRY, SAD, CALM]
    np.testing.assert_array_equal(well_being(corners), [0.75, 0.25, 0.25, 0.75])


@settings(max_examples=60, deadline=None)
@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(0, 3))
def test_a_mood_changes_only_beyond_the_margin(valence: float, arousal: float, old: int) -> None:
    mood = np.array([[old]], np.int8)
    rename(np.array([[[valence, arousal]]]), mood)
    pleased = valence > 0 if abs(valence) >= MARGIN else old in (HAPPY, CALM)
    roused = arousal > 0 if abs(arousal) >= MARGIN else old in (HAPPY, ANGRY)
    expected = (HAPPY if roused else CALM) if pleased else (ANGRY if roused else SAD)
    assert mood[0, 0] == expected


# -- cues ------------------------------------------------------------------------------------------


def test_a_cue_tells_the_mood_or_nothing_or_good_cheer() -> None:
    felt = np.array([[[-0.6, -0.4]] * 3])
    told = cues.shown(felt, np.array([[BLANK, SHOWN, FEIGNED]], np.int8))
    np.testing.assert_array_equal(told[0], [[0, 0], [-0.6, -0.4], cues.CHEER])


def test_voices_change_as_the_literature_says() -> None:
    quiet = np.full((1, 8), 0.5)

    def voice(valence: float, arousal: float) -> np.ndarray:
        return cues.voice_of(np.array([3], np.int16), np.array([[valence, arousal]]), quiet)[0]

    usual = voice(0, 0)
    np.testing.assert_allclose(usual, people.VOICES[3])
    # A raised voice is lifted in all bands, most at 1 kHz; ANSI S3.5-1997.
    np.testing.assert_allclose(
        (voice(0, 1) - usual - 2.0 * people.PITCH) / 0.6,
        [1.0, 2.5, 4.23, 5.88, 8.85, 8.0, 7.45, 3.94],
    )
    assert (voice(0, -0.5)[3:] < usual[3:]).all()
    assert (voice(-0.5, 0)[5:] > usual[5:]).all()  # Displeasure: more high frequencies.


def test_a_voice_sends_out_power_one_on_average() -> None:
    assert cues.power(np.zeros((1, 8))).sum() == pytest.approx(1.0, abs=0.1)
    np.testing.assert_allclose(
        cues.power(np.full((1, 8), 10.0)), 10 * cues.power(np.zeros((1, 8))), rtol=1e-12
    )


def test_joy_quickens_a_gait_and_sorrow_sways() -> None:
    person = np.array([5], np.int16)
    speed, sway = cues.gait_of(person, np.array([[0.0, 0.0]]))[0]
    glad, sorry = np.array([[0.6, 0.5]]), np.array([[-0.6, -0.5]])
    assert cues.gait_of(person, glad)[0, 0] > speed > cues.gait_of(person, sorry)[0, 0]
    assert cues.gait_of(person, sorry)[0, 1] > sway > cues.gait_of(person, glad)[0, 1]


# -- people and levels -----------------------------------------------------------------------------


def test_octaves_are_the_sums_of_the_published_third_octaves() -> None:
    men = [
        (38.6, 43.5), (54.4, 57.7, 56.8), (58.2, 59.7, 60.0), (62.4, 62.6, 60.6),
        (55.7, 53.1, 53.7), (52.3, 48.7, 48.9), (47.0, 46.0, 44.4), (43.3, 42.4, 41.9),
    ]  # fmt: skip
    women = [
        (37.0, 36.0), (37.5, 40.1, 53.4), (62.2, 60.9, 58.1), (61.7, 61.7, 60.4),
        (58.0, 54.3, 52.3), (51.7, 48.8, 47.3), (46.7, 45.3, 44.6), (45.2, 44.9, 45.0),
    ]  # fmt: skip
    for thirds, octaves in ((men, people.MALE_SPEECH), (women, people.FEMALE_SPEECH)):
        summed = [10 * math.log10(sum(10 ** (each / 10) for each in band)) for band in thirds]
        np.testing.assert_allclose(octaves, summed, atol=0.06)


def test_everybody_belongs_to_one_split_and_so_does_every_combination_of_cues() -> None:
    for parts, count in ((people.PEOPLE, 48), (people.COMBINATIONS_OF, len(people.COMBINATIONS))):
        assert sorted(np.concatenate([parts[split] for split in LEVELS]).tolist()) == [
            *range(count)
        ]
    assert [len(people.PEOPLE[split]) for split in LEVELS] == [24, 12, 12]
    assert all(len(each) == 6 for split in ("validation", "test") for each in people.pool(split))
    assert len(set(people.NAMES)) == 48


def test_some_cue_always_tells_the_mood_and_each_state_of_a_cue_is_met_in_training() -> None:
    table = people.COMBINATIONS
    assert ((table[:, 0] == SHOWN) | (table[:, 2] == SHOWN)).all()
    assert len({tuple(row) for row in table.tolist()}) == len(table)
    learnt = table[people.COMBINATIONS_OF["train"]]
    for cue in range(3):
        assert set(table[:, cue].tolist()) == set(learnt[:, cue].tolist())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 6), st.sampled_from([*LEVELS]))
def test_an_evening_has_impostors_and_invited_people_at_the_door(
    seed: int, guests: int, split: str
) -> None:
    company = evening.invite(np.random.default_rng(seed), guests, split)
    assert len({*company.person.tolist()}) == guests
    assert len({*company.invited.tolist()}) == evening.INVITED
    assert {*company.person.tolist(), *company.invited.tolist()} <= {*people.PEOPLE[split].tolist()}
    comers = np.flatnonzero(company.claims >= 0)
    named = company.invited[company.claims[comers]]
    genuine = named == company.person[comers]
    assert len(comers) == min(guests, 4)
    assert 1 <= genuine.sum() < len(comers)
    assert len({*named.tolist()}) == len(comers)  # Nobody's name is taken twice.
    absent = named[~genuine]
    assert not {*absent.tolist()} & {*company.person.tolist()}
    np.testing.assert_array_equal(
        people.IS_WOMAN[absent], people.IS_WOMAN[company.person[comers[~genuine]]]
    )
    gaps = np.diff(np.sort(company.due[comers]))
    assert gaps.min() >= evening.BETWEEN_CLAIMS - evening.CLAIM_JITTER
