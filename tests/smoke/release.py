"""Makes a release: its files, its version everywhere, and its section of the changelog.

    make release VERSION=0.2.0

1. Writes the version into `pyproject.toml`, `als_engine/__init__.py` and `CITATION.cff`.
2. Turns the changelog's "unreleased" section into the release's: with the date, and with the
   scenarios that are new, or no longer there, since the last one.
3. Keeps the scenarios' digests in `tests/released.json`: what has these ids stays as it is.
4. Builds the wheel and the sdist into `dist/`; the sdist has to give the very same wheel.
5. Installs each into a fresh environment, and tries it there (`installed.py`).

Nothing is committed, tagged or uploaded: the last lines say how. Where one of the checks fails, the
files that were written are put back.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(Path(__file__).parent))

import wheels  # noqa: E402

VERSIONED = {
    "pyproject.toml": (r'(?m)^version = "(.+)"$', 'version = "{}"'),
    "als_engine/__init__.py": (r'(?m)^__version__ = "(.+)"$', '__version__ = "{}"'),
    "CITATION.cff": (r"(?m)^version: (.+)$", "version: {}"),
}
"""Files that say the version: what is looked for, and what stands there then."""

GOLDEN, RELEASED = Path("tests/golden.json"), Path("tests/released.json")
WRITTEN = (*VERSIONED, "CHANGELOG.md", str(RELEASED))
UNRELEASED = re.compile(r"(?m)^## (\S+) - unreleased\n(.*?)(?=^## |\Z)", re.S)
VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")
TRIES = (
    "import gymnasium as gym, als_engine\n"
    "env = gym.make('als_engine:ALS/Tag-v0')\n"
    "env.reset(seed=0); env.step(env.action_space.sample()); env.close()\n"
    "print(als_engine.__version__)"
)


def main(version: str, root: Path = ROOT) -> int:
    before = {name: _read(root / name) for name in WRITTEN}
    try:
        write(root, version, datetime.date.today())
        check(root, version)
    except (
        RefusedError,
        subprocess.CalledProcessError,
        subprocess.TimeoutExpired,
        OSError,
    ) as error:
        for name, text in before.items():
            _put_back(root / name, text)
        wheels.say(f"No release: {error}")
        return 1
    wheels.say(
        f"dist/ has {version}. To publish it:\n"
        f"  git commit -am 'Release {version}' && git tag v{version} && git push --follow-tags\n"
        "  twine upload dist/*"
    )
    return 0


class RefusedError(Exception):
    """Something is not as a release needs it; the message is a line."""


# -- what is written ------------------------------------------------------------------------------


def write(root: Path, version: str, day: datetime.date) -> None:
    """Writes version, changelog and digests."""
    if not VERSION.fullmatch(version):
        raise RefusedError(f'"{version}" is no version: give VERSION=1.2.3')
    golden = json.loads((root / GOLDEN).read_text(encoding="utf-8"))
    released = json.loads(_read(root / RELEASED) or "{}")
    changelog = root / "CHANGELOG.md"
    text = section(changelog.read_text(encoding="utf-8"), version, day, golden, released)
    changelog.write_text(text, encoding="utf-8")
    for name, (pattern, line) in VERSIONED.items():
        old = (root / name).read_text(encoding="utf-8")
        new, count = re.subn(pattern, line.format(version), old)
        if count != 1:
            raise RefusedError(f"{name} does not say the version in one place")
        (root / name).write_text(new, encoding="utf-8")
    (root / RELEASED).write_text((root / GOLDEN).read_text(encoding="utf-8"), encoding="utf-8")


def section(
    changelog: str,
    version: str,
    day: datetime.date,
    golden: Mapping[str, Mapping[str, object]],
    released: Mapping[str, Mapping[str, object]],
) -> str:
    """The changelog with the unreleased section as that of this release."""
    found = UNRELEASED.search(changelog)
    if found is None or not found[2].strip():
        raise RefusedError(
            'CHANGELOG.md has no section "## x.y.z - unreleased" with something in it'
        )
    now, before = _ids(golden), _ids(released)
    said = [
        f"- Physics: {', '.join(sorted(golden))}.",
        *_list("Scenarios that are new", now - before),
        *_list("Scenarios that are no longer there", before - now),
    ]
    body = "\n".join([found[2].rstrip(), *said])
    return UNRELEASED.sub(lambda _: f"## {version} - {day.isoformat()}\n{body}\n\n", changelog, 1)


def _ids(digests: Mapping[str, Mapping[str, object]]) -> set[str]:
    return {each for scenarios in digests.values() for each in scenarios}


def _list(what: str, ids: set[str]) -> list[str]:
    return [f"- {what}: {', '.join(f'`{each}`' for each in sorted(ids))}."] if ids else []


# -- what is checked ------------------------------------------------------------------------------


def check(root: Path, version: str) -> None:
    """Builds both files and tries each in an environment of its own."""
    with tempfile.TemporaryDirectory(prefix="als-release-") as name:
        folder = Path(name)
        wheel, sdist = build(root, folder, version)
        again = folder / "again"
        _pip(folder / "builder", "wheel", "--no-deps", "-w", str(again), str(sdist))
        other = next(again.glob("*.whl"))
        if contents(wheel) != contents(other):
            raise RefusedError("the sdist gives another wheel than the checkout")
        wheels.say("the sdist gives the same wheel")
        for file, whole in ((wheel, True), (other, False)):
            try_out(file, folder / f"env-{whole}", whole, version)


def build(root: Path, folder: Path, version: str) -> tuple[Path, Path]:
    """The wheel and the sdist, in `dist/`."""
    dist, builder = root / "dist", folder / "builder"
    subprocess.run([sys.executable, "-m", "venv", str(builder)], check=True)
    _pip(builder, "install", "hatchling")
    for old in dist.glob(f"als_engine-{version}*"):
        old.unlink()
    command = [wheels._inside(builder), "-m", "hatchling", "build", "-d", str(dist)]
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
    wheel, sdist = next(dist.glob(f"*-{version}-*.whl")), dist / f"als_engine-{version}.tar.gz"
    wheels.say(f"built {wheel.name} and {sdist.name}")
    return wheel, sdist


def contents(wheel: Path) -> dict[str, str]:
    """The files of a wheel, with a hash of each."""
    with zipfile.ZipFile(wheel) as file:
        return {
            name: hashlib.sha256(file.read(name)).hexdigest()
            for name in file.namelist()
            if not name.endswith("/RECORD")
        }


def try_out(wheel: Path, place: Path, whole: bool, version: str) -> None:
    """Installs a wheel with all it needs, and plays: everything, or a step."""
    until = time.monotonic() + wheels.LONGEST
    if not wheels.install(sys.executable, wheel, place, until):
        raise RefusedError(f"{wheel.name} cannot be installed")
    if whole:
        if not wheels.smoke(place, until):
            raise RefusedError(f"{wheel.name} does not do what it should")
    else:
        command = [wheels._inside(place), "-W", "error::UserWarning", "-c", TRIES]
        done = subprocess.run(command, cwd=place, check=True, capture_output=True, text=True)
        if done.stdout.strip() != version:
            raise RefusedError(f"{wheel.name} says that it is {done.stdout.strip()}")
    wheels.say(f"{wheel.name} is well ({'from the checkout' if whole else 'from the sdist'})")


def _pip(environment: Path, *words: str) -> None:
    command = [wheels._inside(environment), "-m", "pip", words[0], *wheels.QUIET, *words[1:]]
    subprocess.run(command, check=True)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _put_back(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
