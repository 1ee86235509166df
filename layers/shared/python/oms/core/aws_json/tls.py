"""TLS to AWS: one context for the process, which trusts the certificate authorities that botocore trusts.

To read all of them takes 18 ms of processor time. The certificates of AWS's endpoints are from Amazon's own
authorities, so the context starts with these alone. It reads the others when a certificate is from another authority.
"""

import ssl
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from socket import socket

import botocore
from botocore.exceptions import InvalidConfigError

from oms.core import aws
from oms.core.settings import aws_variable

# https://www.amazontrust.com/repository/: SHA-256 of Amazon Root CA 1 to 4, and of Starfield Services Root Certificate
# Authority - G2, which has signed the first.
_AMAZON = {
    "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
    "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
    "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
    "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
    "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
}
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
# OpenSSL's X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, …_SELF_SIGNED_CERT_IN_CHAIN, …_UNABLE_TO_GET_ISSUER_CERT_LOCALLY.
_UNKNOWN_AUTHORITY = {18, 19, 20}


class Trust:
    """A TLS context. `bundle` is a file of authorities; `by_need` reads only Amazon's own until others are needed.

    Raises InvalidConfigError if the file cannot be read.
    """

    def __init__(self, bundle: str, *, by_need: bool) -> None:
        self._bundle = bundle
        self._is_complete = not by_need
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # As botocore's: no compression, no session tickets, HTTP/1.1.
        self._context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
        self._context.set_alpn_protocols(["http/1.1"])
        try:
            if by_need:
                self._context.load_verify_locations(cadata=b"".join(_amazons(Path(bundle).read_bytes())))
            else:
                self._context.load_verify_locations(cafile=bundle)
        except OSError as error:
            raise InvalidConfigError(error_msg=f"Invalid CA bundle: {bundle}: {error}") from error

    def connect(self, open_socket: Callable[[], socket], host: str) -> ssl.SSLSocket:
        """Returns an encrypted connection to `host`, whose certificate is verified. Raises OSError (also for TLS)."""
        was_complete = self._is_complete
        try:
            return self._context.wrap_socket(open_socket(), server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            if was_complete or error.verify_code not in _UNKNOWN_AUTHORITY:
                raise
        self._context.load_verify_locations(cafile=self._bundle)
        self._is_complete = True
        return self._context.wrap_socket(open_socket(), server_hostname=host)


@cache
def trust() -> Trust:
    """Returns the context of the process, with botocore's configuration."""
    configured = aws.option("ca_bundle")
    bundle = aws_variable("REQUESTS_CA_BUNDLE") if configured is None else configured
    return Trust(_default_bundle(), by_need=True) if bundle is None else Trust(bundle, by_need=False)


def _default_bundle() -> str:
    try:
        from certifi import where
    except ImportError:
        return str(Path(botocore.__file__).with_name("cacert.pem"))
    return where()


def _amazons(bundle: bytes) -> Iterator[bytes]:
    """Yields Amazon's authorities of a bundle, in DER."""
    for text in bundle.split(_BEGIN)[1:]:
        certificate = b64decode(b"".join(text.partition(_END)[0].split()), validate=True)
        if sha256(certificate).hexdigest() in _AMAZON:
            yield certificate
