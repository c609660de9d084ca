"""The encoder that the documentation writes works."""

from __future__ import annotations

import re

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box
from places import ROOT

from als_engine.plugins.registry import registry

PAGE = (ROOT / "docs" / "encoders.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def test_the_encoder_on_the_page_encodes_and_its_hook_names_it():
    module, plugin = {"__name__": "mean"}, {"__name__": "plugin"}
    exec(CODE[0], module)
    exec(CODE[1], plugin)
    (spec,) = plugin["als_encoders"]()
    assert spec.encoder.endswith(":MeanEncoder")
    space = gymnasium.spaces.Dict(
        {"touch": Box(0.0, 1.0, (3,), np.float32), "text": Box(0, 9, (4,), np.int32)}
    )
    encoder = module["MeanEncoder"](space, size=8)
    assert encoder({"touch": torch.rand(2, 3)}).shape == (2, encoder.features)
    assert encoder.config == {"size": 8}


def test_the_page_names_every_encoder():
    assert [spec.id for spec in registry.encoders() if f"`{spec.id}`" not in PAGE] == []
