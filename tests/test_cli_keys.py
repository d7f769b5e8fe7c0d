"""``newsletter keys`` as an operator types it: what it makes, what it prints, and what it leaves alone."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import dkim
import pytest

from newsletter.deliver.dkim import DkimKey, DkimSigner, canonical_body, canonical_fields
from newsletter.deliver.smime import SmimeSigner
from tests.support.sites import Site

DOMAIN = "meridian.example"
HEAD = b"From: security@meridian.example\r\nSubject: x\r\n"
BODY = b"Hello\r\n"
SIGNED_AT = 1_790_000_000
ADDRESS = "Computer.Security@meridian.example"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def files(site: Site) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (site.folder / "var" / "keys").iterdir()}


def zone(printed: str) -> dict[str, str]:
    """The TXT records of a zone file, read as RFC 1035 section 5.1 has it."""
    records = re.findall(r"(?m)^(\S+)\. \d+ IN TXT \(([^)]*)\)$", printed)
    return {name: "".join(re.findall(r'"([^"]*)"', strings)) for name, strings in records}


def accepted(key: DkimKey, records: dict[str, str]) -> bool:
    """Whether dkimpy, with these records for a DNS, believes a letter that the key signed."""
    signed = DkimSigner((key,)).sign(canonical_fields(HEAD), sha256(canonical_body(BODY)).digest(), SIGNED_AT)
    message = signed + HEAD + b"\r\n" + BODY

    def ask(name: bytes, timeout: int = 5) -> bytes:
        return records[name.decode().rstrip(".")].encode()

    told: bool = dkim.verify(message, dnsfunc=ask)
    return told


def load(site: Site, stem: str, domain: str = DOMAIN) -> DkimKey:
    return DkimKey.load((site.folder / "var/keys" / f"{stem}.pem").read_bytes(), selector=stem, domain=domain)


# --- dkim -----------------------------------------------------------------------------------------------------


def test_the_printed_records_verify_what_the_keys_sign(site: Site) -> None:
    """One RSA, one Ed25519; each under the name of its file."""
    records = zone(site.must("keys", "dkim", "--selector", "2026a"))
    assert list(records) == ["2026a-rsa._domainkey.meridian.example", "2026a-ed25519._domainkey.meridian.example"]
    assert accepted(load(site, "2026a-rsa"), records)
    assert accepted(load(site, "2026a-ed25519"), records)


def test_no_string_of_a_record_is_too_long_for_the_dns(site: Site) -> None:
    """RFC 1035 section 3.3: 255 characters; an RSA key needs two of them."""
    strings = re.findall(r'    "([^"]*)"', site.must("keys", "dkim"))
    assert [len(string) for string in strings] == [255, len(strings[1]), len(strings[2])]
    assert max(map(len, strings)) == 255


def test_keys_can_be_read_by_their_owner_alone(site: Site) -> None:
    """And nothing is left beside them."""
    site.must("keys", "dkim", "--selector", "2026a")
    assert files(site).keys() == {"2026a-rsa.pem", "2026a-ed25519.pem"}
    assert mode(site.folder / "var" / "keys") == 0o700
    assert {mode(site.folder / "var" / "keys" / name) for name in files(site)} == {0o600}
    assert "PRIVATE KEY" not in site.out + site.err


def test_the_printed_lines_are_settings(site: Site) -> None:
    """Copied into newsletter.toml as they are, they name the two files."""
    printed = site.must("keys", "dkim", "--selector", "2026a")
    lines = printed[printed.index("[signing]") :]
    assert tomllib.loads(lines)["signing"]["dkim_keys"] == ["var/keys/2026a-rsa.pem", "var/keys/2026a-ed25519.pem"]
    settings = site.folder / "newsletter.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + "\n" + lines, encoding="utf-8")
    assert site.json("config", "show")["signing.dkim_keys"]["value"] == [
        "var/keys/2026a-rsa.pem",
        "var/keys/2026a-ed25519.pem",
    ]


def test_keys_that_are_there_are_never_overwritten(site: Site) -> None:
    """Letters on their way need them; exit code 4 says that it was refused."""
    site.must("keys", "dkim", "--selector", "2026a")
    before = files(site)
    assert site.newsletter("keys", "dkim", "--selector", "2026a") == 4
    assert "2026a-rsa.pem exists already" in site.err
    assert "--show --selector 2026a" in site.err
    assert files(site) == before


def test_either_both_keys_are_made_or_none(site: Site) -> None:
    """Half a pair would be taken for a whole one."""
    site.write("var/keys/2026a-ed25519.pem", "something of the operator's")
    assert site.newsletter("keys", "dkim", "--selector", "2026a") == 4
    assert files(site) == {"2026a-ed25519.pem": b"something of the operator's"}


def test_two_people_at_once_make_one_pair(site: Site) -> None:
    """One of them is refused, and both read the same record afterwards."""
    command = [sys.executable, "-m", "newsletter", "keys", "dkim", "--selector", "2026a"]
    racers = [
        subprocess.Popen(command, cwd=site.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = [racer.communicate(timeout=60)[0] for racer in racers]
    assert sorted(racer.returncode for racer in racers) == [0, 4]
    assert files(site).keys() == {"2026a-rsa.pem", "2026a-ed25519.pem"}
    assert zone(site.must("keys", "dkim", "--show")) == zone("".join(printed))


def test_a_full_disk_leaves_no_half_of_a_key(site: Site) -> None:
    """No file may grow beyond nothing here: exit code 5, and the folder stays empty."""
    command = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", sys.executable, "-m", "newsletter", "keys", "dkim"]
    done = subprocess.run(command, cwd=site.folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 5
    assert "cannot write" in done.stderr
    assert files(site) == {}


def test_show_prints_the_records_of_the_keys_that_are_there(site: Site) -> None:
    """And makes none; with --selector those of one pair."""
    first = site.must("keys", "dkim", "--selector", "2026a")
    second = site.must("keys", "dkim", "--selector", "2026b")
    before = files(site)
    assert site.must("keys", "dkim", "--show", "--selector", "2026a") == first
    assert zone(site.must("keys", "dkim", "--show")) == zone(first) | zone(second)
    assert files(site) == before


@pytest.mark.parametrize("more", [(), ("--selector", "2025z")])
def test_show_says_when_there_is_nothing_to_show(site: Site, more: tuple[str, ...]) -> None:
    assert site.newsletter("keys", "dkim", "--show", *more) == 2
    assert "newsletter keys dkim" in site.err
    assert not (site.folder / "var" / "keys").exists()


def test_a_damaged_key_is_named(site: Site) -> None:
    """Exit code 3: what the settings name cannot be used."""
    site.must("keys", "dkim", "--selector", "2026a")
    (site.folder / "var/keys/2026a-rsa.pem").write_text("-----BEGIN PRIVATE KEY-----\n", encoding="ascii")
    assert site.newsletter("keys", "dkim", "--show") == 3
    assert "2026a-rsa.pem: there is no private key in PEM" in site.err


@pytest.mark.parametrize("selector", ["a_b", "../a", "é", "a b", "", "x" * 60])
def test_a_selector_that_the_dns_cannot_hold_is_refused(site: Site, selector: str) -> None:
    """Before any file is made; nor can it lead out of the folder."""
    assert site.newsletter("keys", "dkim", "--selector", selector) == 2
    assert "no DKIM selector" in site.err
    assert not (site.folder / "var" / "keys").exists()


def test_the_first_pair_is_named_after_the_year(site: Site) -> None:
    """Whoever makes the next one in the same year counts on: 2026b."""
    site.must("keys", "dkim")
    this_year = f"{datetime.now(UTC):%Y}a"
    assert files(site).keys() == {f"{this_year}-rsa.pem", f"{this_year}-ed25519.pem"}


def test_programs_get_one_object(site: Site) -> None:
    """The same records, whole, with the file of each key."""
    made = site.json("keys", "dkim", "--selector", "2026a")
    assert made == site.json("keys", "dkim", "--show")
    assert made["domain"] == DOMAIN
    assert [key["file"] for key in made["keys"]] == ["var/keys/2026a-rsa.pem", "var/keys/2026a-ed25519.pem"]
    assert [key["algorithm"] for key in made["keys"]] == ["rsa-sha256", "ed25519-sha256"]
    assert {key["name"]: key["value"] for key in made["keys"]} == zone(site.must("keys", "dkim", "--show"))


def test_the_domain_can_be_another_than_the_senders(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """signing.dkim_domain, where the organisation signs with its parent domain."""
    monkeypatch.setenv("NEWSLETTER_SIGNING_DKIM_DOMAIN", "parent.example")
    records = zone(site.must("keys", "dkim", "--selector", "2026a"))
    assert list(records) == ["2026a-rsa._domainkey.parent.example", "2026a-ed25519._domainkey.parent.example"]
    assert accepted(load(site, "2026a-ed25519", "parent.example"), records)


# --- smime ----------------------------------------------------------------------------------------------------


def test_a_request_is_ready_for_the_authority(site: Site) -> None:
    """For the address that letters come from, with a key that stays here."""
    printed = site.must("keys", "smime")
    folder = site.folder / "var" / "keys"
    assert files(site).keys() == {"smime-key.pem", "smime.csr.pem"}
    assert mode(folder) == 0o700
    assert mode(folder / "smime-key.pem") == 0o600
    command = ["openssl", "req", "-verify", "-noout", "-text", "-in", folder / "smime.csr.pem"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"email:{ADDRESS}" in text
    assert "E-mail Protection" in text
    assert "Send var/keys/smime.csr.pem to your certificate authority" in printed


@pytest.mark.parametrize("kind", ["rsa", "p256"])
def test_a_self_signed_certificate_is_there_to_try_with(site: Site, kind: str) -> None:
    """The printed lines name two files that belong together."""
    printed = site.must("keys", "smime", "--self-signed", "--kind", kind, "--address", "reports@meridian.example")
    signing = tomllib.loads(printed[printed.index("[signing]") :])["signing"]
    certificate, key = ((site.folder / signing[name]).read_bytes() for name in ("smime_certificate", "smime_key"))
    assert SmimeSigner.load(certificate, key).addresses == ("reports@meridian.example",)
    assert "nobody but you trusts" in printed


@pytest.mark.parametrize("more", [(), ("--self-signed",)])
def test_a_key_for_smime_is_never_overwritten(site: Site, more: tuple[str, ...]) -> None:
    """The authority's answer fits no other key."""
    site.must("keys", "smime")
    before = files(site)
    assert site.newsletter("keys", "smime", *more) == 4
    assert "smime-key.pem exists already" in site.err
    assert files(site) == before


@pytest.mark.parametrize("wrong", [("--address", "nobody"), ("--organisation", "x" * 65), ("--kind", "dsa")])
def test_names_that_cannot_stand_in_a_certificate_are_refused(site: Site, wrong: tuple[str, str]) -> None:
    assert site.newsletter("keys", "smime", *wrong) == 2
    assert not (site.folder / "var" / "keys").exists()


def test_programs_get_the_names_of_the_files(site: Site) -> None:
    assert site.json("keys", "smime") == {
        "address": ADDRESS,
        "key": "var/keys/smime-key.pem",
        "request": "var/keys/smime.csr.pem",
    }
