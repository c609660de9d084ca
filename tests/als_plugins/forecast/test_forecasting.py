"""Forecasters of paths and gaps: known answers, calibration, and what is saved and resumed."""

import numpy as np
import pytest
from made_tracks import made_tracks
from scipy import stats

from als_engine.errors import ArgumentError, SavedFileError
from als_plugins.forecast.baselines import fit_kalman, fit_spread, kalman, pointwise, smooth
from als_plugins.forecast.comparing import compare
from als_plugins.forecast.forecaster import read_forecaster
from als_plugins.forecast.gaps import draw_gaps, over_curve, over_line
from als_plugins.forecast.measures import fit_scale, measure_paths
from als_plugins.forecast.mixture import Mixture
from als_plugins.forecast.tracks import read_tracks, write_tracks
from als_plugins.forecast.training import Job, train_forecaster
from als_plugins.forecast.windows import Past, find_windows, gather

SMALL = {"history": 1.0, "horizon": 2.0, "hidden": 24, "modes": 2, "batch": 32}


def straight(windows=4, steps=6, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    speed = rng.normal(size=(windows, 1, 2))
    way = speed * 0.2 * np.arange(steps)[:, None] + noise * rng.normal(size=(windows, steps, 2))
    return way.astype(np.float32)


def alone(own, time_step=0.2):
    shape = (len(own), 0, own.shape[1])
    return Past(own, np.zeros((*shape, 2), np.float32), np.zeros(shape, np.bool_), time_step)


def test_tracks_are_saved_and_read_again(tracks, tmp_path):
    write_tracks(tracks, tmp_path / "tracks")
    again = read_tracks(tmp_path / "tracks")
    assert np.array_equal(again.position, tracks.position)
    assert again.record == tracks.record
    (tmp_path / "tracks" / "tracks.json").write_text("{}")
    with pytest.raises(SavedFileError):
        read_tracks(tmp_path / "tracks")


def test_windows_are_where_somebody_is_all_the_time(tracks):
    found = find_windows(tracks, 40)
    assert len(found) == 2 * tracks.scenes
    absent = tracks.present.copy()
    absent[0, 20, 0] = False
    gone = find_windows(type(tracks)(**{**vars(tracks), "present": absent}), 20)
    assert not any(s == 0 and p == 0 and f <= 20 < f + 20 for s, f, p in gone.tolist())


def test_the_nearest_others_come_first_and_only_who_is_there():
    made = made_tracks(scenes=12, steps=10)
    made.present[0, 4, 1] = False
    past, future = gather(made, np.array([[0, 0, 0], [1, 0, 0]]), 5, 2, 8)
    assert past.others.shape == (2, 1, 5, 2)
    assert not past.there[0].any()
    assert past.there[1].all()
    assert np.array_equal(past.others[1, 0], made.position[1, :5, 1])
    assert np.array_equal(future[1], made.position[1, 5:7, 0])


def test_constant_velocity_and_the_filter_go_straight_on():
    way = straight(steps=10)
    past, ahead = alone(way[:, :5]), way[:, 5:]
    spread = fit_spread(past, ahead, moving=True)
    assert pointwise(past, spread, moving=True).middle == pytest.approx(ahead, abs=1e-4)
    assert kalman(past, 5, 0.01, 0.001).middle == pytest.approx(ahead, abs=0.02)


def test_the_filter_is_the_posterior_of_its_own_model():
    """Against the Gaussian that conditioning the whole joint distribution gives."""
    dt, q, r, steps, ahead = 0.5, 0.7, 0.2, 5, 2
    own = straight(windows=1, steps=steps, noise=0.3)
    move = np.array([[1, dt], [0, 1]])
    push = q**2 * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    total, size = steps + ahead, 2 * (steps + ahead)
    prior = np.zeros((size, size))
    state = np.eye(2) * 9.0
    for t in range(total):
        state = state if t == 0 else move @ state @ move.T + push
        block = state
        for u in range(t, total):
            prior[2 * u : 2 * u + 2, 2 * t : 2 * t + 2] = block
            prior[2 * t : 2 * t + 2, 2 * u : 2 * u + 2] = block.T
            block = move @ block
    see = np.zeros((steps, size))
    see[np.arange(steps), 2 * np.arange(steps)] = 1
    gain = prior @ see.T @ np.linalg.inv(see @ prior @ see.T + r**2 * np.eye(steps))
    start = own[0, 0].astype(float)
    mean = gain @ (own[0] - start)
    variance = np.diag(prior - gain @ see @ prior)[::2] + r**2
    found = kalman(alone(own, dt), ahead, q, r)
    assert found.middle[0] == pytest.approx(start + mean[2 * steps :: 2], abs=1e-6)
    assert found.covariance[0, 0, :, 0, 0] == pytest.approx(variance[steps:], rel=1e-6)
    whole = np.concatenate([own, np.zeros((1, ahead, 2))], axis=1)
    there = np.arange(total)[None] < steps
    places, spread = smooth(whole, there, dt, q, r)
    assert places[0] == pytest.approx(start + mean[::2], abs=1e-6)
    assert spread[0] == pytest.approx(variance, rel=1e-6)


def test_fitting_finds_the_noise_that_was_put_in():
    past = straight(windows=300, steps=20, noise=0.1)
    assert fit_kalman(alone(past[:, :15]), past[:, 15:])[1] == pytest.approx(0.1)


def test_density_samples_and_confidence_are_those_of_the_mixture():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 2, 4, 2, 2)) * 0.5 + 0.5 * np.eye(2)
    covariance = root @ root.swapaxes(-1, -2)
    mixture = Mixture(np.full((3, 2), [0.3, 0.7]), rng.normal(size=(3, 2, 4, 2)), covariance)
    place = rng.normal(size=(3, 4, 2))
    expected = sum(
        w * stats.multivariate_normal(mixture.mean[1, m, 2], covariance[1, m, 2]).pdf(place[1, 2])
        for m, w in enumerate([0.3, 0.7])
    )
    assert np.exp(mixture.log_density(place))[1, 2] == pytest.approx(expected)
    drawn = mixture.sample(20_000, rng)
    assert drawn.mean(axis=0) == pytest.approx(mixture.middle, abs=0.06)
    inside = np.mean([mixture.confidence(drawn[i], rng) <= 0.5 for i in range(200)])
    assert inside == pytest.approx(0.5, abs=0.06)


