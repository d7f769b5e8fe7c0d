"""S/MIME signatures (RFC 8551): a detached CMS over one MIME part, its own part of the letter, keys and certificates.

The CMS is made by ``cryptography``. It holds the moment of signing (RFC 8551 section 2.5.1), which that library takes
from the system's clock, so two signatures of the same part differ; nothing else here reads a clock.
"""

from __future__ import annotations

from base64 import encodebytes
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from newsletter.deliver import headers
from newsletter.deliver.dkim import RSA_BITS, RSA_EXPONENT, read_private_key, to_pem

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

SmimeKind: TypeAlias = Literal["rsa", "p256"]
SigningKey: TypeAlias = RSAPrivateKey | ec.EllipticCurvePrivateKey

MIN_RSA_BITS: Final = 2048  # RFC 8551 section 4.2
MAX_COMMON_NAME: Final = 64  # RFC 5280 appendix A.1
MAX_ORGANISATION: Final = 64
TRIAL_DAYS: Final = 365
CLOCK_SKEW: Final = timedelta(hours=1)  # a new certificate is valid too where the clock is a little behind

# Detached: the part stands in the letter already. Binary: its bytes are signed as they are, CRLF lines and all.
OPTIONS: Final = (PKCS7Options.DetachedSignature, PKCS7Options.Binary)

SIGNATURE_HEAD: Final = (  # RFC 8551 section 3.5.3.2
    headers.tokens("Content-Type", "application/pkcs7-signature;", 'name="smime.p7s"')
    + headers.tokens("Content-Transfer-Encoding", "base64")
    + headers.tokens("Content-Disposition", "attachment;", 'filename="smime.p7s"')
    + b"\r\n"
)


@dataclass(frozen=True, slots=True)
class SmimeSigner:
    """A certificate, its private key, and the certificates between it and its root. Made by ``load``."""

    certificate: x509.Certificate
    key: SigningKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @classmethod
    def load(cls, certificate_pem: bytes, key_pem: bytes) -> SmimeSigner:
        """The signer in two PEM files' bytes: certificates (our own first, then its issuers), and the private key.

        Whether the certificate is valid today is the caller's question: see ``not_before`` and ``not_after``.

        Raises:
            ValueError: in words, when one of them cannot be used, or they do not belong together.
        """
        try:
            certificate, *chain = x509.load_pem_x509_certificates(certificate_pem)
            public = certificate.public_key()
            is_for_mail = _is_for_mail(certificate)
        except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
            first = "whose first line is -----BEGIN CERTIFICATE-----"
            raise ValueError(f"there is no certificate in PEM that we can read here, {first}") from error
        key = _checked(read_private_key(key_pem))
        if key.public_key() != public:
            raise ValueError(
                "the private key does not belong to the certificate; "
                "the certificate for it must stand first in its file, those of its issuers after it"
            )
        if not is_for_mail:
            raise ValueError("the certificate is for another purpose than e-mail (it lacks emailProtection)")
        return cls(certificate, key, tuple(chain))

    @property
    def not_before(self) -> datetime:
        """From when on the certificate is valid; aware, UTC."""
        return self.certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """Until when the certificate is valid; aware, UTC."""
        return self.certificate.not_valid_after_utc

    @property
    def addresses(self) -> tuple[str, ...]:
        """For whose mail the certificate is: a From that is none of these looks forged (RFC 8550 section 3)."""
        try:
            names = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return ()
        return tuple(names.get_values_for_type(x509.RFC822Name))

    def sign(self, part: bytes) -> bytes:
        """The DER of a detached CMS signature, SHA-256, over a whole MIME part: headers, blank line, content.

        The line break before the boundary that follows the part is not signed (RFC 1847 section 2.1).

        Raises:
            ValueError: a line does not end in CRLF, or it is not 7-bit, so a relay might change it (RFC 8551 3.1).
        """
        lines = part.count(b"\r\n")  # counting is ten times quicker than a pattern, and this is done for each letter
        if not part.isascii() or part.count(b"\n") != lines or part.count(b"\r") != lines:
            raise ValueError("what is signed must be ASCII with CRLF at the end of every line (RFC 8551 section 3.1)")
        builder = PKCS7SignatureBuilder().set_data(part).add_signer(self.certificate, self.key, SHA256())
        for issuer in self.chain:
            builder = builder.add_certificate(issuer)
        return builder.sign(Encoding.DER, OPTIONS)


def signature_part(der: bytes) -> bytes:
    """The whole MIME part that carries a signature: headers, blank line, base64 in lines of 76; CRLF everywhere."""
    return SIGNATURE_HEAD + encodebytes(der).replace(b"\n", b"\r\n")


def make_request(address: str, organisation: str, *, kind: SmimeKind = "rsa") -> tuple[bytes, bytes]:
    """A new private key and a request for a certificate to send mail from ``address``: two PEMs.

    Raises:
        ValueError: the address cannot stand in a certificate, or the organisation's name is too long.
    """
    key = _new_key(kind)
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(address, organisation))
    for extension, critical in _extensions(address):
        builder = builder.add_extension(extension, critical)
    return to_pem(key), builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def make_self_signed(
    address: str, organisation: str, *, now: datetime, kind: SmimeKind = "rsa", days: int = TRIAL_DAYS
) -> tuple[bytes, bytes]:
    """A new private key and a certificate that nobody vouches for, to try with: two PEMs; errors as make_request."""
    key = _new_key(kind)
    name = _subject(address, organisation)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    for extension, critical in _extensions(address):
        builder = builder.add_extension(extension, critical)
    return to_pem(key), builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def _new_key(kind: SmimeKind) -> SigningKey:
    return ec.generate_private_key(ec.SECP256R1()) if kind == "p256" else generate_private_key(RSA_EXPONENT, RSA_BITS)


def _subject(address: str, organisation: str) -> x509.Name:
    headers.checked_address(address)
    if not 1 <= len(organisation) <= MAX_ORGANISATION:
        told = f"{organisation!r} has {len(organisation)} characters"
        raise ValueError(f"the organisation's name in a certificate has 1 to {MAX_ORGANISATION} characters; {told}")
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)]
    if len(address) <= MAX_COMMON_NAME:
        names.append(x509.NameAttribute(NameOID.COMMON_NAME, address))
    return x509.Name(names)


def _extensions(address: str) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    """What a certificate for signing mail needs (RFC 8550 section 4.4), each with whether it is critical."""
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        (x509.SubjectAlternativeName([x509.RFC822Name(address)]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False),
    )


def _is_for_mail(certificate: x509.Certificate) -> bool:
    """RFC 8550 section 4.4.4: without the extension, a certificate is for everything."""
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return not {ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}.isdisjoint(purposes)


def _checked(private: PrivateKeyTypes) -> SigningKey:
    if isinstance(private, RSAPrivateKey):
        if private.key_size < MIN_RSA_BITS:
            wanted = f"S/MIME needs at least {MIN_RSA_BITS} (RFC 8551)"
            raise ValueError(f"the RSA key has {private.key_size} bits; {wanted}")
        return private
    if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
        return private
    raise ValueError("the key is neither RSA nor P-256, and few mail programs know how to verify another one")
