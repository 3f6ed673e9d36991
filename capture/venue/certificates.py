"""Certificates for a venue on loopback, made on the fly by trustme.

Layer: venue. Source: design section 8. They prove nothing to anybody else and end with the venue that made them.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a venue presents, and the PEM of the authority that a client must be given to believe it."""

    context: ssl.SSLContext
    ca_pem: bytes

    def write_ca(self, path: Path) -> Path:
        """Write the authority's certificate where a client can read it."""
        path.write_bytes(self.ca_pem)
        return path


def make(
    *names: str,
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    maximum: ssl.TLSVersion | None = None,
    version: str = "1.3",
    believed: bool = True,
) -> Credentials:
    """Return fresh credentials for host names or addresses.

    version: `1.2` offers TLS 1.2 and nothing newer. believed: False gives clients another authority to verify it by.
    """
    if version == "1.2":
        minimum = maximum = ssl.TLSVersion.TLSv1_2
    authority = trustme.CA(organization_name="fixtape simulated venue")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    if maximum is not None:
        context.maximum_version = maximum
    authority.issue_cert(*names).configure_cert(context)
    trusted = authority if believed else trustme.CA(organization_name="another authority")
    return Credentials(context, trusted.cert_pem.bytes())
