"""Gets a Chromium for the tests of pages, where there is none and one can be had.

`make test` runs it. It takes playwright's own; in CI, where that cannot be downloaded, Debian's. It
never fails: where no browser can be had, because the machine has no network or lacks libraries, it
writes the reason down, and the tests of pages are skipped with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from als_engine.system.browser import find_chromium

EXCUSE = Path(sys.prefix) / ".no-browser"
"""Why there can be no browser here; missing where there is one, and where nobody has tried."""

PATIENCE = 180
"""Seconds that the download may take."""

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def get(excuse: Path = EXCUSE) -> str:
    """Installs one if there is none; returns why there can be none, or `''`."""
    reason = "" if find_chromium() else _download()
    if reason and _may_install_packages():
        reason = _install_package()
    reason = reason or _start()
    if reason:
        excuse.write_text(reason, encoding="utf-8")
    else:
        excuse.unlink(missing_ok=True)
    return reason


def _download() -> str:
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"it could not be downloaded in {PATIENCE} s"
    if done.returncode or not find_chromium():
        return f"it could not be downloaded: {_telling(done.stderr or done.stdout)}"
    return ""


def _may_install_packages() -> bool:
    """Whether this is a machine of CI, whose packages are ours to choose."""
    in_ci = bool(os.environ.get("CI") or os.environ.get("ALS_CI"))
    return in_ci and hasattr(os, "geteuid") and os.geteuid() == 0 and bool(shutil.which("apt-get"))


def _install_package() -> str:
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        try:
            done = subprocess.run(
                ["apt-get", "--quiet", *command],
                capture_output=True, text=True, timeout=PATIENCE,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"apt-get {command[0]} took more than {PATIENCE} s"
    if done.returncode or not find_chromium():
        return f"it could not be installed: {_telling(done.stderr or done.stdout)}"
    return ""


def _start() -> str:
    """Whether it runs: playwright's own needs libraries that a machine may lack."""
    command = [str(find_chromium()), "--headless", *OPTIONS, "--dump-dom", "about:blank"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"it does not start: {_telling(str(error))}"
    return f"it does not start: {_telling(done.stderr)}" if done.returncode else ""


def _telling(text: str) -> str:
    """Of many lines the first that says "Error", or the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line]
    return [*errors[:1], *lines[-1:], "no reason was given"][0]


if __name__ == "__main__":
    if reason := get():
        sys.stdout.write(f"No Chromium for the tests of pages: {reason}\n")