def test_the_scale_is_that_of_what_came():
    rng = np.random.default_rng(0)
    mean = np.zeros((4_000, 1, 2, 2))
    sure = Mixture(np.ones((4_000, 1)), mean, np.broadcast_to(np.eye(2), (*mean.shape, 2)))
    came = rng.normal(size=(4_000, 2, 2)) * np.array([0.5, 2.0])[:, None]
    assert fit_scale(sure, came.astype(np.float32)) == pytest.approx([0.5, 2.0], rel=0.06)


def test_gaps_are_bridged_by_a_line_and_by_a_curve():
    angle = 0.1 * np.arange(20)
    arc = np.stack([np.cos(angle), np.sin(angle)], -1)[None].astype(np.float32)
    seen = (np.arange(20) < 6)[None] | (np.arange(20) > 13)[None]
    away = [
        np.linalg.norm(over(arc, seen) - arc, axis=-1).max() for over in (over_line, over_curve)
    ]
    assert away[1] < 0.25 * away[0]
    assert np.array_equal(over_line(arc, seen)[seen], arc[seen])
    gaps = draw_gaps(500, 15, np.random.default_rng(0))
    assert (~gaps).any(axis=1).all()
    assert gaps[:, :3].all()
    assert gaps[:, -3:].all()


@pytest.fixture(scope="module")
def tracks():
    return made_tracks()


