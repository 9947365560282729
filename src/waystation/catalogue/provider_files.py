"""The certificate files that a provider's configuration names: are they there, and do they fit?"""

import ssl
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from waystation.catalogue.routing_nouns import Problem
from waystation.providers.model import ProviderConfig

Said = tuple[str, str, str]  # path, English, Chinese


def check_files(config: ProviderConfig) -> list[Problem]:
    """What is wrong with the certificate files that it names: missing, no certificates, or of another key. Reads them."""
    return [Problem("providers", config.name, path, en, zh) for path, en, zh in _files(config)]


def _files(config: ProviderConfig) -> Iterator[Said]:
    tls = config.tls
    if tls.ca_file is not None:
        try:
            is_text = _is_pem(tls.ca_file)
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
                cafile=None if is_text else tls.ca_file, cadata=tls.ca_file if is_text else None
            )
        except (OSError, ValueError) as error:
            yield "ca_file", *_unusable(error, "certificates", "证书")
    if tls.client_cert_file is None and tls.client_key_file is None:
        return
    if tls.client_cert_file is None:
        yield "client_key_file", "is of use only with `client_cert_file`", "只有同时设置 `client_cert_file` 才有用"
        return
    try:
        with TemporaryDirectory() as folder:
            certificate = _as_file(tls.client_cert_file, Path(folder, "cert.pem"))
            key = None if tls.client_key_file is None else _as_file(tls.client_key_file, Path(folder, "key.pem"))
            # The password is never asked for: a prompt at start would wait for ever.
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError) as error:
        yield "client_cert_file", *_unusable(error, "a certificate and its key", "证书及其私钥")


def _is_pem(given: str) -> bool:
    return given.lstrip().startswith("-----BEGIN")


def _as_file(given: str, place: Path) -> str:
    """The file itself; of a PEM text one that holds it, which `ssl` wants, in a folder that nobody else can open."""
    if not _is_pem(given):
        return given
    place.touch(mode=0o600)
    place.write_text(given, encoding="utf-8")
    return str(place)


def _unusable(error: Exception, en: str, zh: str) -> tuple[str, str]:
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        if "MISMATCH" in reason:
            return "and `client_key_file` don't belong together: the key is another certificate's", (
                "与 `client_key_file` 不匹配：该私钥属于另一个证书"
            )
        return (
            f"does not hold {en} in PEM form that can be used ({reason or 'not readable'})",
            f"中没有可用的 PEM 格式{zh}（{reason or '无法读取'}）",
        )
    text = getattr(error, "strerror", None) or type(error).__name__
    return f"can't be read: {text}", f"无法读取：{text}"
