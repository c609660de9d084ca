"""The clinic: what stations and desks do, what it costs, who is held out, and that it works."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import pytest
from bodies import put_avatar
from sklearn.datasets import load_breast_cancer

from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS
from als_engine.world.layout import check_sign_text, rgb
from als_scenarios.medical import clinic
from als_scenarios.medical import patients as records
from als_scenarios.medical.clinic import BENIGN, DESKS, MALIGNANT
from als_scenarios.medical.diagnosis import WEIGHTS, Diagnosis
from als_scenarios.medical.patients import (
    CLIP,
    NUM_FEATURES,
    NUM_PANELS,
    PANEL_OF_FEATURE,
    PANELS,
    fit_model,
    malignancy,
    model,
    panel_text,
    patients,
)

SCENARIO = "ALS/Diagnosis-v0"
STAY, USE = 0, 9


def visit(num_worlds: int = 1, **arguments: Any) -> Simulation:
    arguments.setdefault("sensors", ["chart"])
    sim = simulate(SCENARIO, num_worlds, **arguments)
    sim.reset(range(num_worlds))
    sim.observe()
    return sim


def send(sim: Simulation, avatar: int, prop: int, world: int = 0) -> None:
    """Puts an avatar before a station or a desk, at rest and facing it."""
    state = sim.state
    place = clinic.standing_places(state)[world, prop]
    away = state.props.position[world, prop, :2] - place
    put_avatar(sim, avatar, place, math.atan2(away[1], away[0]), world)


def use(sim: Simulation, avatar: int, prop: int) -> None:
    """One avatar of the first world uses a station or a desk; everybody else stands still."""
    send(sim, avatar, prop)
    actions = np.full((sim.num_worlds, sim.observers), STAY)
    actions[0, avatar] = USE
    sim.step(actions)
    assert sim.state.events.used[0, avatar] == prop


def level_of(malignant: bool) -> int:
    """A training level whose patient is ill, or is not."""
    sim = visit(16)
    metrics = sim.metrics()
    return int(metrics["level"][metrics["malignant"] == malignant][0])


def patient_of(level: int) -> int:
    seed = [zlib.crc32(SCENARIO.encode()), level]
    layout = Diagnosis(num_avatars=1).layout(np.random.default_rng(seed), level)
    return int(np.asarray(layout.quantities["patient"]))


def play(policy: str, num_worlds: int, **arguments: Any) -> dict[str, np.ndarray]:
    """One episode in every world: returns of the doctor, and the metrics at its end."""
    sim = visit(num_worlds, **arguments)
    rng = np.random.default_rng(0)
    ended = np.zeros(num_worlds, bool)
    out: dict[str, np.ndarray] = {}
    while not ended.all():
        actions = sim.expert_actions()
        if policy == "random" and sim.action_mode == "discrete":
            actions = rng.integers(sim.action_space.n, size=actions.shape)
        elif policy == "random":
            actions = rng.uniform(-1, 1, actions.shape).astype(np.float32)
        sim.advance(actions)
        now = (sim.terminated | sim.truncated) & ~ended
        ended |= now
        for name, value in {**sim.metrics(), "return": sim.returns[:, 0]}.items():
            out.setdefault(name, np.zeros(num_worlds))[now] = value[now]
        out.setdefault("steps", np.zeros(num_worlds))[now] = sim.state.step[now]
    sim.close()
    return out


# -- the patients ----------------------------------------------------------------------------------


def test_the_patients_are_those_of_the_wisconsin_data() -> None:
    assert patients().measurements.shape == (569, 30)
    assert patients().malignant.sum() == 212
    assert patients().measurements[0, 0] == 17.99  # The first patient's mean radius.
    assert patients().malignant[0]
    data = load_breast_cancer()  # They are read without importing scikit-learn.
    assert patients().measurements.tobytes() == data.data.tobytes()
    np.testing.assert_array_equal(patients().malignant, data.target == 0)


def test_no_patient_is_in_two_splits_and_none_is_left_out() -> None:
    found = [patients().of(split) for split in ("train", "validation", "test")]
    assert sorted(np.concatenate(found).tolist()) == list(range(569))
    assert list(map(len, found)) == [341, 58, 170]


def test_all_splits_have_the_same_share_of_malignant_tumours() -> None:
    shares = [patients().malignant[patients().of(split)].mean() for split in LEVELS]
    assert shares == pytest.approx([0.372] * 3, abs=0.01)


@pytest.mark.parametrize("split", LEVELS)
def test_levels_meet_patients_of_their_own_split_and_in_time_all_of_them(split: str) -> None:
    met = {patient_of(level) for level in LEVELS[split][: 9 * len(patients().of(split))]}
    assert met <= set(patients().of(split).tolist())
    assert len(met) >= 0.99 * len(patients().of(split))


def test_measurements_are_standardised_without_the_test_patients() -> None:
    train = patients().of("train", "validation")
    inside = np.abs(patients().standard[train]) < CLIP
    raw = patients().measurements
    expected = (raw - raw[train].mean(0)) / raw[train].std(0)
    np.testing.assert_allclose(patients().standard, expected.clip(-CLIP, CLIP), atol=1e-5)
    assert inside.mean() > 0.99


def test_the_frozen_model_is_what_the_training_patients_give() -> None:
    np.testing.assert_allclose(model(), fit_model(), atol=0.002)


def test_the_model_never_sees_a_held_out_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    real = patients()
    standard, malignant = real.standard.copy(), real.malignant.copy()
    test = real.of("test")
    standard[test], malignant[test] = -standard[test], ~malignant[test]
    spoilt = records.Patients(real.measurements, standard, malignant, real.split)
    before = fit_model()
    monkeypatch.setattr(records, "patients", lambda: spoilt)
    np.testing.assert_array_equal(fit_model(), before)


def test_the_model_reads_nothing_that_was_not_measured() -> None:
    for row in range(1 << NUM_PANELS):
        measured = np.array([bool(row >> panel & 1) for panel in range(NUM_PANELS)])
        assert not model()[row, :-1][~measured[PANEL_OF_FEATURE]].any()


def test_more_panels_tell_more() -> None:
    train = patients().of("train")
    truth = patients().malignant[train]
    losses = []
    for count in range(NUM_PANELS + 1):
        measured = np.zeros((len(train), NUM_PANELS), bool)
        measured[:, records.ORDER[:count]] = True
        likely = malignancy(train, measured)
        losses.append(-np.log(np.where(truth, likely, 1 - likely)).mean())
    assert (np.diff(losses) < 0).all()


def test_every_result_fits_on_its_sign() -> None:
    for panel in range(NUM_PANELS):
        check_sign_text("sign", PANELS[panel].title)
        for patient in range(569):
            assert len(check_sign_text("sign", panel_text(panel, patient))) == 4


# -- stations --------------------------------------------------------------------------------------


def test_at_first_the_chart_is_empty() -> None:
    sim = visit(4)
    assert not sim.observations["chart"][..., :-1].any()


@pytest.mark.parametrize("panel", range(NUM_PANELS), ids=[panel.name for panel in PANELS])
def test_a_station_reveals_its_panel_and_no_other(panel: int) -> None:
    sim = visit()
    use(sim, 0, panel)
    chart = sim.observations["chart"][0, 0]
    known = panel == PANEL_OF_FEATURE
    np.testing.assert_array_equal(chart[NUM_FEATURES:-1], known)
    expected = patients().standard[sim.state["patient"][0]] * known
    np.testing.assert_array_equal(chart[:NUM_FEATURES], expected)
    shown = sim.state.signs.text[0][sim.state.signs.names.index(f"{PANELS[panel].name} sign")]
    assert shown == panel_text(panel, int(sim.state["patient"][0]))


def test_the_panels_together_are_the_whole_chart() -> None:
    sim = visit()
    for panel in range(NUM_PANELS):
        use(sim, 0, panel)
    chart = sim.observations["chart"][0, 0]
    np.testing.assert_array_equal(
        chart[:NUM_FEATURES], patients().standard[sim.state["patient"][0]]
    )
    assert chart[NUM_FEATURES:-1].all()
    assert sim.metrics()["panels_measured"] == NUM_PANELS


def test_a_panel_is_paid_for_once() -> None:
    sim = visit()
    for measured_before in (False, True):
        use(sim, 0, 3)
        price = WEIGHTS.step + (0.0 if measured_before else WEIGHTS.panel)
        assert sim.rewards[0, 0] == pytest.approx(price + sim.state["shaping"][0])
    assert sim.metrics()["panels_measured"] == 1
    assert sim.metrics()["cost"] == pytest.approx(-WEIGHTS.panel - 2 * WEIGHTS.step)


def test_stations_and_desks_can_be_told_apart_by_their_colours() -> None:
    sim = visit()
    colors = {tuple(color) for color in sim.state.props.color[0].tolist()}
    assert len(colors) == NUM_PANELS + len(DESKS)
    assert rgb("red") == tuple(sim.state.props.color[0, MALIGNANT].tolist())
    assert rgb("green") == tuple(sim.state.props.color[0, BENIGN].tolist())


def test_where_a_panel_is_measured_changes_from_level_to_level() -> None:
    sim = visit(16)
    places = sim.state.props.position[:, :NUM_PANELS, :2].round(0)
    assert len({places[world].tobytes() for world in range(16)}) > 8


# -- desks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("malignant", [False, True])
@pytest.mark.parametrize("desk", [BENIGN, MALIGNANT])
def test_a_desk_decides_and_the_truth_is_in_the_reward(malignant: bool, desk: int) -> None:
    sim = visit(level=level_of(malignant))
    use(sim, 0, desk)
    right = (desk == MALIGNANT) == malignant
    wrong = WEIGHTS.missed if malignant else WEIGHTS.false_alarm
    earned = sim.rewards[0, 0] - sim.state["shaping"][0] - WEIGHTS.step
    assert earned == pytest.approx(WEIGHTS.right if right else wrong)
    assert sim.terminated[0]
    metrics = {name: value[0] for name, value in sim.metrics().items()}
    assert metrics["success"] == right
    assert metrics["malignant"] == malignant
    assert metrics["missed_malignancy"] == (malignant and not right)
    assert metrics["false_alarm"] == (not malignant and not right)
    assert metrics["decided"]


def test_a_missed_malignancy_costs_most() -> None:
    assert WEIGHTS.missed < WEIGHTS.false_alarm < WEIGHTS.panel < WEIGHTS.step < 0 < WEIGHTS.right


def test_deciding_blindly_is_better_than_not_deciding() -> None:
    nothing_known = malignancy(np.array([0]), np.zeros((1, NUM_PANELS), bool))
    assert WEIGHTS.decision_value(nothing_known)[0] > WEIGHTS.undecided


def test_the_threshold_is_where_both_desks_are_worth_the_same() -> None:
    p = WEIGHTS.threshold
    malignant = p * WEIGHTS.right + (1 - p) * WEIGHTS.false_alarm
    benign = (1 - p) * WEIGHTS.right + p * WEIGHTS.missed
    assert malignant == pytest.approx(benign)


def test_who_never_decides_sends_the_patient_home_and_does_not_succeed() -> None:
    sim = visit(max_episode_steps=3)
    for _ in range(3):
        assert not sim.truncated[0]
        sim.step(np.full((1, 2), STAY))
    earned = sim.rewards[0, 0] - sim.state["shaping"][0] - WEIGHTS.step
    assert earned == pytest.approx(WEIGHTS.undecided)
    assert sim.truncated[0]
    assert not sim.terminated[0]
    assert not sim.metrics()["success"][0]
    assert not sim.metrics()["decided"][0]


def test_shaping_gives_every_episode_of_a_level_the_same() -> None:
    for visited in ([BENIGN], [2, 4, MALIGNANT], [1, 1, 1, 1]):
        sim = visit(level=5, max_episode_steps=4)
        start, total = float(sim.state["potential"][0]), 0.0
        for prop in visited:
            use(sim, 0, prop)
            total += float(sim.state["shaping"][0])
        assert sim.terminated[0] or sim.truncated[0]
        assert total == pytest.approx(-start)


def test_no_reward_gives_the_truth_away_before_the_decision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def rewards() -> list[float]:
        sim = visit(level=7)
        earned = []
        for panel in range(NUM_PANELS):
            use(sim, 0, panel)
            earned.append(float(sim.rewards[0, 0]))
        return earned

    before = rewards()
    real = patients()
    lie = records.Patients(real.measurements, real.standard, ~real.malignant, real.split)
    monkeypatch.setattr("als_scenarios.medical.diagnosis.patients", lambda: lie)
    assert rewards() == before


# -- who is who ------------------------------------------------------------------------------------


def test_the_first_avatar_is_the_doctor_and_the_chart_says_so() -> None:
    sim = visit(num_avatars=3)
    assert sim.agents == ("doctor_0", "nurse_0", "nurse_1")
    assert sim.observations["chart"][0, :, -1].tolist() == [1.0, 0.0, 0.0]


def test_a_nurse_measures_for_the_doctor() -> None:
    sim = visit()
    use(sim, 1, 2)
    charts = sim.observations["chart"][0]
    assert charts[0, NUM_FEATURES:-1].sum() == len(PANELS[2].features)
    np.testing.assert_array_equal(charts[0, :-1], charts[1, :-1])
    assert sim.rewards[0, 0] == sim.rewards[0, 1]


def test_a_nurse_does_not_decide() -> None:
    sim = visit()
    use(sim, 1, MALIGNANT)
    assert not sim.terminated[0]
    assert not sim.metrics()["decided"][0]


def test_two_who_measure_the_same_panel_at_once_pay_once() -> None:
    sim = visit()
    send(sim, 0, 1)
    send(sim, 1, 1)
    sim.step(np.full((1, 2), USE))
    assert sim.state["bought"][0] == 1


def test_validation_and_test_each_have_one_who_is_in_the_hall_there_only() -> None:
    behaviours = Diagnosis().behaviours()
    held_out = {n: one.splits for n, one in behaviours.items() if "train" not in one.splits}
    assert held_out == {"follows": ("test",), "crosses": ("validation",)}
    for split in LEVELS:
        sim = visit(32, split=split, observers=1)
        met = {list(behaviours)[i] for i in sim.state.behaviour[:, 1].tolist()}
        assert met == {name for name, one in behaviours.items() if split in one.splits}


@pytest.mark.parametrize("behaviour", ["waits", "rounds", "paces", "follows", "crosses"])
def test_people_in_the_hall_measure_nothing(behaviour: str) -> None:
    sim = visit(8, observers=1, num_avatars=4, background=behaviour)
    start = sim.state.avatars.position[:, 1:].copy()
    for _ in range(100):
        sim.step(np.full((8, 1), STAY))
    assert not sim.state["measured"].any()
    assert (np.abs(sim.state.avatars.position[:, 1:] - start) > 0.2).any()


# -- it can be solved ------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "mode"), [("train", "continuous"), ("test", "discrete")])
def test_the_expert_is_right_about_nearly_everyone_and_decides_in_time(
    split: str, mode: str
) -> None:
    ends = play("expert", 50, split=split, action_mode=mode, observers=1)
    assert ends["decided"].all()
    assert ends["success"].mean() >= 0.95
    assert ends["missed_malignancy"].mean() <= 0.03
    assert ends["panels_measured"].mean() < 4
    assert ends["return"].mean() > 5


def test_random_actions_diagnose_hardly_anyone() -> None:
    ends = play("random", 25, observers=1)
    assert ends["success"].mean() < 0.1
    assert ends["return"].mean() < -1


def test_a_doctor_and_a_nurse_are_faster_than_the_doctor_alone() -> None:
    alone = play("expert", 25, num_avatars=1)
    together = play("expert", 25, num_avatars=2)
    assert together["success"].mean() >= 0.95
    assert together["steps"].mean() < alone["steps"].mean()


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_world_is_the_same_alone_and_among_others(split: str) -> None:
    many = visit(6, split=split, observers=1, num_avatars=3)
    alone = simulate(SCENARIO, split=split, observers=1, num_avatars=3, sensors=["chart"])
    for seed in (0, 4):
        many.reset(range(6))
        alone.reset([seed])
        for _ in range(40):
            many.step(many.expert_actions())
            alone.step(alone.expert_actions())
            assert many.state.digest(seed) == alone.state.digest(0)
            assert many.rewards[seed].tolist() == alone.rewards[0].tolist()
