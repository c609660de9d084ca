"""Distributions that are really installed, in a folder on the path of fresh processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from forked import new_interpreters

from als_engine.system.compiling import kept

BUNDLED = {
    f"ALS/{name}-v0"
    for name in (
        "Build", "Classroom", "Commons", "Delivery", "Diagnosis", "Gathering", "Imaging", "Meeting",
        "Tag", "Tour", "Tutor", "Vocabulary", "Ward", "World",
    )
}  # fmt: skip

KERNELS = kept().folder
"""Where what is compiled stays: compiling it anew for each test would take a minute each."""


class Found(NamedTuple):
    """The ids of our making that Gymnasium knows, and the failure of each distribution."""

    ids: set[str]
    failures: dict[str, str]


class Site:
    """A folder of installed distributions, and processes that see them.

    Attributes:
        folder: where they are.
        limit: seconds that a package may take which is looked at alone, since nobody knows it. On
            a busy machine it may take its time. With 0 nothing is looked at, which saves half a
            second for each folder.
    """

    def __init__(self, folder: Path, limit: float = 0) -> None:
        self.folder, self.limit = folder, limit
        # A package is tried anew where something else has come to lie beside it.
        for name in ("cache", "__pycache__"):
            (folder / name).mkdir(exist_ok=True)

    def install(
        self, distribution: str, files: dict[str, str], entry: str = "", metadata: str = ""
    ) -> None:
        """Writes the files of a distribution and its metadata.

        Args:
            distribution: its name.
            files: paths to contents.
            entry: what its entry point names.
            metadata: more lines for `entry_points.txt`.
        """
        for name, source in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        info = self.folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[als_engine]\nmain = {entry}\n{metadata}\n")

    def environment(self, **more: str) -> dict[str, str]:
        """What the processes see: the folder, a cache of their own, and everybody's kernels."""
        own = {
            "PYTHONPATH": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "NUMBA_CACHE_DIR": str(KERNELS),
        }
        return {**os.environ, **own, "ALS_PLUGIN_TIMEOUT": str(self.limit), **more}

    def run(self, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs code in a fresh process."""
        return self.process([sys.executable, "-c", code], **environment)

    def als(self, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs `als` in a fresh process."""
        code = "import sys; sys.argv[0] = 'als'; from als_engine.cli import main; main()"
        return self.process([sys.executable, "-c", code, *map(str, words)], **environment)

    def process(
        self, words: list[str], given: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a program that sees the distributions, with a text on stdin.

        It is no fork: what a start meets is what these tests are about.
        """
        with new_interpreters():
            return subprocess.run(
                words,
                input=given,
                env=self.environment(**environment),
                capture_output=True,
                encoding="utf-8",
                timeout=290,
            )

    def look(self, code: str = "import als_engine", **environment: str) -> Found:
        """Returns what a fresh process has registered and refused after `code`."""
        report = (
            "\nimport gymnasium, json"
            "\nids = [id for id in gymnasium.registry if '/' in id]"
            "\nfrom als_engine.plugins.registry import registry"
            "\nfailed = {p.distribution: p.error for p in registry.failures()}"
            "\nprint(json.dumps([ids, failed]))"
        )
        result = self.run(code + report, **environment)
        assert result.returncode == 0, result.stderr
        ids, failures = json.loads(result.stdout.splitlines()[-1])
        ours = {name for name in ids if name.startswith(("ALS/", "Acme/", "Zeta/"))}
        return Found(ours, failures)

    def ids(self, code: str = "import als_engine", **environment: str) -> set[str]:
        """Returns the ids of our making that Gymnasium knows after `code`."""
        return self.look(code, **environment).ids

    def failures(self, **environment: str) -> dict[str, str]:
        """Returns the failure of each distribution, in one line."""
        return self.look(**environment).failures
