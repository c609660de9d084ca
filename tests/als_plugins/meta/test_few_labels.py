"""Few labels: what tasks hold, that methods learn what they say, and a measurement that goes on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from als_engine.errors import ArgumentError, SavedFileError
from als_plugins.meta.few_labels import Settings, kept, measure, run_few_labels, table_of
from als_plugins.meta.labelled import Diagnosis, Imaging, Tasks
from als_plugins.meta.methods import LABELS, METHODS, QUERIES, TASKS
from als_plugins.meta.networks import Inner, Net, Patches, TaskTensors, adapted, cross_entropy
from als_scenarios.medical.patients import patients

SMALL = Settings(
    data="diagnosis", methods=["nearest", "maml"], labels=[1, 5], steps=3, tasks=4, seeds=1
)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rows_of(tasks: Tasks) -> set[bytes]:
    every = np.concatenate([tasks.support, tasks.query], 1)
    return {row.tobytes() for row in every.reshape(-1, *every.shape[2:])}


def test_testing_asks_for_the_diagnosis_of_patients_whom_no_training_has_met():
    every = patients()
    tasks = Diagnosis().tasks(np.random.default_rng(0), "test", 20, 5, 10)
    known = {row.tobytes(): ill for row, ill in zip(every.standard, every.malignant, strict=True)}
    theirs = {row.tobytes() for row in every.standard[every.of("test")]}
    assert rows_of(tasks) <= theirs
    for support, query in zip(tasks.support, tasks.query, strict=True):
        of_first = {known[row.tobytes()] for row in (*support[:5], *query[:10])}
        of_second = {known[row.tobytes()] for row in (*support[5:], *query[10:])}
        assert of_first == {not each for each in of_second}
        assert len(of_first) == 1
        assert len(rows_of(Tasks(2, 5, 10, support[None], query[None]))) == 30


def test_the_panel_that_is_asked_about_is_hidden():
    tasks = Diagnosis().tasks(np.random.default_rng(0), "train", 20, 5, 10)
    hidden = (np.concatenate([tasks.support, tasks.query], 1) == 0.0).all(1)
    assert (hidden.sum(1) >= 3).all()


def test_pictures_of_a_task_are_of_five_patients_and_none_comes_twice():
    source = Imaging()
    source.VIEWS = {"validation": 4}
    tasks = source.tasks(np.random.default_rng(0), "validation", 3, 1, 3)
    assert tasks.support.shape == (3, 5, 1, 24, 24)
    assert tasks.query.shape == (3, 15, 1, 24, 24)
    assert abs(float(tasks.query.mean())) < 1e-5
    for support, query in zip(tasks.support, tasks.query, strict=True):
        assert len(rows_of(Tasks(5, 1, 3, support[None], query[None]))) == 20


def test_a_product_of_patches_is_a_convolution():
    ours, theirs = Patches(2, 3), nn.Conv2d(2, 3, 3, 2, 1)
    with torch.no_grad():
        theirs.weight.copy_(ours.product.weight.reshape(3, 2, 3, 3))
        theirs.bias.copy_(ours.product.bias)
    pictures = torch.randn(4, 2, 8, 8)
    assert torch.allclose(ours(pictures), theirs(pictures), atol=1e-5)


def test_adapting_is_gradient_descent_and_its_second_order_is_that_of_autograd():
    torch.manual_seed(0)
    net = Net((3,), 2, width=4)
    inputs, classes, asked = torch.randn(4, 3), torch.tensor([0, 0, 1, 1]), torch.randn(4, 3)

    def after(second_order: bool) -> dict[str, torch.Tensor]:
        names = dict(net.named_parameters())
        loss = cross_entropy(net(inputs), classes)
        slope = torch.autograd.grad(loss, list(names.values()), create_graph=second_order)
        moved = {n: p - 0.5 * g for (n, p), g in zip(names.items(), slope, strict=True)}
        answers = torch.func.functional_call(net, moved, (asked,))
        found = torch.autograd.grad(cross_entropy(answers, classes), list(names.values()))
        return dict(zip(names, found, strict=True))

    for second_order in (False, True):
        inner = Inner(1, 0.5, second_order=second_order)

        def outer(weights, inner=inner):
            moved = adapted(net, weights, inputs, classes, inner)
            return cross_entropy(torch.func.functional_call(net, moved, (asked,)), classes)

        ours, theirs = torch.func.grad(outer)(net.weights()), after(second_order)
        assert all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in theirs)


def test_prototypes_answer_by_the_nearest_mean():
    support = np.array([[[0.0], [2.0], [9.0], [11.0]]], np.float32)
    query = np.array([[[1.4], [7.0], [10.0], [3.0]]], np.float32)
    tasks = TaskTensors.of(Tasks(2, 2, 2, support, query))
    found = METHODS["nearest"](Diagnosis()).answer(tasks, Inner(0, 1.0))
    assert found.tolist() == [0.5]


class Sides(Diagnosis):
    """On which side of 0 a number lies that is the same for all in a task, and noise beside it."""

    shape = (6,)
    NOISE = 3.0

    def tasks(self, rng, split, count, labels, queries):
        each = labels + queries
        found = self.NOISE * rng.standard_normal((count, 2, each, 6))
        found[..., 0] = rng.normal(0.0, 0.1, (count, 2, each))
        found[:, :, :, 0] += np.where(rng.random((count, 1, 1)) < 0.5, 1.0, -1.0) * np.array(
            [[[-1.0], [1.0]]]
        )
        found = found.astype(np.float32).reshape(count, 2 * each, 6)
        half = found.reshape(count, 2, each, 6)
        return Tasks(
            2, labels, queries,
            half[:, :, :labels].reshape(count, -1, 6), half[:, :, labels:].reshape(count, -1, 6),
        )  # fmt: skip


@pytest.mark.parametrize("name", ["prototypes", "maml", "fomaml"])
def test_a_meta_learner_learns_what_to_look_at(name):
    torch.manual_seed(0)
    source = Sides()
    made = METHODS[name](source)
    tasks = TaskTensors.of(source.tasks(np.random.default_rng(9), "test", 40, 1, 10))
    inner = made.grid[0]
    before = float(made.answer(tasks, inner).mean())
    made.learn(np.random.default_rng(0), 50, lambda done: False)
    after = float(made.answer(tasks, inner).mean())
    assert before < 0.75
    assert after > before + 0.1


def test_reptile_moves_to_where_the_steps_of_its_tasks_lead():
    torch.manual_seed(0)
    made = METHODS["reptile"](Sides())
    before = made.net.weights()
    drawn = made.source.tasks(np.random.default_rng(3), "train", TASKS, LABELS, QUERIES)
    tasks = TaskTensors.of(drawn)
    classes = torch.cat([tasks.support_class, tasks.query_class])
    ends = [
        adapted(made.net, before, torch.cat([support, query]), classes, made.inner)
        for support, query in zip(tasks.support, tasks.query, strict=True)
    ]
    made.learn(np.random.default_rng(3), 1, lambda done: False)
    for name, value in made.weights.items():
        mean = torch.stack([end[name] for end in ends]).mean(0)
        assert torch.allclose(value, mean, atol=1e-5)


def test_a_measurement_goes_on_where_it_stopped_and_is_the_same_again(tmp_path):
    folder, stops = tmp_path / "few", iter([False, False, True])
    assert run_few_labels(SMALL, folder, should_stop=lambda: next(stops, True)) is None
    begun = kept(SMALL, folder)
    assert begun is not None
    assert [each.method for each in begun.found] == ["nearest"]
    whole = run_few_labels(SMALL, folder)
    again = run_few_labels(SMALL, folder)
    alone = run_few_labels(SMALL)
    assert whole == again == alone
    assert whole is not None
    assert 0.5 < whole.of("nearest", 5).value < 1.0
    assert "| MAML |" in table_of([whole])
    other = SMALL.model_copy(update={"seed": 1})
    with pytest.raises(SavedFileError, match="other settings"):
        run_few_labels(other, folder)


def test_more_labels_than_there_are_patients_is_one_line(monkeypatch):
    monkeypatch.setattr(Diagnosis, "most", lambda source, split: 14)
    with pytest.raises(ArgumentError, match="diagnosis has at most 4 of each class for testing"):
        run_few_labels(SMALL)


def test_a_method_that_is_stopped_says_nothing():
    assert measure(Diagnosis(), "maml", SMALL, 0, lambda: True) is None
