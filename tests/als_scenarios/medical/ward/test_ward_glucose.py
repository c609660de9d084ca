"""The glucose of the ward's patients: the published equations, steady states and risk."""

from __future__ import annotations

import importlib.util
import math
import sys
import types
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from als_engine.task import LEVELS
from als_scenarios.medical.ward import monitors
from als_scenarios.medical.ward.expert import _risks
from als_scenarios.medical.ward.glucose import (
    COLUMNS,
    DAILY,
    DEPOT,
    PLASMA,
    STATES,
    V_G,
    advance,
    measure,
    patients,
    starting_at,
)
from als_scenarios.medical.ward.plans import DAILY_CARBOHYDRATE, PLANS, admit, patients_of, plans_of

EVERYBODY = np.arange(30)


class Beds:
    """Some patients, one for each bed of one world, on the ward's kernel."""

    def __init__(self, who: Any, body: Any = None) -> None:
        who = np.atleast_1d(who)
        beds = (1, len(who))
        self.patient = who[None].astype(np.int32)
        self.body = patients().basal[who][None].copy() if body is None else body
        self.pump, self.plate, self.stomach = np.ones(beds), np.zeros(beds), np.zeros(beds)
        self.eating = np.zeros(beds, np.bool_)

    def advance(self, steps: int, minutes: float = 1.5) -> np.ndarray:
        rows = (self.patient, self.body, self.pump, self.plate, self.stomach, self.eating)
        for _ in range(steps):
            advance(patients().parameters, rows, minutes)
        return self.glucose()

    def glucose(self) -> np.ndarray:
        return self.body[0, :, PLASMA] / patients().parameters[self.patient[0], V_G]

    def inject(self, units: float) -> None:
        self.body[0, :, DEPOT] += units * 6000.0 / patients().weight[self.patient[0]]


def paper(t: float, x: Any, q: dict[str, float], insulin: float, food: float, meal: float) -> Any:
    """The equations again, each as it stands in the papers, for one person; see `glucose`."""
    qsto1, qsto2, qgut, gp, gt, ip, action, i1, id_, il, isc1, isc2, gsc = x
    kempt = q["kmax"]
    if meal > 0:
        alpha = 5 / (2 * meal * (1 - q["b"]))
        beta = 5 / (2 * meal * q["d"])
        kempt = q["kmin"] + (q["kmax"] - q["kmin"]) / 2 * (
            math.tanh(alpha * (qsto1 + qsto2 - q["b"] * meal))
            - math.tanh(beta * (qsto1 + qsto2 - q["d"] * meal)) + 2
        )  # fmt: skip
    ra = q["f"] * q["kabs"] * qgut / q["BW"]
    egp = max(q["kp1"] - q["kp2"] * gp - q["kp3"] * id_, 0)
    e = q["ke1"] * (gp - q["ke2"]) if gp > q["ke2"] else 0.0
    uid = (q["Vm0"] + q["Vmx"] * action) * gt / (q["Km0"] + gt)
    level = ip / q["Vi"]
    return [
        -q["kmax"] * qsto1 + food,
        -kempt * qsto2 + q["kmax"] * qsto1,
        -q["kabs"] * qgut + kempt * qsto2,
        egp + ra - q["Fsnc"] - e - q["k1"] * gp + q["k2"] * gt,
        -uid + q["k1"] * gp - q["k2"] * gt,
        -(q["m2"] + q["m4"]) * ip + q["m1"] * il + q["ka1"] * isc1 + q["ka2"] * isc2,
        -q["p2u"] * action + q["p2u"] * (level - q["Ib"]),
        -q["ki"] * (i1 - level),
        -q["ki"] * (id_ - i1),
        -(q["m1"] + q["m30"]) * il + q["m2"] * ip,
        -(q["kd"] + q["ka1"]) * isc1 + insulin,
        q["kd"] * isc1 - q["ka2"] * isc2,
        -q["ksc"] * (gsc - gp),
    ]


def named(patient: int) -> dict[str, float]:
    return dict(zip(COLUMNS, patients().parameters[patient].tolist(), strict=True))


