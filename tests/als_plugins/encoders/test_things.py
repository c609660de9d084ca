"""The largest of each feature over the things that are present, and its gradient."""

import pytest
import torch
from gymnasium.spaces import Box

from als_plugins.encoders.stems import Things, largest


def plain(features, present):
    """By torch's own functions."""
    found = features.masked_fill(~present, -torch.inf).amax(1)
    return found.masked_fill(~present.any(1), 0.0)


@pytest.mark.parametrize("shared", [False, True], ids=["each its own", "some the same"])
def test_it_is_what_torch_finds_and_so_is_its_gradient(shared):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(20, 7, 5, generator=generator)
    if shared:
        features[:, 3] = features[:, 1]
    present = torch.rand(20, 7, 1, generator=generator) > 0.5
    present[0] = False
    weights = torch.randn(20, 5, generator=generator)
    found = []
    for function in (largest, plain):
        mine = features.clone().requires_grad_()
        value = function(mine, present)
        (value * weights).sum().backward()
        found.append((value.detach(), mine.grad))
    (value, gradient), (other, same) = found
    assert torch.equal(value, other)
    assert not value[0].any()
    assert torch.allclose(gradient, same)


def test_places_that_no_row_uses_make_no_difference():
    space = Box(-1.0, 1.0, (6, 4))
    table = torch.zeros(3, 6, 4)
    table[:, [0, 2], :] = torch.rand(3, 2, 4, generator=torch.Generator().manual_seed(0))
    table[:, [0, 2], 0] = 1.0
    stem = Things(space).eval()
    apart = stem(table)
    stem.row_wise = False
    assert torch.allclose(stem(table), apart)
    assert torch.allclose(stem(torch.zeros(3, 6, 4)), torch.zeros(3, stem.size))
