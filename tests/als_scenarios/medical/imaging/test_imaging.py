"""The reading room: who sees what, what trays and phone do, what it costs, what is held out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from bodies import put_avatar

from als_engine.errors import ArgumentError
from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS
from als_scenarios.medical import patients as records
from als_scenarios.medical.imaging.imaging import Imaging
from als_scenarios.medical.imaging.reading_room import (
    BOARD,
    LAMPS,
    LIGHTBOX,
    PHONE,
    READING_PLACE,
    TRAYS,
    VOICE,
    usable_places,
)
from als_scenarios.medical.imaging.scans import PIXELS, scans
from als_scenarios.medical.imaging.scores import BIOPSY, FOLLOW_UP, ROUTINE
from als_scenarios.medical.imaging.verdicts import (
    WEIGHTS,
    after_opinion,
    size_limit,
    worth_asking,
)
from als_scenarios.medical.imaging.worklist import (
    OPINION_SENSITIVITY,
    OPINION_SPECIFICITY,
    draw,
    labelled_patients,
)
from als_scenarios.medical.patients import patients

SCENARIO = "ALS/Imaging-v0"
STAY, USE = 0, 9
NORTH = math.pi / 2


def session(num_worlds: int = 1, **arguments: Any) -> Simulation:
    arguments.setdefault("sensors", ["scan"])
    arguments.setdefault("observers", 1)
    sim = simulate(SCENARIO, num_worlds, **arguments)
    sim.reset(range(num_worlds))
    sim.observe()
    return sim


def act(sim: Simulation, action: int, avatar: int = 0) -> None:
    actions = np.full((sim.num_worlds, sim.observers), STAY)
    actions[0, avatar] = action
    sim.step(actions)
    sim.observe()


def look(sim: Simulation, avatar: int = 0) -> None:
    """Puts somebody of the first world on the reading place, facing the lightbox."""
    put_avatar(sim, avatar, READING_PLACE, NORTH)
    act(sim, STAY)


def use(sim: Simulation, prop: int, avatar: int = 0) -> None:
    """Somebody of the first world uses a tray or the phone."""
    state = sim.state
    position = state.props.position[:, : PHONE + 1, :2]
    place = usable_places(position)[0, prop]
    away = position[0, prop] - place
    put_avatar(sim, avatar, place, math.atan2(away[1], away[0]))
    act(sim, USE, avatar)
    assert state.events.used[0, avatar] == prop


def file(sim: Simulation, category: int) -> dict[str, float]:
    """The reader looks at the case that is on and files it; the terms of the reward."""
    look(sim)
    use(sim, category)
    terms = sim.task.reward_terms(sim.state)
    return {name: float(values[0, 0]) for name, values in terms.items()}


def is_ill(sim: Simulation, case: int) -> bool:
    return bool(patients().malignant[sim.state["patient"][0, case]])


def sign(sim: Simulation, name: str) -> str:
    return sim.state.signs.text[0][sim.state.signs.names.index(name)]


# -- looking ---------------------------------------------------------------------------------------


def test_the_session_begins_before_a_lightbox_that_fills_most_of_the_view() -> None:
    sim = session(4, sensors=["semantic"])
    assert sim.state["seen"].all()
    kinds = sim.observations["semantic"][:, 0, ..., 0]
    assert ((kinds == 6).mean((1, 2)) > 0.5).all()


def test_the_lightbox_shows_the_case_that_is_on() -> None:
    sim = session()
    for case in range(3):
        now = [sim.state[name][:, case] for name in ("patient", "view")]
        expected = scans(*now, sim.state["scanner"])[0]
        np.testing.assert_array_equal(sim.state.screens.picture[0, 0], expected)
        assert sign(sim, BOARD) == f"CASE {case + 1} OF 8"
        file(sim, FOLLOW_UP)


@pytest.mark.parametrize(
    ("place", "heading", "sees"),
    [
        (READING_PLACE, NORTH, True),
        (READING_PLACE, NORTH + 0.4, True),
        (READING_PLACE, NORTH + 0.7, False),
        (READING_PLACE, -NORTH, False),
        ((0.0, 0.3), NORTH, False),
        ((-1.5, 2.0), 0.2, False),
    ],
)
def test_who_stands_before_the_lightbox_and_faces_it_sees_the_scan(
    place: tuple[float, float], heading: float, sees: bool
) -> None:
    sim = session(num_avatars=1)
    put_avatar(sim, 0, place, heading)
    act(sim, STAY)
    scan = sim.observations["scan"][0, 0]
    expected = sim.state.screens.picture[0, 0].astype(int)
    expected = expected.reshape(PIXELS // 2, 2, PIXELS // 2, 2, 3).sum((1, 3)) // 4
    np.testing.assert_array_equal(scan, expected if sees else np.zeros_like(expected))


def test_a_tray_takes_no_case_that_the_reader_has_not_looked_at() -> None:
    sim = session()
    use(sim, ROUTINE)
    assert sim.state["current"][0] == 1  # It had seen the first one.
    use(sim, ROUTINE)
    assert sim.state["current"][0] == 1
    look(sim)
    use(sim, ROUTINE)
    assert sim.state["current"][0] == 2


# -- filing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("category", [ROUTINE, FOLLOW_UP, BIOPSY])
def test_what_filing_is_worth(category: int) -> None:
    sim, met = session(level=3), set()
    table = {
        (False, ROUTINE): ("right", 1.0),
        (False, FOLLOW_UP): ("follow_up", 0.5),
        (False, BIOPSY): ("alarm", -0.3),
        (True, ROUTINE): ("missed", -3.0),
        (True, FOLLOW_UP): ("follow_up", -0.3),
        (True, BIOPSY): ("right", 1.0),
    }
    for case in range(8):
        ill = is_ill(sim, case)
        term, value = table[ill, category]
        expected = dict.fromkeys(Imaging.reward_names, 0.0) | {term: value, "time": WEIGHTS.step}
        assert file(sim, category) == pytest.approx(expected)
        met.add(ill)
    assert met == {False, True}
    assert sim.terminated[0]
    assert not sim.state.screens.on[0, 0]
    assert sign(sim, BOARD) == "ALL CASES\nARE FILED"


def test_success_is_no_malignancy_missed_and_three_quarters_right() -> None:
    for slips, missed, success in ((0, 0, True), (2, 0, True), (3, 0, False), (0, 1, False)):
        sim = session(level=3)
        for case in range(8):
            ill = is_ill(sim, case)
            if ill and missed:
                category, missed = ROUTINE, missed - 1
            elif slips:
                category, slips = FOLLOW_UP, slips - 1
            else:
                category = BIOPSY if ill else ROUTINE
            file(sim, category)
        metrics = {name: value[0] for name, value in sim.metrics().items()}
        assert metrics["success"] == success
        assert metrics["filed"] == 8
        if success and metrics["accuracy"] == 1:
            assert metrics["auroc"] == metrics["sensitivity_at_95_specificity"] == 1


def test_metrics_count_the_cases_by_truth_and_category() -> None:
    sim = session(level=3)
    start = {name: value[0] for name, value in sim.metrics().items()}
    assert (start["auroc"], start["sensitivity_at_95_specificity"]) == (0.5, pytest.approx(0.05))
    for _ in range(8):
        file(sim, BIOPSY)
    metrics = {name: value[0] for name, value in sim.metrics().items()}
    ill = int(patients().malignant[sim.state["patient"][0]].sum())
    assert metrics["true_positives"] == ill
    assert metrics["false_positives"] == 8 - ill
    assert metrics["false_negatives"] == metrics["true_negatives"] == 0
    assert metrics["auroc"] == 0.5
    assert metrics["accuracy"] == ill / 8


# -- the phone -------------------------------------------------------------------------------------


def test_a_second_opinion_is_said_written_shown_and_paid_for_once() -> None:
    sim = session(level=5)
    state = sim.state
    for paid in (WEIGHTS.opinion, 0.0):
        use(sim, PHONE)
        assert sim.task.reward_terms(state)["opinions"][0, 0] == paid
    ill = bool(state["opinion"][0, 0])
    verdict = "malignant" if ill else "benign"
    assert state.sounds.text[0][state.sounds.names.index(VOICE)] == f"second opinion: {verdict}"
    assert sign(sim, BOARD) == f"CASE 1 OF 8\n2ND OPINION:\n{verdict.upper()}"
    lit = [bool(state.props.present[0, state.prop(lamp)]) for lamp in LAMPS]
    assert lit == [not ill, ill]
    assert sim.metrics()["opinions"] == 1
    file(sim, FOLLOW_UP)
    assert not any(state.props.present[0, state.prop(lamp)] for lamp in LAMPS)
    assert not state.sounds.on[0].any()
    assert sign(sim, BOARD) == "CASE 2 OF 8"


def test_opinions_are_right_as_often_as_published() -> None:
    rng = np.random.default_rng(0)
    lists = [draw(rng, "train", 8, 341, "own") for _ in range(2_000)]
    ill = patients().malignant[np.stack([each.patient for each in lists])]
    says = np.stack([each.opinion for each in lists])
    assert says[ill].mean() == pytest.approx(OPINION_SENSITIVITY, abs=0.01)
    assert (~says[~ill]).mean() == pytest.approx(OPINION_SPECIFICITY, abs=0.01)
    assert ill.mean() == pytest.approx(0.373, abs=0.01)


def test_an_opinion_changes_the_odds_by_bayes_rule_and_is_asked_for_where_it_helps() -> None:
    likely = np.array([0.1, 0.5])
    told = after_opinion(likely, np.array([True, False]))
    odds = 0.1 / 0.9 * OPINION_SENSITIVITY / (1 - OPINION_SPECIFICITY)
    assert told[0] / (1 - told[0]) == pytest.approx(odds)
    assert told[1] == pytest.approx(0.073 / (0.073 + 0.948))
    asked = worth_asking(np.linspace(0, 1, 101))
    assert asked[30]
    assert not asked[0]
    assert not asked[100]
    assert (np.diff(asked.astype(int)) != 0).sum() == 2  # One range of doubt.


def test_a_colleague_phones_for_the_reader_and_files_nothing() -> None:
    sim = session(observers=2)
    use(sim, BIOPSY, avatar=1)
    assert sim.state["current"][0] == 0
    use(sim, PHONE, avatar=1)
    assert sim.state["asked"][0, 0]
    assert sim.rewards[0, 0] == sim.rewards[0, 1]


# -- what is hidden, and what is held out ----------------------------------------------------------


def test_neither_the_truth_nor_an_opinion_nor_the_next_case_is_observed() -> None:
    every = ["rgb", "scan", "text", "audio", "entities", "proprioception", "touch"]
    seen = []
    for spoilt in (False, True):
        sim = session(2, sensors=every)
        if spoilt:
            sim.state["opinion"][:] ^= True
            sim.state["patient"][:] = (sim.state["patient"] + 100) % 569
            sim.state["view"][:] += 1
        for _ in range(3):
            sim.step(np.full((2, 1), 5))
        sim.observe()
        seen.append({key: array.tobytes() for key, array in sim.observations.items()})
    assert seen[0] == seen[1]


def test_pictures_do_not_know_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    before = scans(np.arange(9), np.arange(9), np.zeros(9, int))
    real = patients()
    lie = records.Patients(real.measurements, real.standard, ~real.malignant, real.split)
    monkeypatch.setattr(records, "patients", lambda: lie)
    monkeypatch.setattr("als_scenarios.medical.imaging.scans.patients", lambda: lie)
    assert scans(np.arange(9), np.arange(9), np.zeros(9, int)).tobytes() == before.tobytes()


@pytest.mark.parametrize("split", LEVELS)
def test_worklists_are_of_their_own_split_and_the_shelf_is_of_training(split: Any) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        each = draw(rng, split, 8, 60, "own")
        own = labelled_patients(60) if split == "train" else patients().of(split)
        assert np.isin(each.patient, own).all()
        assert np.isin(each.shelf, labelled_patients(60)).all()
        assert not np.isin(each.shelf, each.patient).any()
        assert len(np.unique(each.patient)) == 8
        np.testing.assert_array_equal(patients().malignant[each.shelf].all(1), [False, True])
        assert 2 <= patients().malignant[each.patient].sum() <= 4


def test_few_labelled_patients_are_the_first_of_more_with_the_same_share() -> None:
    every = labelled_patients()
    assert sorted(every.tolist()) == patients().of("train").tolist()
    for count in (40, 100, 200):
        few = labelled_patients(count)
        np.testing.assert_array_equal(few, every[:count])
        assert patients().malignant[few].mean() == pytest.approx(0.372, abs=0.02)


def test_a_chosen_scanner_is_that_of_all_splits() -> None:
    for split in LEVELS:
        sim = session(4, split=split, scanner="mint")
        assert (sim.state["scanner"] == 1).all()
    with pytest.raises(ArgumentError, match="scanner"):
        simulate(SCENARIO, scanner="dusk")


def test_validation_and_test_each_have_one_who_is_in_the_room_there_only() -> None:
    behaviours = Imaging().behaviours()
    held_out = {n: one.splits for n, one in behaviours.items() if "train" not in one.splits}
    assert held_out == {"passes": ("test",), "watches": ("validation",)}


@pytest.mark.parametrize("behaviour", ["restocks", "reads", "paces", "passes", "watches"])
def test_people_in_the_room_walk_about_and_change_nothing(behaviour: str) -> None:
    sim = session(3, num_avatars=3, background=behaviour, num_cases=2)
    start = sim.state.avatars.position[:, 1:].copy()
    for _ in range(90):
        sim.step(np.full((3, 1), STAY))
    assert not sim.state["asked"].any()
    assert not sim.state["current"].any()
    assert (np.abs(sim.state.avatars.position[:, 1:] - start) > 0.2).any()


# -- it can be solved ------------------------------------------------------------------------------


def play(sim: Simulation, rule: str | None = None) -> dict[str, np.ndarray]:
    """One episode in every world; the metrics and the returns at its end."""
    ended = np.zeros(sim.num_worlds, bool)
    out: dict[str, np.ndarray] = {}
    while not ended.all():
        sim.advance(sim.expert_actions(rule))
        now = (sim.terminated | sim.truncated) & ~ended
        ended |= now
        for name, value in {**sim.metrics(), "return": sim.returns[:, 0]}.items():
            out.setdefault(name, np.zeros(sim.num_worlds))[now] = value[now]
    sim.close()
    return out


@pytest.mark.parametrize(("split", "mode"), [("train", "factored"), ("test", "discrete")])
def test_the_expert_files_all_cases_and_nearly_all_rightly(split: str, mode: str) -> None:
    ends = play(session(24, split=split, action_mode=mode))
    assert (ends["filed"] == 8).all()
    assert ends["success"].mean() >= 0.75
    assert ends["accuracy"].mean() > 0.85
    assert ends["return"].mean() > 6


def test_rules_act_on_what_could_be_known_and_lie_below_the_expert() -> None:
    for rule in Imaging().heuristics():
        ends = play(session(16), rule)
        assert (ends["filed"] == 8).all()
        assert 2 < ends["return"].mean() < 6.3
        assert ends["opinions"].mean() == (8 if rule == "second-opinion" else 0)


def test_the_size_limit_lies_between_benign_and_malignant_means() -> None:
    radius, ill = patients().measurements[:, 0], patients().malignant
    assert radius[~ill].mean() < size_limit() < radius[ill].mean()


def test_the_weights_make_follow_up_the_choice_of_who_is_unsure() -> None:
    likely = np.linspace(0, 1, 1_001)
    best = WEIGHTS.worth(likely).argmax(-1)
    assert (np.diff(best) >= 0).all()
    changes = likely[1:][np.diff(best) > 0]
    assert changes == pytest.approx([0.5 / 3.2, 0.8 / 2.1], abs=2e-3)


def test_trays_and_screens_have_their_places() -> None:
    sim = session()
    names = sim.state.props.names
    assert names[: PHONE + 1] == (*TRAYS, "phone")
    assert sim.state.screens.names[0] == LIGHTBOX
