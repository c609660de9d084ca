"""Records the provenance of results: code, libraries and machine."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import JsonValue

from als_bench.claims import canonical_json, digest_of
from als_bench.records import RunRecord
from als_engine.physics.engines import ENGINES
from als_engine.plugins.discovery import BUNDLED
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SuiteSpec

__all__ = ["code_hashes", "library_versions", "machine", "run_record"]

LIBRARIES: Final = ("numba", "numpy", "sb3-contrib", "stable-baselines3", "torch")
"""What the bits of a result depend on, beside our own code and the physics engines."""


def run_record(suite: SuiteSpec) -> RunRecord:
    """A suite under the code and the libraries of now."""
    # As it comes back from a file, which has lists where code may have tuples.
    plain = json.loads(canonical_json(suite.as_dict()))
    code, versions = code_hashes(), library_versions()
    digest = digest_of({"code": code, "suite": plain, "versions": versions})[:8]
    return RunRecord(f"{suite.id.replace('/', '-')}-{digest}", plain, code, versions, machine())


def code_hashes() -> Mapping[str, str]:
    """Distribution to sha256 of its Python files: the engine's and every plugin's that is loaded.

    A plugin's code is the package, or the one module, that its entry point names. Each distribution
    is one hash over the names and the contents of the files, in the order of the names.
    """
    modules: dict[str, set[str]] = {BUNDLED: {"als_engine"}}
    for plugin in registry.plugins():
        if plugin.status == "loaded":
            modules.setdefault(plugin.distribution, set()).add(_top(plugin.module))
    return {name: _hash_of(frozenset(modules[name])) for name in sorted(modules)}


@functools.cache
def library_versions() -> Mapping[str, str]:
    """The versions of Python and of the libraries that results depend on.

    A physics engine stands under the name of its module: several distributions may bring it.
    """
    found = {"python": platform.python_version()}
    for engine in ENGINES.values():
        if engine.version is not None:
            found[engine.module] = engine.version
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return dict(sorted(found.items()))


def machine() -> dict[str, JsonValue]:
    """Processor, cores and platform, for people to read; nothing that names a person or a host."""
    return {
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "simd": list(_simd()),
        "system": f"{platform.system()} {platform.release()}",
    }


def _top(module: str) -> str:
    return module.partition(":")[0].partition(".")[0]


@functools.cache
def _hash_of(modules: frozenset[str]) -> str:
    content = hashlib.sha256()
    for module in sorted(modules):
        for name, path in _files(module):
            data = path.read_bytes()
            # Lengths, so that no other files have the same content one after the other.
            content.update(f"{len(name)} {name} {len(data)}\n".encode())
            content.update(data)
    return content.hexdigest()


def _files(module: str) -> Iterator[tuple[str, Path]]:
    """The Python files of a package or a module: name, as imports know it, and where it lies."""
    try:
        spec = importlib.util.find_spec(module)
    except ValueError:  # Hooks that a notebook or a script has made have no file.
        spec = None
    if spec is None:
        return
    for folder in spec.submodule_search_locations or ():
        root = Path(folder)
        for path in sorted(root.rglob("*.py")):
            yield f"{module}/{path.relative_to(root).as_posix()}", path
    if not spec.submodule_search_locations and spec.origin and spec.origin.endswith(".py"):
        yield f"{module}.py", Path(spec.origin)


def _processor() -> str:
    if platform.system() == "Linux":
        try:
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        except OSError:
            lines = []
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        if names:
            return names[0]
    return platform.processor()


def _simd() -> Iterator[str]:
    """The vector instructions that NumPy uses here: the last bit of a sine may depend on them."""
    found: Any = np.show_config(mode="dicts").get("SIMD Extensions", {})
    yield from found.get("baseline", ())
    yield from found.get("found", ())