@pytest.fixture(scope="module")
def trained(tracks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("social")
    job = Job(model="social", steps=100, evaluate_every=20, learning_rate=1e-2, **SMALL)
    return folder, job, train_forecaster(tracks, folder, job)


def test_a_network_learns_what_the_baselines_cannot_know(tracks, trained):
    """Who walks in a circle, and who is after whom."""
    still, velocity, kalman_filter, social = compare(trained[2], tracks, "test")
    best = min(each.scores[-1].final_error for each in (still, velocity, kalman_filter))
    assert social.scores[-1].final_error < 0.7 * best
    assert social.scores[-1].nll < velocity.scores[-1].nll
    assert [score.seconds for score in social.scores] == [1.0, 2.0]


def test_a_forecast_turns_and_moves_with_the_place(tracks, trained):
    chosen = tracks.of_part("test")
    past, future = gather(chosen, find_windows(chosen, 15)[:20], 5, 10, 8)
    turn = np.float32([[0.6, -0.8], [0.8, 0.6]])
    moved = Past(past.own @ turn.T + 3, past.others @ turn.T + 3, past.there, past.time_step)
    here = trained[2].forecast(past).log_density(future)
    there = trained[2].forecast(moved).log_density(future @ turn.T + 3)
    assert here == pytest.approx(there, abs=0.02)


def test_who_is_not_there_makes_no_difference(tracks, trained):
    chosen = tracks.of_part("test")
    past, _ = gather(chosen, find_windows(chosen, 15)[:4], 5, 0, 8)
    nobody = np.zeros_like(past.there)
    gone = Past(past.own, past.others * 0, nobody, past.time_step)
    one = Past(past.own, past.others + 9, nobody, past.time_step)
    assert np.array_equal(trained[2].forecast(gone).mean, trained[2].forecast(one).mean)
    assert not np.allclose(trained[2].forecast(gone).mean, trained[2].forecast(past).mean)
    on_their_own = trained[2].forecast(alone(past.own))
    assert on_their_own.mean == pytest.approx(trained[2].forecast(gone).mean, abs=1e-5)


def test_a_saved_forecaster_says_the_same(tracks, trained):
    again = read_forecaster(trained[0])
    assert again.record == trained[2].record
    assert measure_paths(again, tracks, "test") == measure_paths(trained[2], tracks, "test")
    record = trained[0] / "forecaster" / "forecaster.json"
    with pytest.raises(ArgumentError, match=r"steps of 0\.4 s"):
        again.forecast(alone(straight(), 0.4))
    text = record.read_text()
    record.write_text(text.replace('"hidden": 24', '"hidden": 18'))
    with pytest.raises(SavedFileError):
        read_forecaster(trained[0])
    record.write_text(text)


def test_a_training_goes_on_to_the_same_weights(tracks, trained, tmp_path):
    _, job, whole = trained
    left = iter([False] * 84 + [True])
    assert train_forecaster(tracks, tmp_path, job, should_stop=lambda: next(left)) is None
    resumed = train_forecaster(tracks, tmp_path, job)
    for name, tensor in whole.network.state_dict().items():
        assert np.array_equal(tensor, resumed.network.state_dict()[name]), name
    with pytest.raises(SavedFileError, match="was begun with seed=0, not seed=1"):
        train_forecaster(tracks, tmp_path, job.model_copy(update={"seed": 1}))


def test_a_network_fills_gaps_and_is_measured_beside_its_baselines(tracks, tmp_path):
    job = Job(task="gap", model="gru", steps=40, evaluate_every=20, learning_rate=1e-2, **SMALL)
    line, smoother, network = compare(train_forecaster(tracks, tmp_path, job), tracks, "test")
    assert line.model == "line"
    for i, score in enumerate(network.scores):
        assert score.mean_error < 0.6 * line.scores[i].mean_error
        assert np.isfinite(smoother.scores[i].nll)


def test_a_model_that_does_not_fit_is_named(tracks, tmp_path):
    with pytest.raises(ArgumentError, match='unknown model for gap "still"'):
        train_forecaster(tracks, tmp_path, Job(task="gap", model="still"))
    with pytest.raises(ArgumentError, match="nobody in the train part is there for 65 s"):
        train_forecaster(tracks, tmp_path, Job(history=5.0, horizon=60.0, model="gru"))
