"""A TLS connection to the venue, and each way of not getting one as an error that says what to do.

Layer: beside the client; market data and trading connect alike. Owns no protocol rule and no session.
Source: venue reference 1.3 for TLS and name resolution.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from capture.errors import CertificateRefused, ProtocolFailed, SettingInvalid, VenueUnavailable

CONNECT_TIME_S: Final = 15.0
HANDSHAKE_TIME_S: Final = 10.0

AProtocol = TypeVar("AProtocol", bound=asyncio.BaseProtocol)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect. server_name: what the certificate must prove, usually the host."""

    host: str
    port: int
    server_name: str
    ca_file: Path | None


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a client context: TLS 1.3, certificate and name verified. Errors: SettingInvalid."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingInvalid(where="venue.ca_file", received=ca_file, allowed=f"a PEM file ({error})") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


async def open_connection(endpoint: Endpoint, context: ssl.SSLContext, protocol: Callable[[], AProtocol]) -> AProtocol:
    """Return the protocol of a connection whose certificate is proven.

    Errors: CertificateRefused, VenueUnavailable or ProtocolFailed; no FIX byte was sent then.
    """
    loop = asyncio.get_running_loop()
    where = f"{endpoint.host}:{endpoint.port}"
    try:
        async with asyncio.timeout(CONNECT_TIME_S):
            _, connected = await loop.create_connection(
                protocol,
                endpoint.host,
                endpoint.port,
                ssl=context,
                server_hostname=endpoint.server_name,
                ssl_handshake_timeout=HANDSHAKE_TIME_S,
            )
    except ssl.SSLCertVerificationError as error:
        raise CertificateRefused(
            f"{where}: certificate refused: {error.verify_message}; nothing was sent."
            f" Expected a certificate for {endpoint.server_name} by"
            f" {endpoint.ca_file or 'an authority that this system knows'} (--ca, --server-name)"
        ) from None
    except socket.gaierror as error:
        raise VenueUnavailable(f"{endpoint.host}: unknown host ({error.strerror}); check venue.host") from None
    except ConnectionRefusedError:
        raise VenueUnavailable(f"{where}: connection refused; check the port, and that the venue is up") from None
    except TimeoutError:
        raise VenueUnavailable(f"{where}: no answer within {CONNECT_TIME_S:.0f} s; check the address") from None
    except (ssl.SSLError, ConnectionError) as error:
        # uvloop reports a refused TLS version as a bare reset.
        detail = getattr(error, "reason", None) or error
        raise ProtocolFailed(
            f"{where}: no TLS 1.3 handshake ({detail}); nothing was sent."
            " The other side may offer only TLS 1.2, or no TLS at all"
        ) from None
    except OSError as error:
        raise VenueUnavailable(f"{where}: {error.strerror or error}; check the address and the route") from None
    return connected
