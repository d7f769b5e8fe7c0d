"""Every benchmark of delivery ends with one JSON object of its measures, and measures what it says.

Figures are not judged here: a shared machine has bad days. Only a few letters are sent.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import missing

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SECONDS = 600  # other tests share the machine
SBIN = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
RATIOS = ("personalised_to_smtp_source", "signed_ahead_to_smtp_source", "signed_inline_to_smtp_source")


def run(*arguments: str) -> tuple[int, str, dict[str, Any]]:
    """Of Python with these arguments: exit code, everything on stdout, and the JSON object on its last line."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=ROOT / "benchmarks", capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, done.stdout, json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def sink() -> None:
    """Postfix's generator and sink are there."""
    if not all(shutil.which(name, path=SBIN) for name in ("smtp-source", "smtp-sink")):
        missing("needs smtp-source and smtp-sink (sh scripts/bench-peers.sh)")


@pytest.fixture(scope="module")
def delivery(sink: None) -> tuple[int, str, dict[str, Any]]:
    """One short run of benchmarks/delivery.py."""
    return run("delivery.py", "--smoke")


def test_delivery_prints_ratios_against_smtp_source(delivery: tuple[int, str, dict[str, Any]]) -> None:
    """Ours beside smtp-source in the same run; ledger and sink count every letter, or there is no result."""
    code, said, result = delivery
    assert code == 0
    for name in RATIOS:
        low, high = result[f"{name}_range"]
        assert 0 < low <= result[name] <= high
    for name in ("personalised", "signed_ahead", "signed_inline", "smtp_source"):
        assert result[f"{name}_cpu_us"] > 0
        assert result[f"{name}_rate"] > 0
    assert result["many"] == 100_000
    assert result["many_is_measured"] is False
    assert "x smtp-source" in said


def test_delivery_compares_cpu_with_nodemailer(delivery: tuple[int, str, dict[str, Any]]) -> None:
    """Where it is not installed that is named in the JSON, and costs only its own rows."""
    _, _, result = delivery
    for mode in ("raw", "fields"):
        ratio = result[f"nodemailer_{mode}_cpu_to_ours"]
        assert (ratio is None) == bool(result["missing"])
        if ratio is not None:
            wanted = result[f"nodemailer_{mode}_cpu_us"] / result["personalised_cpu_us"]
            assert ratio == pytest.approx(wanted, rel=0.01)


def test_scale_prints_the_cost_of_a_recipient_at_each_size(sink: None) -> None:
    """Flatness is the dearest size against the cheapest."""
    code, _, result = run("scale.py", "--smoke")
    assert code == 0
    assert result["readers"] == [100, 400]
    costs = result["cpu_us_per_recipient"]
    assert result["flatness"] == pytest.approx(max(costs) / min(costs), rel=0.01)
    assert all(
        cost > 0 for cost in costs + result["release_cpu_us_per_recipient"] + result["list_cpu_us_per_recipient"]
    )
    assert result["largest"] == 400
    assert result["peak_mb_at_largest"] == max(result["peak_mb"]) > 20


def test_subscribers_prints_an_import_beside_its_floor() -> None:
    """Looking, doing and exporting; memory is that of the process that did it, and fewer rows are said to be so."""
    code, said, result = run("subscribers.py", "--smoke")
    assert code == 0
    assert result["rows"] == 2_000
    wanted = result["import_cpu_seconds"] / result["floor_cpu_seconds"]
    assert result["import_to_floor"] == pytest.approx(wanted, rel=0.1)
    assert result["import_peak_mb"] > 20
    assert result["import_peak_below_reach"] is (result["import_peak_mb"] < 150)
    assert "quick: 2,000 people instead of 1,000,000" in said


@pytest.mark.parametrize("name", ["delivery", "scale"])
def test_what_is_missing_is_named(name: str) -> None:
    """Where nothing is installed there is nothing to measure: exit 1, and the JSON object all the same."""
    nowhere = f"import sys, postroom; postroom.PROGRAMS = '/nonexistent'; sys.argv[1:] = ['--smoke']; import {name}"
    code, _, result = run("-c", f"{nowhere}; {name}.main()")
    assert code == 1
    assert any("smtp-sink" in what for what in result["missing"])
