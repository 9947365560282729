"""What may be said of providers and credentials beyond what a file's are held to, and what of them may be shown. Pure.

Each rule raises InvalidRequest with the `param` and what to do.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import urlsplit

from msgspec.structs import replace

from waystation.errors import InvalidRequest
from waystation.fleet.model import ProviderFields, config_of
from waystation.fleet.nouns import NAME, Problem, check_provider, nearest

PATH_CHARS_MAX = 1_000
SECRET_CHARS_MAX = 8_192
WEIGHT_MAX = 1_000
REDACTED_FROM_CHARS = 16  # a shorter secret is not shown in part
HIDDEN = "***"
NAME_CHARS_MAX = 128
NEAR_NAMES_MAX = 1_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_MAY_BE_SECRET = re.compile(r"auth|key|token|secret|cookie|passw|credential|session|signature", re.IGNORECASE)
_FILES = ("ca_file", "client_cert_file", "client_key_file")


def wrong(message: str, param: str | None, code: str = "invalid_value") -> InvalidRequest:
    return InvalidRequest(message, param=param, code=code)


def near(name: str, known: Collection[str]) -> str:
    """'; did you mean …?' when a known name is close, else ''. Looked for only where that is quickly done."""
    return nearest(name, known)[0] if len(name) <= NAME_CHARS_MAX and len(known) <= NEAR_NAMES_MAX else ""


def refuse(problems: Iterable[Problem]) -> None:
    """Raise the first of them, if there is one."""
    for problem in problems:
        param = problem.path or "name"
        raise wrong(f"'{param}' {problem.en}.", param, "not_found" if problem.missing else "invalid_value")


def check_name(name: str, param: str = "name") -> str:
    """Of a provider or a credential: it stands in URLs and in headers."""
    if not _NAME.fullmatch(name):
        raise wrong(f"'{param}' has 1 to 100 letters, digits and . _ : - and begins with a letter or digit.", param)
    return name


def check_long_name(name: str, param: str = "name") -> str:
    """Of a deployment or a route, which may be named as models are: anthropic/claude-sonnet."""
    if not NAME.fullmatch(name):
        raise wrong(f"'{param}' has 1 to 128 letters, digits and . _ : / - and begins with a letter or digit.", param)
    return name


def check_weight(weight: int) -> int:
    if not 1 <= weight <= WEIGHT_MAX:
        raise wrong(f"'weight' is from 1 to {WEIGHT_MAX}. To give it no calls, disable it instead.", "weight")
    return weight


def check_secret(secret: str) -> str:
    """It goes out in a header, so nothing may be in it that could end one. A line end after it is the editor's."""
    secret = secret.rstrip("\r\n")
    if not _VISIBLE.fullmatch(secret) or len(secret) > SECRET_CHARS_MAX:
        raise wrong(f"'secret' has 1 to {SECRET_CHARS_MAX} visible ASCII characters, without spaces in it.", "secret")
    return secret


def redacted(secret: str) -> str:
    """The form in which a secret is shown: enough to tell two apart, of a short one nothing."""
    return f"{secret[:3]}…{secret[-4:]}" if len(secret) >= REDACTED_FROM_CHARS else HIDDEN


def check_fields(name: str, fields: ProviderFields) -> ProviderFields:
    """A provider of the API. It may be another machine's administrator who writes it, so every private address is asked about."""
    check_name(name)
    refuse(check_provider(config_of(name, fields, ()), on_this_machine=False))
    for param in _FILES:
        path = getattr(fields, param)
        if path is not None and not _is_pem(path) and (not path.startswith("/") or len(path) > PATH_CHARS_MAX):
            raise wrong(f"'{param}' is the absolute path of a PEM file on the server, or the PEM text itself.", param)
    _refuse_hidden(fields)
    return fields


def _refuse_hidden(fields: ProviderFields) -> None:
    if fields.proxy is not None and urlsplit(fields.proxy).password == HIDDEN:
        raise wrong("'proxy' has the password as it is shown. Send the real one, or leave 'proxy' out.", "proxy")
    for name, value in fields.headers.items():
        if value == HIDDEN:
            raise wrong(f"The header {name} has its value as it is shown. Send the real one.", f"headers.{name}")


def _is_pem(text: str) -> bool:
    return text.lstrip().startswith("-----BEGIN")


# -- what is shown, and what is stored encrypted


def shown(fields: ProviderFields) -> ProviderFields:
    """As it may be shown: without passwords, private keys, and headers that may be secrets by their names."""
    headers = {name: HIDDEN if _MAY_BE_SECRET.search(name) else value for name, value in fields.headers.items()}
    key = fields.client_key_file
    return replace(
        fields,
        headers=headers,
        proxy=_shown_proxy(fields.proxy),
        client_key_file=HIDDEN if key is not None and _is_pem(key) else key,
    )


def _shown_proxy(proxy: str | None) -> str | None:
    if proxy is None or "@" not in proxy:
        return proxy
    scheme, _, rest = proxy.partition("://")
    user, _, place = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{f':{HIDDEN}' if ':' in user else ''}@{place}"


def private_parts(fields: ProviderFields) -> tuple[ProviderFields, ProviderFields | None]:
    """What may be stored as it is, and what of it is stored encrypted (None: nothing)."""
    hidden = {name: value for name, value in fields.headers.items() if _MAY_BE_SECRET.search(name)}
    proxy = fields.proxy if fields.proxy is not None and "@" in fields.proxy else None
    key = fields.client_key_file if fields.client_key_file is not None and _is_pem(fields.client_key_file) else None
    if not hidden and proxy is None and key is None:
        return fields, None
    public = replace(
        fields,
        headers=_without(fields.headers, hidden),
        proxy=None if proxy else fields.proxy,
        client_key_file=None if key else fields.client_key_file,
    )
    return public, ProviderFields(proxy=proxy, headers=hidden, client_key_file=key)


def with_private(public: ProviderFields, private: ProviderFields) -> ProviderFields:
    return replace(
        public,
        proxy=private.proxy or public.proxy,
        headers=public.headers | private.headers,
        client_key_file=private.client_key_file or public.client_key_file,
    )


def _without(headers: Mapping[str, str], hidden: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in hidden}
