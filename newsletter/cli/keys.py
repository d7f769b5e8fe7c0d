"""Keys that letters are signed with: made here, never overwritten, and what has to be done with them."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

import click

from newsletter.cli.common import json_option, print_json, site_settings, writing
from newsletter.errors import ConfigError, RefusedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from newsletter.config import Settings
    from newsletter.deliver.dkim import DkimKey, DkimKind
    from newsletter.deliver.smime import SmimeKind

FOLDER: Final = "var/keys"  # relative to the site
FOLDER_MODE: Final = 0o700
SECRET_MODE: Final = 0o600
PUBLIC_MODE: Final = 0o644
KINDS: Final[tuple[DkimKind, ...]] = ("rsa", "ed25519")
SMIME_KEY: Final = "smime-key.pem"
SMIME_CERTIFICATE: Final = "smime-certificate.pem"
SMIME_REQUEST: Final = "smime.csr.pem"
MAX_KEY_BYTES: Final = 100_000
MAX_STRING: Final = 255  # one string of a TXT record, RFC 1035 section 3.3
TTL: Final = 3600


@click.group(short_help="Make the keys that letters are signed with.", epilog="Example: newsletter keys dkim")
def keys() -> None:
    """Make the keys that letters are signed with, and tell what to publish."""


# --- DKIM -----------------------------------------------------------------------------------------------------


@keys.command(short_help="Make the keys for DKIM.", epilog="Example: newsletter keys dkim --selector 2026a")
@click.option(
    "--selector", help="The name of this pair of keys in the DNS; this year's first, like 2026a, unless said."
)
@click.option("--show", is_flag=True, help="Make nothing; print the records of the keys that are there.")
@json_option
def dkim(selector: str | None, *, show: bool, as_json: bool) -> None:
    """Make an RSA and an Ed25519 key for DKIM, and print the DNS records to publish.

    The private keys go into var/keys, readable by their owner alone. A key that is there is never overwritten.
    """
    settings = site_settings()
    domain = _domain(settings)
    if show:
        paths = _existing(settings.root / FOLDER, selector)
    else:
        this_year = f"{date.today():%Y}a"  # noqa: DTZ011  # the operator's year
        paths = _make_pair(settings, this_year if selector is None else selector, domain)
    pairs = [(path, _load(path, domain)) for path in paths]
    if as_json:
        print_json({"domain": domain, "keys": [_as_dict(settings, path, key) for path, key in pairs]})
        return
    click.echo(_told(settings, pairs))


def _domain(settings: Settings) -> str:
    return settings.signing.dkim_domain or settings.publication.from_address.rpartition("@")[2]


def _make_pair(settings: Settings, selector: str, domain: str) -> list[Path]:
    """The files of two new keys; RefusedError when one of that name is there, UsageError when the name is no good."""
    from newsletter.deliver.dkim import DkimKey, make_key  # noqa: PLC0415  # cryptography costs 0.1 s

    made = {f"{selector}-{kind}": make_key(kind) for kind in KINDS}
    for name, pem in made.items():
        try:
            DkimKey.load(pem, selector=name, domain=domain)
        except ValueError as error:
            raise UsageError(f"no key can be made under this name: {error}") from error
    again = f"newsletter keys dkim --show --selector {selector} prints its record; for new keys take another selector"
    files = {f"{name}.pem": (pem, SECRET_MODE) for name, pem in made.items()}
    return _write_new(settings.root / FOLDER, files, again=again)


def _existing(folder: Path, selector: str | None) -> list[Path]:
    wanted = [path for kind in KINDS for path in folder.glob(f"*-{kind}.pem")]
    if selector is not None:
        wanted = [path for path in wanted if path.stem in {f"{selector}-{kind}" for kind in KINDS}]
    if not wanted:
        named = f" named {selector}-rsa.pem or {selector}-ed25519.pem" if selector is not None else ""
        raise UsageError(f"there is no DKIM key{named} in {folder}; make one with: newsletter keys dkim")
    return sorted(wanted, key=lambda path: (path.stem.rpartition("-")[0], KINDS.index(path.stem.rpartition("-")[2])))


def _load(path: Path, domain: str) -> DkimKey:
    from newsletter.config_rules import read_small  # noqa: PLC0415
    from newsletter.deliver.dkim import DkimKey  # noqa: PLC0415

    try:
        return DkimKey.load(read_small(path, MAX_KEY_BYTES), selector=path.stem, domain=domain)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error


def _told(settings: Settings, pairs: Sequence[tuple[Path, DkimKey]]) -> str:
    records = [key.dns_record() for _, key in pairs]
    names = "\n".join(f"  {name}" for name, _ in records)
    zone = "\n".join(_zone_lines(name, value) for name, value in records)
    listed = ", ".join(f'"{_inside(settings, path)}"' for path, _ in pairs)
    return (
        f"1. Create a TXT record for each of these names:\n{names}\n\n"
        "   As lines of a zone file; the strings in quotes are parts of one value, to be joined without a blank\n"
        f"   where a form asks for it whole:\n\n{zone}\n\n"
        "2. When your name servers show them, put this into newsletter.toml:\n\n"
        f"[signing]\ndkim_keys = [{listed}]\n"
    )


def _zone_lines(name: str, value: str) -> str:
    """A TXT record as a zone file holds it (RFC 1035 section 5.1); its strings have at most 255 characters."""
    strings = [value[start : start + MAX_STRING] for start in range(0, len(value), MAX_STRING)]
    quoted = "\n".join(f'    "{string}"' for string in strings)
    return f"{name}. {TTL} IN TXT (\n{quoted} )"


def _as_dict(settings: Settings, path: Path, key: DkimKey) -> dict[str, str]:
    name, value = key.dns_record()
    file = _inside(settings, path)
    return {"file": file, "selector": key.selector, "algorithm": key.algorithm, "name": name, "value": value}


# --- S/MIME ---------------------------------------------------------------------------------------------------


@keys.command(
    short_help="Make a key for S/MIME.", epilog="Example: newsletter keys smime --address reports@example.org"
)
@click.option("--address", help="The mailbox that letters come from; publication.from_address unless said.")
@click.option("--organisation", help="For the certificate; publication.organisation unless said.")
@click.option("--kind", type=click.Choice(["rsa", "p256"]), default="rsa", show_default=True, help="Which kind of key.")
@click.option("--self-signed", is_flag=True, help="Make a certificate too, to try with; nobody else trusts it.")
@json_option
def smime(address: str | None, organisation: str | None, *, kind: SmimeKind, self_signed: bool, as_json: bool) -> None:
    """Make a key for S/MIME, and a request that a certificate authority answers with a certificate.

    The private key goes into var/keys, readable by its owner alone. A key that is there is never overwritten.
    """
    from newsletter.deliver.smime import make_request, make_self_signed  # noqa: PLC0415  # cryptography costs 0.1 s

    settings = site_settings()
    mailbox = address or settings.publication.from_address
    named = organisation or settings.publication.organisation
    try:
        if self_signed:
            key, public = make_self_signed(mailbox, named, now=datetime.now(UTC), kind=kind)
        else:
            key, public = make_request(mailbox, named, kind=kind)
    except ValueError as error:
        raise UsageError(f"no certificate can be made with these names: {error}") from error
    _, file = _write_new(
        settings.root / FOLDER,
        {SMIME_KEY: (key, SECRET_MODE), SMIME_CERTIFICATE if self_signed else SMIME_REQUEST: (public, PUBLIC_MODE)},
        again="move it away first if you want another one; letters signed with it stay valid",
    )
    if as_json:
        told = "certificate" if self_signed else "request"
        print_json({"address": mailbox, "key": f"{FOLDER}/{SMIME_KEY}", told: _inside(settings, file)})
        return
    click.echo(_next_step(_inside(settings, file), mailbox, self_signed=self_signed))


def _next_step(file: str, address: str, *, self_signed: bool) -> str:
    lines = (
        "[signing]\n"
        f'smime_certificate = "{FOLDER}/{SMIME_CERTIFICATE}"\n'
        f'smime_key = "{FOLDER}/{SMIME_KEY}"\n'
    )  # fmt: skip
    if self_signed:
        return (
            f"{file} is a certificate for {address} that nobody but you trusts: good for trying.\n"
            f"Put this into newsletter.toml:\n\n{lines}"
        )
    return (
        f"1. Send {file} to your certificate authority; it asks for a certificate to sign mail from {address}.\n"
        f"2. Save the answer as {FOLDER}/{SMIME_CERTIFICATE}, in PEM: your certificate first, then its issuers.\n"
        f"3. Put this into newsletter.toml:\n\n{lines}"
    )


# --- files ----------------------------------------------------------------------------------------------------


def _inside(settings: Settings, path: Path) -> str:
    return path.relative_to(settings.root).as_posix()


def _write_new(folder: Path, files: Mapping[str, tuple[bytes, int]], *, again: str) -> list[Path]:
    """Write files (name -> content, mode) that are not there, all or none; RefusedError when one is there already."""
    with writing(folder):
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    made: list[Path] = []
    try:
        for name, (content, mode) in files.items():
            with writing(folder / name):
                _link_new(folder / name, content, mode)
            made.append(folder / name)
    except OSError as error:
        for path in made:
            path.unlink()
        if isinstance(error, FileExistsError):
            raise RefusedError(f"{error.filename} exists already and is not overwritten; {again}") from error
        raise
    return made


def _link_new(path: Path, content: bytes, mode: int) -> None:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)  # fails when the file is there, whoever made it in the meantime
    finally:
        aside.unlink(missing_ok=True)
