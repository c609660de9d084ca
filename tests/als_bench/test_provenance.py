"""A result names the code that it was made with, as it is then."""

from __future__ import annotations

import recall_worlds

from als_bench.provenance import code_hashes
from als_engine.plugins.registry import registry


def test_a_plugin_that_is_added_or_taken_back_later_is_known_at_once() -> None:
    before = code_hashes()
    plugin = registry.add(recall_worlds, distribution="recall-worlds")
    try:
        assert {*code_hashes()} - {*before} == {"recall-worlds"}
    finally:
        registry.remove(plugin)
    assert code_hashes() == before
