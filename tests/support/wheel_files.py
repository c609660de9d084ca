"""Packages as wheels that pip installs, many of them together."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGES = Path(__file__).with_name("packages")


class Package(NamedTuple):
    """What is in a wheel.

    Attributes:
        name: of the distribution.
        files: paths to contents.
        groups: the entry points, by group and name.
        version: of the distribution.
    """

    name: str
    files: Mapping[str, str]
    groups: Mapping[str, Mapping[str, str]]
    version: str = "1.0"


def package(folder: str) -> Package:
    """A package of `support/packages`, by what its `pyproject.toml` says."""
    root = PACKAGES / folder
    about = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project, wheel = about["project"], about["tool"]["hatch"]["build"]["targets"]["wheel"]
    files = {name: (root / name).read_text(encoding="utf-8") for name in wheel["only-include"]}
    return Package(project["name"], files, project["entry-points"], project["version"])


def build(package: Package, folder: Path) -> Path:
    """Writes the wheel of a package, as a build backend does (PEP 427)."""
    stem = f"{package.name.replace('-', '_')}-{package.version}"
    info = f"{stem}.dist-info"
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
        for group, named in package.groups.items()
    )
    files = {
        **package.files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package.name}\n"
        f"Version: {package.version}\nRequires-Dist: als-engine\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{info}/entry_points.txt": points,
    }
    record = "".join(
        f"{name},{_digest(text)},{len(text.encode())}\n" for name, text in files.items()
    )
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            wheel.writestr(name, text)
    return path


def install(packages: Iterable[Package], folder: Path) -> None:
    """Builds the wheels of packages and has pip install all of them into a folder, at once."""
    built = folder / "wheels"
    built.mkdir(exist_ok=True)
    wheels = [str(build(each, built)) for each in packages]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-index", "--no-compile", "--target", str(folder), *wheels]
    subprocess.run(command, check=True)


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"
