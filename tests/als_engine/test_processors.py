"""Another processor gives the same bits: states, pictures, sounds, everything that is observed."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import golden
import pytest

# As a processor of 2003 would run it: Numba compiles without fused multiply-adds and wide vectors,
# NumPy and the C library take their plain implementations.
PLAIN = {
    "NUMBA_CPU_NAME": "generic",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-FMA,-FMA4,-AVX512F",
}


@pytest.mark.slow
@pytest.mark.timeout(600)  # Every kernel is compiled for that processor.
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
