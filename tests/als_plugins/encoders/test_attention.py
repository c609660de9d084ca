"""The attention encoders say truly where they look, and the transformer learns."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from als_engine.errors import ArgumentError
from als_engine.sensors.columns import ENTITIES
from als_plugins.encoders.base import Statistic
from als_plugins.encoders.saving import make_encoder
from als_plugins.encoders.transformer import attend, rollout, weigh

THINGS = Box(np.float32([[0, -1, -1]] * 6), np.float32([[1, 1, 1]] * 6), dtype=np.float32)
WORDS = Box(0, 9, (5,), np.int32)


def spaces(**parts):
    return gymnasium.spaces.Dict(parts)


def test_what_is_said_to_be_looked_at_is_what_torch_looks_at():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 7, 8).unbind()
    present = torch.rand(2, 7) < 0.6
    present[:, 0] = True
    weights = weigh(query, key, present)
    mixed = (weights @ value).transpose(1, 2).flatten(2)
    assert torch.allclose(mixed, attend(query, key, value, present), atol=1e-6)
    assert (weights.transpose(1, 3)[~present] == 0).all()


@pytest.mark.parametrize("top", [1, 3, 7, 20])
def test_only_the_largest_weights_of_sparse_attention_are_not_zero(top):
    query, key, _ = torch.randn(3, 2, 4, 7, 8, generator=torch.Generator().manual_seed(0)).unbind()
    dense, sparse = weigh(query, key, None), weigh(query, key, None, top)
    assert ((sparse > 0).sum(-1) == min(top, 7)).all()
    assert torch.allclose(sparse.sum(-1), torch.ones(2, 4, 7))
    assert torch.equal(sparse.argmax(-1), dense.argmax(-1))


def test_a_thing_looks_at_those_that_are_closest_to_it():
    low = np.full((16, 26), -1.0, np.float32)
    low[:, 0] = 0.0
    here = Box(low, np.ones_like(low))
    encoder = make_encoder("graph-attention", spaces(entities=here), {"nearest": 2, "depth": 1})
    things = torch.zeros(1, 16, 26)
    things[0, :4, 0] = 1.0
    things[0, :4, ENTITIES.index("forward")] = torch.tensor([0.0, 0.1, 0.3, 0.9])
    look = encoder._look(things)[2][0][0]
    assert (look > 0)[:4, :4].tolist() == [
        [True, True, False, False],
        [True, True, False, False],
        [False, True, True, False],
        [False, False, True, True],
    ]
    assert not look[:, 4:].any(), "nobody looks at what is not there"


def test_rollout_follows_what_queries_have_of_one_another():
    # The second query reads only the first, which has read only token 1 of 3.
    first = torch.tensor([[[[0.0, 1, 0, 0, 0], [0, 0, 0, 0, 1]]]])
    second = torch.tensor([[[[0.0, 0, 0, 1, 0], [0, 0, 0, 1, 0]]]])
    assert torch.allclose(rollout([first, second]), torch.tensor([[0.0, 1, 0]]))
    # Half of what one query has is token 0, in one block: so it is with both.
    half = torch.tensor([[[[0.5, 0.5, 0, 0, 0], [0.5, 0.5, 0, 0, 0]]]])
    assert torch.allclose(rollout([half]), torch.tensor([[0.5, 0.5, 0]]))


def test_a_picture_that_is_no_multiple_of_a_patch_is_filled_up():
    encoder = make_encoder("attention", spaces(rgb=Box(0, 255, (20, 13, 3), np.uint8)))
    tokens = encoder.tokens({"rgb": torch.rand(2, 20, 13, 3) * 255})
    assert tokens.spans == {"rgb": slice(0, 6)}
    assert encoder.grids() == {"rgb": (3, 2)}


def test_a_patch_is_where_it_is_said_to_be():
    """The token whose content depends on a pixel is the one of its square."""
    encoder = make_encoder("attention", spaces(rgb=Box(0, 255, (16, 24, 3), np.uint8)))
    picture = torch.rand(1, 16, 24, 3) * 255
    content = encoder._embedding("rgb").content
    changed = picture.clone()
    changed[0, 9, 17] += 50.0
    moved = (content(changed) != content(picture)).any(-1)[0].view(2, 3)
    assert moved.nonzero().tolist() == [[1, 2]]


def test_frames_hold_what_both_ears_hear_in_neighbouring_bands():
    encoder = make_encoder("attention", spaces(audio=Box(0.0, 1.0, (2, 8), np.float32)))
    audio = torch.rand(1, 2, 8)
    content = encoder._embedding("audio").content
    for ear in (0, 1):
        changed = audio.clone()
        changed[0, ear, 5] += 0.5
        assert (content(changed) != content(audio)).any(-1)[0].tolist() == [0, 0, 1, 0]


def test_the_order_of_words_matters_and_that_of_things_does_not():
    encoder = make_encoder("attention", spaces(text=WORDS, entities=THINGS)).eval()
    words = torch.tensor([[1, 2, 3, 0, 0]])
    things = torch.tensor([[[1.0, 0.2, 0.3], [1, -0.5, 0.1], *[[0, 0, 0]] * 4]])
    seen = encoder({"text": words, "entities": things})
    turned = encoder({"text": words, "entities": things.flip(1)})
    assert torch.allclose(seen, turned, atol=1e-5)
    swapped = torch.tensor([[2, 1, 3, 0, 0]])
    assert not torch.allclose(seen, encoder({"text": swapped, "entities": things}), atol=1e-3)


def test_a_masked_part_is_hidden_and_keeps_its_place():
    encoder = make_encoder("attention", spaces(text=WORDS)).eval()
    masked = {"text": torch.tensor([[False, True, False, False, False]])}
    one, other = torch.tensor([[1, 2, 3, 0, 0]]), torch.tensor([[1, 7, 3, 0, 0]])
    hidden = encoder.tokens({"text": one}, masked)
    assert torch.equal(hidden.values, encoder.tokens({"text": other}, masked).values)
    assert hidden.present.tolist() == [[True, True, True, False, False]]
    assert not torch.allclose(hidden.values[:, 0], hidden.values[:, 1], atol=1e-3)


def test_whole_sensors_are_left_out_while_training_but_never_all():
    torch.manual_seed(0)
    space = spaces(text=WORDS, entities=THINGS, touch=Box(0.0, 1.0, (3,), np.float32))
    encoder = make_encoder("attention", space, {"modality_dropout": 0.5})
    observation = {
        "text": torch.ones(2_000, 5),
        "entities": torch.ones(2_000, 6, 3),
        "touch": torch.ones(2_000, 3),
    }
    tokens = encoder.tokens(observation)
    there = torch.stack([tokens.present[:, span].any(1) for span in tokens.spans.values()], 1)
    whole = torch.stack([tokens.present[:, span].all(1) for span in tokens.spans.values()], 1)
    assert torch.equal(there, whole)
    assert there.any(1).all()
    # 0.5, and of the one in eight that would have lost all, a third of each sensor stays.
    assert ((there.float().mean(0) - (0.5 + 0.125 / 3)).abs() < 0.05).all()
    encoder.eval()
    assert encoder.tokens(observation).present.all()


def test_a_row_without_anything_has_finite_features_and_no_attention():
    for name in ("attention", "graph-attention"):
        encoder = make_encoder(name, spaces(entities=THINGS))
        things = torch.zeros(3, 6, 3)
        things[1, 2] = 1.0
        features = encoder({"entities": things})
        features.sum().backward()
        assert torch.isfinite(features).all()
        assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)
        assert torch.allclose(encoder.attention({"entities": things})["entities"].sum(1),
                              torch.tensor([0.0, 1.0, 0.0]))  # fmt: skip


def test_a_sensor_that_the_encoder_does_not_know_is_one_line():
    encoder = make_encoder("attention", spaces(text=WORDS))
    with pytest.raises(ArgumentError, match="at least one of these sensors: text"):
        encoder({"smell": torch.ones(1, 2)})


def test_the_statistics_of_a_dataset_take_over_the_scale():
    space = spaces(touch=Box(-np.inf, np.inf, (2,), np.float32))
    encoder = make_encoder("attention", space).eval()
    one = encoder({"touch": torch.tensor([[0.1, 1.0]])})
    statistic = Statistic(np.array([100.0, 0.0]), np.array([10.0, 1.0]))
    encoder.standardise({"touch": statistic})
    far = torch.tensor([[130.0, 1.0]])
    there = encoder({"touch": far})
    assert not torch.allclose(there, one)
    encoder.standardise({"touch": Statistic(np.zeros(2), np.ones(2))})
    assert torch.allclose(encoder({"touch": torch.tensor([[3.0, 1.0]])}), there, atol=1e-6)


def test_attention_to_a_picture_finds_the_spot():
    """Trained to tell where a spot is, attention-cnn comes to look at the spot."""
    torch.manual_seed(0)
    encoder = make_encoder("attention-cnn", spaces(rgb=Box(0, 255, (16, 16, 3), np.uint8)))
    head = torch.nn.Linear(encoder.features, 2)
    learner = torch.optim.Adam([*encoder.parameters(), *head.parameters()], 3e-3)
    for _ in range(120):
        pictures, where = spots(32)
        loss = (head(encoder({"rgb": pictures})) - where / 16.0).square().mean()
        learner.zero_grad()
        loss.backward()
        learner.step()
    pictures, where = spots(200)
    grid = encoder.grids()["rgb"]
    looked = encoder.attention({"rgb": pictures})["rgb"].argmax(1)
    found = torch.stack([looked // grid[1], looked % grid[1]], 1) * (16 / grid[0])
    off = (found - where).norm(dim=1)
    # A place at random would be 8 pixels off.
    assert off.median() < 3.0


def spots(count):
    pictures = torch.rand(count, 16, 16, 3) * 60.0
    where = torch.randint(1, 15, (count, 2))
    row = torch.arange(count)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            pictures[row, where[:, 0] + down, where[:, 1] + right] = 255.0
    return pictures, where.float()


def test_the_transformer_learns_to_find_the_thing_that_the_words_name():
    """A word names a colour; what is asked for is where the thing of that colour is."""
    torch.manual_seed(0)
    encoder = make_encoder(
        "attention", spaces(text=WORDS, entities=THINGS), {"width": 32, "features": 32, "heads": 2}
    )
    head = torch.nn.Linear(32, 1)
    learner = torch.optim.Adam([*encoder.parameters(), *head.parameters()], 3e-3)
    for _ in range(500):
        observation, side = named(64)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            head(encoder(observation))[:, 0], side
        )
        learner.zero_grad()
        loss.backward()
        learner.step()
    encoder.eval()
    observation, side = named(500)
    right = ((head(encoder(observation))[:, 0] > 0) == (side > 0.5)).float().mean()
    assert right > 0.9


def named(count):
    """Things of three colours, left or right of the middle, and the word for one colour."""
    colours = torch.tensor([-0.8, 0.0, 0.8])
    things = torch.zeros(count, 6, 3)
    things[:, :3, 0] = 1.0
    things[:, :3, 1] = colours
    things[:, :3, 2] = torch.rand(count, 3) * 2 - 1
    wanted = torch.randint(0, 3, (count,))
    side = (things[torch.arange(count), wanted, 2] > 0).float()
    order = torch.rand(count, 6).argsort(1)
    things = things.gather(1, order[..., None].expand(-1, -1, 3))
    words = torch.zeros(count, 5)
    words[:, 0], words[:, 1] = 1, wanted + 4
    return {"text": words, "entities": things}, side
