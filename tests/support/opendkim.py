"""OpenDKIM as a judge of our signatures: Debian's own filter in test mode, with keys from a file and no name server.

In test mode it reads letters from files and prints the Authentication-Results header that it would put in front, one
for each letter, with a line for each signature.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.databases import missing

AT_ONCE = 200  # letters for each run of the program: its command line names every file
TIMEOUT = 120
VERDICT = re.compile(r"dkim=(\w+)[^;]*header\.s=([^\s;]+)")


def verdicts(letters: Sequence[bytes], records: Mapping[str, str], folder: Path) -> list[dict[str, str]]:
    """What OpenDKIM says of each letter (CRLF lines): selector -> ``pass``, ``fail`` ...; empty when unsigned.

    Args:
        letters: whole messages.
        records: the DNS, as ``DkimKey.dns_record`` tells it: name -> value of the TXT record.
        folder: where files may be put.
    """
    program = shutil.which("opendkim", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        missing("needs Debian's package opendkim (apt-get install opendkim)")
    keys, settings = folder / "opendkim-keys", folder / "opendkim.conf"
    keys.write_text("".join(f"{name} {value}\n" for name, value in records.items()), encoding="ascii")
    settings.write_text(f"TestPublicKeys {keys}\nStrictTestMode yes\nAlwaysAddARHeader yes\n", encoding="utf-8")
    told: list[dict[str, str]] = []
    for start in range(0, len(letters), AT_ONCE):
        told += _asked(program, settings, letters[start : start + AT_ONCE], folder)
    return told


def _asked(program: str, settings: Path, letters: Sequence[bytes], folder: Path) -> list[dict[str, str]]:
    names = [f"{number}.eml" for number in range(len(letters))]
    for name, letter in zip(names, letters, strict=True):
        (folder / name).write_bytes(letter)
    command = [program, "-x", str(settings), "-vv", "-t", ",".join(names)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    results = done.stdout.split("hname='Authentication-Results'")[1:]
    assert done.returncode == 0, done.stderr
    assert len(results) == len(letters), done.stdout
    return [{selector: verdict for verdict, selector in VERDICT.findall(result)} for result in results]
