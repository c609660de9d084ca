"""A page that nobody looked at is a failure in CI, wherever a browser could be had."""

from __future__ import annotations

from pathlib import Path

import browser
import get_browser
import pytest


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a browser and without a network; CI is not told."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "browsers"))
    monkeypatch.setenv("PLAYWRIGHT_DOWNLOAD_HOST", "http://127.0.0.1:9")
    for name in ("CI", "ALS_CI"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_browser_that_is_there_is_no_excuse(tmp_path: Path) -> None:
    if get_browser.find_chromium() is None:
        browser.not_looked_at("there is no Chromium")
    excuse = tmp_path / "excuse"
    excuse.write_text("there was no network")
    assert get_browser.get(excuse) == ""
    assert not excuse.exists()


@pytest.mark.timeout(200)
def test_without_a_network_the_tests_of_pages_are_skipped(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    excuse = bare / "excuse"
    assert "could not be downloaded" in get_browser.get(excuse)
    monkeypatch.setenv("ALS_CI", "1")
    with pytest.raises(pytest.skip.Exception, match=r"no Chromium: it could not be downloaded"):
        browser.not_looked_at("no Chromium", excuse)


def test_in_ci_debians_browser_is_taken_where_playwrights_cannot_be_had(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = bare / "apt-get"
    tool.write_text(f"#!/bin/sh\necho $2 >>{bare}/asked; printf '#!/bin/sh\\n' >{bare}/chromium; "
                    f"/bin/chmod +x {bare}/chromium\n")  # fmt: skip
    tool.chmod(0o755)
    assert "could not be downloaded" in get_browser.get(bare / "excuse")
    monkeypatch.setenv("ALS_CI", "1")
    monkeypatch.setattr("os.geteuid", lambda: 1000, raising=False)
    assert "could not be downloaded" in get_browser.get(bare / "excuse")
    monkeypatch.setattr("os.geteuid", lambda: 0, raising=False)
    assert get_browser.get(bare / "excuse") == ""
    assert (bare / "asked").read_text().split() == ["update", "install"]


def test_a_browser_that_does_not_start_is_an_excuse(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = bare / "chromium"
    broken.write_text("#!/bin/sh\necho 'libnss3.so: cannot open' >&2; exit 127\n")
    broken.chmod(0o755)
    excuse = bare / "excuse"
    assert get_browser.get(excuse) == "it does not start: libnss3.so: cannot open"
    assert excuse.read_text() == "it does not start: libnss3.so: cannot open"


@pytest.mark.parametrize("name", ["CI", "ALS_CI"])
def test_in_ci_a_page_that_nobody_looked_at_fails(
    bare: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with pytest.raises(pytest.skip.Exception):
        next(browser.chromium())
    monkeypatch.setenv(name, "1")
    with pytest.raises(pytest.fail.Exception, match="there is no Chromium to look at the page"):
        browser.not_looked_at("there is no Chromium to look at the page with", bare / "excuse")
