"""TLS as a client: whom we trust and what we show, made of a provider's settings."""

import ssl
import tempfile
from pathlib import Path
from typing import Protocol

PEM_BYTES_MAX = 1024 * 1024
_PEM = "-----BEGIN "


class TlsFiles(Protocol):
    """PEM texts, or paths of files that hold them (`providers/model.py:Tls`)."""

    @property
    def ca_file(self) -> str | None: ...
    @property
    def client_cert_file(self) -> str | None: ...
    @property
    def client_key_file(self) -> str | None: ...


def client_context(tls: TlsFiles | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer, certificate and host name checked against the machine's authorities and those of `ca_file`.

    Reads files. Raises ValueError, in words for who wrote the settings, which never hold any of a key.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls is None:
        return context
    if tls.ca_file is not None:
        _trust(context, _pem(tls.ca_file, "ca_file"))
    if tls.client_cert_file is not None:
        key = tls.client_key_file
        certificate = _pem(tls.client_cert_file, "client_cert_file")
        _show(context, certificate, _pem(key, "client_key_file") if key is not None else certificate)
    elif tls.client_key_file is not None:
        raise ValueError("client_key_file: a key needs its certificate too: give client_cert_file")
    return context


def stamp(tls: TlsFiles) -> tuple[int, ...]:
    """Changes when one of the files does, so that a new certificate under an old name is noticed."""
    parts: list[int] = []
    for name in (tls.ca_file, tls.client_cert_file, tls.client_key_file):
        if name is not None and not _is_pem(name):
            try:
                found = Path(name).stat()
                parts += (found.st_mtime_ns, found.st_size, found.st_ino)
            except OSError:
                parts.append(0)  # who opens it says what is wrong
    return tuple(parts)


def _is_pem(text: str) -> bool:
    return text.lstrip().startswith(_PEM)


def _pem(text: str, field: str) -> str:
    if _is_pem(text):
        return text
    try:
        with Path(text).open("rb") as file:
            data = file.read(PEM_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else "no path"
        # Who pastes a key without its first line where a path belongs should not find it in a log.
        shown = "the file" if field == "client_key_file" else repr(text[:200])
        raise ValueError(f"{field}: {shown} can't be read: {words}") from None
    found = data.decode("ascii", "replace")
    if len(data) > PEM_BYTES_MAX or _PEM not in found:
        raise ValueError(f"{field}: {text!r} is no PEM file (it has no line that begins with {_PEM.strip()})")
    return found


def _trust(context: ssl.SSLContext, authorities: str) -> None:
    try:
        context.load_verify_locations(cadata=authorities)
    except ssl.SSLError:
        raise ValueError("ca_file: it holds no certificate that can be read") from None


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    # OpenSSL takes these from files only; the folder is ours alone and gone at once.
    with tempfile.TemporaryDirectory(prefix="waystation-tls-") as folder:
        certificate_file, key_file = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        for path, text in ((certificate_file, certificate), (key_file, key)):
            path.touch(mode=0o600)
            path.write_text(text, encoding="ascii", errors="replace")
        try:
            # Without a password OpenSSL would ask on the terminal.
            context.load_cert_chain(certificate_file, key_file, password=_no_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise ValueError("client_key_file: the key does not belong to the certificate") from None
            raise ValueError("client_cert_file, client_key_file: no certificate with its key can be read") from None
        except _Locked:
            raise ValueError("client_key_file: the key has a password; give one without") from None


class _Locked(Exception):
    """The key is encrypted."""


def _no_password() -> str:
    raise _Locked
