"""Another processor gives the same bits: states, pictures, sounds, everything that is observed."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import golden
import pytest
from plain_processor import PLAIN


@pytest.mark.slow
@pytest.mark.timeout(600)  # Every kernel is compiled for that processor.
@pytest.mark.skipif(
    bool(os.environ.get("ALS_CI")),
    reason="`.ci/run` does it with the wheel on another Python, or by itself where there is none",
)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="these settings are those of x86-64")
def test_a_generic_processor_gives_the_recorded_states_and_observations(tmp_path):
    if golden.physics() not in golden.FILE.read_text():
        pytest.skip(f"nothing is recorded for {golden.physics()}")
    environment = {**os.environ, **PLAIN, "ALS_NO_NOTICES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, golden.__file__], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == golden.recorded()
    # It takes half a minute, of which one line tells.
    assert done.stderr.count("Compiling for this machine, once") == 1
    assert len(done.stderr.splitlines()) == 1