@pytest.mark.parametrize("patient", [0, 2, 5, 11, 14, 18, 21, 24, 29])
def test_a_meal_with_a_bolus_goes_as_the_papers_equations_say(patient: int) -> None:
    beds, q = Beds(patient), named(patient)
    grams, units = 45.0, 0.08 * q["TDI"]
    beds.inject(units)
    beds.plate[:] = grams
    x = patients().basal[patient].copy()
    x[10] += units * 6000.0 / q["BW"]
    meal = 0.0
    for span in range(20):  # Each a quarter of an hour; the meal takes six steps of the first.
        steps = [1.5] * 10 if span == 0 else [15.0]
        for minutes in steps:
            food = 5000.0 if span == 0 and meal < 1000.0 * grams else 0.0
            meal += food * minutes
            given = (q, q["u2ss"], food, meal)
            solved = solve_ivp(paper, (0, minutes), x, args=given, rtol=1e-8, atol=1e-8)
            x = solved.y[:, -1]
        found = beds.advance(10)[0]
        assert found == pytest.approx(x[3] / q["Vg"], abs=0.05)
    np.testing.assert_allclose(beds.body[0, 0], x, rtol=1e-3, atol=2.0)


def test_the_basal_rate_holds_the_published_basal_glucose_of_everybody() -> None:
    beds = Beds(EVERYBODY)
    before = beds.glucose()
    for _ in range(4):
        np.testing.assert_allclose(beds.advance(240), before, atol=0.5)
    assert (before > 90).all()
    assert (before < 170).all()


def test_more_basal_insulin_means_less_glucose_and_less_means_more() -> None:
    less, more = Beds(EVERYBODY), Beds(EVERYBODY)
    less.pump[:], more.pump[:] = 0.9, 1.3
    start = less.glucose()
    assert (less.advance(400) > start + 1).all()
    assert (more.advance(400) < start - 3).all()


def test_a_unit_of_insulin_lowers_and_sugar_raises_everybodys_glucose() -> None:
    plain, treated, fed = (Beds(EVERYBODY) for _ in range(3))
    treated.inject(1.0)
    fed.plate[:] = 15.0
    usual = plain.advance(100)
    assert (treated.advance(100) < usual - 2).all()
    assert (fed.advance(60) > plain.glucose() + 10).all()


def test_what_is_eaten_is_in_the_stomach_and_nothing_is_lost() -> None:
    beds = Beds(EVERYBODY)
    beds.plate[:] = 40.0
    beds.advance(5)
    assert (beds.plate == 40.0 - 5 * 7.5).all()
    np.testing.assert_allclose(beds.body[0, :, :3].sum(1), 37_500.0, rtol=0.12)
    assert (beds.stomach == 37_500.0).all()
    beds.advance(1)
    assert (beds.plate == 0.0).all()
    assert (beds.stomach == 40_000.0).all()


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 29), st.floats(60, 400), st.floats(0, 20), st.floats(0, 150), st.floats(0, 2),
)  # fmt: skip
def test_whatever_is_given_no_state_is_negative_or_odd(
    patient: int, glucose: float, units: float, grams: float, pump: float
) -> None:
    beds = Beds(patient, starting_at(patient, glucose)[None, None].copy())
    assert beds.glucose()[0] == pytest.approx(glucose)
    beds.pump[:], beds.plate[:] = pump, grams
    beds.inject(units)
    for _ in range(10):
        beds.advance(20)
        assert np.isfinite(beds.body).all()
        assert (np.delete(beds.body, 6, axis=2) >= 0).all()


def test_a_bed_is_the_same_alone_and_among_others() -> None:
    many, alone = Beds(EVERYBODY), Beds(17)
    for beds in (many, alone):
        beds.plate[:] = 50.0
        beds.inject(4.0)
        beds.advance(200)
    assert many.body[0, 17].tobytes() == alone.body[0, 0].tobytes()


# -- against the package that publishes the parameters -------------------------------------------


@pytest.fixture(scope="module")
def simglucose() -> Any:
    """The package's patient; two of its imports, of which it needs one function, are stood in."""
    spec = importlib.util.find_spec("simglucose")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("simglucose is not installed (pip install --no-deps simglucose==0.2.11)")
    folder = spec.submodule_search_locations[0]
    stand_ins = {
        "gym.envs.registration": {"register": lambda **given: None},
        "pkg_resources": {"resource_filename": lambda package, name: f"{folder}/{name}"},
    }
    for name, content in stand_ins.items():
        parts = name.split(".")
        for i in range(1, len(parts) + 1):
            sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
        vars(sys.modules[name]).update(content)
    from simglucose.patient import t1dpatient

    return t1dpatient


@pytest.mark.parametrize("patient", [0, 7, 12, 19, 23, 28])
def test_glucose_is_that_of_simglucose(simglucose: Any, patient: int) -> None:
    theirs, q = simglucose.T1DPatient.withID(patient + 1), named(patient)
    ours, basal, bolus = Beds(patient), q["u2ss"] * q["BW"] / 6000.0, 0.05 * q["TDI"]
    for minute in range(300):
        now = minute == 30
        action = simglucose.Action(insulin=basal + bolus * now, CHO=50.0 * now)
        theirs.step(action)
        # What it injects within a minute is a little more insulin in the pump.
        ours.pump[:] = action.insulin / basal
        ours.plate[:] += 50.0 * now
        ours.advance(1, minutes=1.0)
        if minute % 30 == 29:
            assert ours.glucose()[0] == pytest.approx(theirs.state[3] / q["Vg"], abs=0.02)


