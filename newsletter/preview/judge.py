"""What the preflight says of a month: asked of ``newsletter check`` in a process of its own, at low priority.

Judging every letter and page takes seconds of computing. In this process, even in another thread, it would make every
repaint wait for its turns; in another one it takes the second core, or what is left of the first.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from newsletter.model import Month

NICE: Final = 5  # a repaint has three times its turns; at 10, a busy machine kept findings waiting for a minute
MAX_SECONDS: Final = 300
MAX_TOLD: Final = 500  # findings that a browser is sent
SAID: Final = (0, 1)  # the exit codes of `check` that come with findings


@dataclass(frozen=True, slots=True)
class Verdict:
    """The findings as ``newsletter check --json`` prints them, or why there are none."""

    findings: tuple[dict[str, Any], ...] = ()
    waived: int = 0
    more: int = 0
    failure: str = ""

    def told(self, path: str) -> Verdict:
        """What a browser is sent that shows this file: all that blocks and what is said of the file come first."""
        first = sorted(self.findings, key=lambda one: one["severity"] != "block" and one["path"] != path)
        return replace(self, findings=tuple(first[:MAX_TOLD]), more=max(0, len(first) - MAX_TOLD))


class Judge:
    """Asks about one month at a time; ``stop`` ends what is being asked, and its answer counts no longer."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._asking: asyncio.subprocess.Process | None = None

    async def ask(self, month: Month) -> Verdict:
        """What the preflight finds now."""
        command = (sys.executable, "-m", "newsletter", "check", "--json", "--month", str(month))
        pipe = asyncio.subprocess.PIPE
        try:
            self._asking = await asyncio.create_subprocess_exec(*command, cwd=self._root, stdout=pipe, stderr=pipe)
        except OSError as error:
            return Verdict(failure=f"the preflight could not be started: {error.strerror or error}")
        with suppress(ProcessLookupError):  # it has ended already
            os.setpriority(os.PRIO_PROCESS, self._asking.pid, NICE)
        try:
            async with asyncio.timeout(MAX_SECONDS):
                out, err = await self._asking.communicate()
        except TimeoutError:
            return Verdict(failure=f"the preflight took longer than {MAX_SECONDS} s; run: newsletter check")
        finally:
            self.stop()
        if self._asking.returncode not in SAID:
            return Verdict(failure=err.decode("utf-8", "replace").removeprefix("error: ").strip())
        return _verdict(json.loads(out))

    def stop(self) -> None:
        """Ask no further."""
        if self._asking and self._asking.returncode is None:
            self._asking.kill()


def _verdict(said: dict[str, Any]) -> Verdict:
    findings = tuple(sorted(said["findings"], key=lambda finding: finding["severity"] != "block"))
    return Verdict(findings, len(said["waived"]))
