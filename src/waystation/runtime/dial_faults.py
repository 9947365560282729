"""Why a connection did not come about: what the system and OpenSSL say, as a ConnectFailed with its hop and reason."""

import errno
import socket
import ssl

from waystation.wire.http import ConnectFailed, Hop, Reason

_VERIFY: dict[int, Reason] = {  # OpenSSL's X509_V_ERR_…
    9: "cert_not_yet_valid",
    10: "cert_expired",
    18: "cert_self_signed",
    19: "cert_unknown_ca",  # a chain that ends in a root nobody here trusts
    20: "cert_unknown_ca",
    21: "cert_unknown_ca",
    62: "cert_wrong_host",
    64: "cert_wrong_host",  # of an IP address
}
_WORDS: dict[Reason, str] = {
    "cert_not_yet_valid": "its certificate is not valid yet",
    "cert_expired": "its certificate has expired",
    "cert_self_signed": "its certificate is self-signed",
    "cert_unknown_ca": "its certificate comes from an authority that is not trusted here",
    "cert_wrong_host": "its certificate is for another host name",
    "cert_invalid": "its certificate is not accepted",
    "client_cert": "it wants a client certificate, or another one than it was shown",
    "no_tls": "it speaks no TLS on this port, or none that is new enough",
    "broke_off": "it closed the connection",
}
_CLIENT_CERT_ALERTS = (
    "ALERT_CERTIFICATE_REQUIRED",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_REVOKED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_UNKNOWN_CA",
    "ALERT_ACCESS_DENIED",
    "ALERT_HANDSHAKE_FAILURE",  # what TLS 1.2 says for a missing one
)
_NO_TLS = ("WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")


def connect_failed(error: OSError, where: str, *, tls: bool) -> ConnectFailed:
    """The fault of a direct connection to `where`, on which TLS was to be spoken or not."""
    if isinstance(error, socket.gaierror):
        return ConnectFailed(f"{where}: DNS does not know the name ({error})", hop="dns", reason="unknown_host")
    if tls and isinstance(error, (ssl.SSLError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)):
        return tls_failed(error, where)
    reason: Reason = "refused" if isinstance(error, ConnectionRefusedError) else "other"
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT):
        reason = "unreachable"
    return ConnectFailed(f"{where}: {error}", hop="connect", reason=reason)


def tls_failed(error: OSError, where: str, hop: Hop = "tls") -> ConnectFailed:
    """The fault of a TLS handshake with `where`; of one with a proxy the hop is "proxy"."""
    reason = tls_reason(error)
    words = _WORDS.get(reason)
    said = f"{words} ({error})" if words and str(error) else words or str(error)
    return ConnectFailed(f"{where}: TLS: {said}", hop=hop, reason=reason)


def tls_reason(error: OSError) -> Reason:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY.get(error.verify_code, "cert_invalid")
    if not isinstance(error, ssl.SSLError):
        return "broke_off"
    said = error.reason or ""
    if said.endswith(_CLIENT_CERT_ALERTS):
        return "client_cert"
    if any(word in said for word in _NO_TLS):
        return "no_tls"
    return "broke_off" if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)) else "other"