def test_parameters_are_those_of_simglucose(simglucose: Any) -> None:
    import pandas as pd

    folder = simglucose.PATIENT_PARA_FILE.rpartition("/")[0]
    table, quest = (pd.read_csv(f"{folder}/{name}.csv") for name in ("vpatient_params", "Quest"))
    for i, column in enumerate(COLUMNS):
        theirs = quest["TDI"] if i == DAILY else table[column]
        np.testing.assert_array_equal(patients().parameters[:, i], theirs)
    states = table[[f"x0_{i:2d}" for i in range(1, STATES + 1)]].to_numpy(float)
    np.testing.assert_allclose(patients().basal, states, atol=1e-6)


# -- risk, sensors, what is on board ---------------------------------------------------------------


def risk_of(glucose: float) -> float:
    risk, plasma = np.zeros((1, 1)), np.zeros((1, 1))
    body = np.zeros((1, 1, STATES))
    body[..., PLASMA] = glucose * patients().parameters[0, V_G]
    measure(patients().parameters, np.zeros((1, 1), np.int32), body, plasma, risk)
    assert plasma[0, 0] == pytest.approx(glucose)
    return float(risk[0, 0])


def test_the_risk_is_the_published_function() -> None:
    assert risk_of(112.5) == pytest.approx(0.0, abs=0.01)
    assert risk_of(20.0) == pytest.approx(100.0, abs=0.5)
    assert risk_of(600.0) == pytest.approx(100.0, abs=0.5)
    assert risk_of(70.0) == pytest.approx(risk_of(180.0), rel=0.02)
    assert risk_of(3.0) == risk_of(20.0)
    assert risk_of(900.0) == risk_of(600.0)
    for glucose in (40.0, 54.0, 90.0, 250.0):
        symmetric = 1.509 * (math.log(glucose) ** 1.084 - 5.381)
        assert risk_of(glucose) == pytest.approx(10 * symmetric**2, rel=1e-9)
        doubled = 3.0 if glucose < 112.5 else 1.0
        assert _risks()[int(glucose)] == pytest.approx(doubled * risk_of(glucose))


def test_sensors_err_as_published() -> None:
    rng = np.random.default_rng(0)
    error, drawn = rng.standard_normal(4_000), rng.standard_normal((40, 4_000))
    values = []
    for each in drawn:
        error = 0.7 * (error + each)
        values.append(monitors.noise_of(error))
        expected = -5.47 + 15.9574 * np.sinh((error + 0.5444) / 1.6898)
        np.testing.assert_allclose(values[-1], expected)
    assert np.std(values) == pytest.approx(11.0, abs=1.5)
    assert np.corrcoef(values[-1], values[-2])[0, 1] == pytest.approx(0.7, abs=0.05)


# -- patients and plans ----------------------------------------------------------------------------


def test_no_patient_and_no_plan_is_in_two_splits_and_none_is_left_out() -> None:
    assert [len(patients_of(split)) for split in LEVELS] == [15, 6, 9]
    assert sorted(np.concatenate([patients_of(s) for s in LEVELS]).tolist()) == list(range(30))
    assert sorted(i for split in LEVELS for i in plans_of(split)) == list(range(len(PLANS)))
    for split in LEVELS:
        groups = {patients().names[i].partition("_")[0] for i in patients_of(split)}
        assert groups == set(DAILY_CARBOHYDRATE)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_a_plan_holds_the_days_carbohydrate_between_the_first_and_the_last_hour(plan: Any) -> None:
    assert sum(share for _, share in plan.meals) == pytest.approx(1.0)
    times = [time for time, _ in plan.meals]
    assert times == sorted(times)
    assert times[0] - 15 > 6 * 60 + 30
    assert times[-1] + 15 < 20 * 60


@pytest.mark.parametrize("split", LEVELS)
def test_nobody_lies_in_two_beds_where_there_are_enough_patients(split: Any) -> None:
    for seed in range(20):
        beds = 8 if split == "train" else 6
        admitted = admit(np.random.default_rng(seed), split, beds)
        assert len(set(admitted.patient.tolist())) == beds
        assert set(admitted.patient.tolist()) <= set(patients_of(split).tolist())
        assert set(admitted.plan.tolist()) <= set(plans_of(split))
        meals = admitted.meal_grams.sum(1)
        assert ((meals > 70) & (meals < 240)).all()
