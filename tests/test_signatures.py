"""The campaign of signatures in short; ``python -m tests.campaigns.signatures`` is ten thousand letters."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from newsletter.deliver.dispatch import Signing
from newsletter.deliver.dkim import SIGNED, _plan
from newsletter.deliver.signing import Forms, Signers
from newsletter.deliver.smime import SmimeSigner
from newsletter.model import Language
from tests.campaigns import signatures as campaign

SEED = 20261006
PLAN = campaign.Plan(publications=2, letters=400, seed=SEED, mutations=200, smime=40, dkimpy=40, forged=3)


@pytest.mark.slow
def test_every_signature_is_good_and_no_change_goes_unnoticed() -> None:
    """By OpenDKIM, dkimpy and openssl; as many were tried as were wanted, and of each kind some."""
    tally = campaign.run(PLAN)
    assert not tally.faults, tally.examples
    tried = tally.tried
    assert (tried["dkim"], tried["dkimpy"], tried["smime"], tried["smime_mutations"]) == (400, 40, 40, 40)
    assert tried["mutations"] >= 200
    assert tried["harmless"] >= 10
    assert tried["forgeries"] >= 3 * 40


def test_a_seed_gives_the_same_letters() -> None:
    """So that a fault can be looked at again; keys are new each time."""
    first, second = (texts(SEED) for _ in range(2))
    assert first == second
    assert first != texts(SEED + 1)


def texts(seed: int) -> list[bytes]:
    chance = random.Random(seed)
    edition = next(campaign.publications(chance))
    return [edition[Language(language)].head for language in ("en", "fr", "ja")]


class InThisProcess(Signers):
    """Workers import our modules anew, without what a test changed in them."""

    def __init__(self, signing: Signing, forms: Forms, **_: object) -> None:
        super().__init__(signing, forms, expected=0)


@pytest.mark.parametrize(
    ("name", "careless", "faults"),
    [
        ("newsletter.deliver.letters.canonical_body", lambda body: body, {"dkim", "dkimpy"}),
        ("newsletter.deliver.dkim.OVERSIGNED", (b"from",), {"forgeries"}),
        ("newsletter.deliver.dkim.SIGNED", SIGNED - {b"feedback-id", b"archived-at"}, {"forgeries", "mutations"}),
        ("newsletter.deliver.dkim.DkimSigner.sign", lambda *_: b"", {"dkim", "dkimpy"}),
    ],
)
@pytest.mark.slow
def test_a_careless_signer_is_found_out(
    monkeypatch: pytest.MonkeyPatch, name: str, careless: object, faults: set[str]
) -> None:
    """Ours, with one thing as others do it: the campaign sees it, or its silence above would say nothing."""
    monkeypatch.setattr(name, careless)
    monkeypatch.setattr("newsletter.deliver.dkim._plan", _plan.__wrapped__)  # it remembers what was careful
    monkeypatch.setattr(campaign, "Signers", InThisProcess)
    mutations, forged = 150 * ("mutations" in faults), 2 * ("forgeries" in faults)
    few = replace(PLAN, publications=1, letters=12, smime=0, dkimpy=12, mutations=mutations, forged=forged)
    tally = campaign.run(few)
    assert set(tally.faults) == faults


def test_an_smime_signature_of_something_else_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Openssl sees it, and DKIM over it is good all the same."""
    sign = SmimeSigner.sign
    monkeypatch.setattr(SmimeSigner, "sign", lambda signer, part: sign(signer, part + b"\r\n"))
    monkeypatch.setattr(campaign, "Signers", InThisProcess)
    tally = campaign.run(replace(PLAN, publications=1, letters=8, smime=8, dkimpy=0, mutations=0, forged=0))
    assert tally.faults == {"smime": 8}
