"""What is installed: from a built wheel in an environment without the checkout, and from the checkout itself."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import newsletter
from newsletter.resources import packaged

ROOT = Path(__file__).parent.parent
MONTH = "2026-10"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the pinned build backend."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def empty_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel alone; the libraries that it needs lie on the path, the checkout does not.

    The libraries are not fetched again: a line in a .pth file leads to those that this test runs with, and such a
    line, unlike site-packages itself, does not follow the editable installation there.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return folder


def test_the_wheel_carries_templates_catalogues_migrations_and_the_demos_content(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for part in (
        "newsletter/packaged/templates/email/report/body.html",
        "newsletter/packaged/articles/2026/social-media-dos-and-donts.en.md",
        "newsletter/packaged/demo/feeds/advisories.xml",
        "newsletter/packaged/newsletter.toml",
        "newsletter/packaged/scheduler.py",
        "newsletter/locale/fr/LC_MESSAGES/newsletter.po",
        "newsletter/py.typed",
    ):
        assert part in names
    assert any(name.startswith("newsletter/store/migrations/versions/") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "articles/", "templates/"))]


def test_a_site_made_from_the_wheel_reports_its_sample_month(empty_environment: Path, tmp_path: Path) -> None:
    """Newsletter init site && cd site && newsletter report 2026-10, with nothing of the checkout in reach."""
    python = empty_environment / "bin" / "python"
    where = [str(python), "-c", "import newsletter; print(newsletter.__file__)"]
    assert (
        str(empty_environment) in subprocess.run(where, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    )
    for folder, args in ((tmp_path, ["init", "site"]), (tmp_path / "site", ["report", MONTH])):
        subprocess.run([str(python), "-m", "newsletter", *args], cwd=folder, check=True, capture_output=True)
    assert len(list((tmp_path / "site" / "out").iterdir())) == 8


@pytest.mark.slow
def test_the_demo_of_the_wheel_reaches_everybody_once(empty_environment: Path, tmp_path: Path) -> None:
    demo = [str(empty_environment / "bin" / "python"), "-m", "newsletter", "demo", "--once", "--port", "0"]
    told = subprocess.run(demo, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert '"subscribers": 25, "delivered": 25, "duplicates": 0, "missing": 0' in told.splitlines()[-1]


def test_an_editable_installation_uses_the_checkouts_own_files() -> None:
    assert Path(newsletter.__file__).parent == ROOT / "newsletter"
    assert packaged("templates") == ROOT / "templates"
    script = Path(sys.executable).parent / "newsletter"
    assert (
        "newsletter, version"
        in subprocess.run([script, "--version"], check=True, capture_output=True, text=True).stdout
    )
