"""What is wrong with a provider's configuration, whoever wrote it. Pure but for `check_files`, which opens what it names."""

import ipaddress
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

import msgspec

from waystation.catalogue.provider_presets import PRESETS, Preset
from waystation.catalogue.routing_nouns import Problem
from waystation.catalogue.routing_reading import nearest
from waystation.providers.model import ProviderConfig
from waystation.terms import ENGINE

CREDENTIALS_MAX = 200
WEIGHT_MAX = 1_000
HEADERS_MAX = 64
HEADER_CHARS_MAX = 8_192
CONCURRENCY_MAX = 100_000
TIMEOUT_S_LEAST, TIMEOUT_S_MOST = 0.1, 86_400.0

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")

_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:\d{1,5})?(/[\x21-\x7e]*)?")
_PROXY = re.compile(
    r"(?:http|https|socks5|socks5h)://(?:[^@/\s]+@)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::\d{1,5})?/?"
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, token
_HEADER_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?")  # no control characters, no line ends
# What the client writes itself: twice, or another value, would make two requests of one or lead the answer astray.
_OUR_HEADERS = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect", "keep-alive")
)
# Where clouds tell a machine its own secrets. IPv4's are link-local; these are not, or are names.
_METADATA_HOSTS = frozenset(("metadata", "metadata.google.internal", "metadata.goog", "instance-data"))
_METADATA_ADDRESSES = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254", "168.63.129.16")))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ODD_ADDRESS = re.compile(r"(?:0[xX][0-9A-Fa-f]*|\d+)(?:\.(?:0[xX][0-9A-Fa-f]*|\d+)){0,3}\.?")


def filled(
    config: ProviderConfig, presets: Mapping[str, Preset] = PRESETS, *, on_this_machine: bool = True
) -> ProviderConfig:
    """The configuration with what its preset says, and with the word for private networks where it needs none.

    `on_this_machine`: an administrator of the machine wrote it, who may name the machine itself by its loopback address.
    """
    preset = presets.get(config.preset or "")
    base_url = config.base_url or (preset.base_url if preset else "")
    kind = preset.kind if preset and config.kind == "openai" else config.kind
    private = config.allow_private_network or bool(preset and preset.is_local)
    private = private or (on_this_machine and reach_of(_host(base_url) or "") == "loopback")
    return msgspec.structs.replace(config, base_url=base_url, kind=kind, allow_private_network=private)


def check_provider(
    config: ProviderConfig, presets: Mapping[str, Preset] = PRESETS, *, on_this_machine: bool = True
) -> list[Problem]:
    """Everything that is wrong with it, as it was written (before `filled`). Opens no file: that is `check_files`."""
    found = [*_name(config), *_place(config, presets, on_this_machine), *_proxy(config), *_headers(config.headers)]
    found += [*_credentials(config), *_numbers(config)]
    return [Problem("providers", config.name, path, en, zh) for path, en, zh in found]


Said = tuple[str, str, str]  # path, English, Chinese


def _name(config: ProviderConfig) -> Iterator[Said]:
    if config.name == ENGINE:
        yield "", "is the embedded engine's own name; give the provider another", "是内置推理引擎的名称，请换一个"
    elif not NAME.fullmatch(config.name):
        yield "name", *NO_NAME


NO_NAME = (
    "is no name: letters, digits and . _ : / - only, at most 128 of them",
    "不是有效名称：只能包含字母、数字和 . _ : / -，最多 128 个字符",
)


# -- where it is


def _place(config: ProviderConfig, presets: Mapping[str, Preset], on_this_machine: bool) -> Iterator[Said]:
    preset = presets.get(config.preset or "")
    if config.preset is not None and preset is None:
        en, zh = nearest(config.preset, presets)
        names = ", ".join(sorted(presets))
        yield (
            "preset",
            f"is {config.preset!r}, which is not known{en}. There are: {names}",
            f"{config.preset!r} 未知{zh}。可用：{names}",
        )
        return
    kind = preset.kind if preset and config.kind == "openai" else config.kind
    if preset is not None and kind != preset.kind:
        yield (
            "kind",
            f"is {kind!r}, but the preset {config.preset!r} speaks {preset.kind!r}; leave `kind` out",
            (f"为 {kind!r}，而预设 {config.preset!r} 使用 {preset.kind!r}；请删去 `kind`"),
        )
    if kind == "bedrock" and not config.region and not config.base_url:
        yield (
            "region",
            'is missing: Bedrock is reached by region, as "us-east-1"',
            '缺失：Bedrock 按区域访问，例如 "us-east-1"',
        )
    url = config.base_url or (preset.base_url if preset else "")
    if url:
        yield from _base_url(url, config, bool(preset and preset.is_local), on_this_machine)
    elif kind in ("openai", "azure"):
        yield "base_url", "is missing: say it, or a `preset` that has one", "缺失：请填写，或使用带有地址的 `preset`"


def _base_url(url: str, config: ProviderConfig, local_preset: bool, on_this_machine: bool) -> Iterator[Said]:
    if not _URL.fullmatch(url) or set(url) & set("?#@") or _host(url) is None:
        shown = url.partition("@")[2] or url  # what stands before an @ may be a password
        yield (
            "base_url",
            (f"is {shown[:200]!r}; it must be http:// or https:// with a host, without credentials or '?'"),
            f"为 {shown[:200]!r}；必须是带主机名的 http:// 或 https:// 地址，不含凭据或“?”",
        )
        return
    reach = reach_of(_host(url) or "")
    if reach == "odd":
        yield (
            "base_url",
            "has an address in an unusual form; write it as 192.0.2.1",
            "中的地址写法不规范，请写成 192.0.2.1 的形式",
        )
    elif config.allow_private_network or reach == "public":
        return
    elif reach == "metadata":
        yield (
            "base_url",
            (
                "is a link-local or metadata address, where machines of a cloud keep their secrets; "
                "if that is really meant, say allow_private_network = true"
            ),
            "是链路本地或云元数据地址，可能泄露主机密钥；确需访问时请设置 allow_private_network = true",
        )
    elif not local_preset and not (reach == "loopback" and on_this_machine):
        yield (
            "base_url",
            ("is an address of a private network; say allow_private_network = true if that is meant"),
            "是内网地址；确需访问时请设置 allow_private_network = true",
        )


def reach_of(host: str) -> str:
    """How far a literal host is away: "loopback", "private", "metadata", "odd" (an address in disguise), else "public".

    Of a name only what it says itself is known; what it resolves to is looked at when it is connected to.
    """
    host = host.lower().rstrip(".")
    if host in _METADATA_HOSTS:
        return "metadata"
    if host == "localhost":
        return "loopback"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "odd" if _ODD_ADDRESS.fullmatch(host) else "public"
    address = _embedded(address) or address
    if address.is_link_local or address in _METADATA_ADDRESSES:
        return "metadata"
    if address.is_loopback:
        return "loopback"
    return "public" if address.is_global and not address.is_multicast else "private"


def _embedded(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, 6to4, or by way of a NAT64."""
    if address.version == 4:
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        return parts.hostname if parts.port is None or parts.port > 0 else None
    except ValueError:  # a port beyond 65535, brackets around what is no address
        return None


# -- how it is reached


def _proxy(config: ProviderConfig) -> Iterator[Said]:
    url = config.proxy
    if url is None:
        return
    problem = (
        "proxy",
        "must be http://, https://, socks5:// or socks5h:// with a host and a port, with user:password@ if need be",
        "必须是 http://、https://、socks5:// 或 socks5h:// 加主机和端口，必要时带 user:password@",
    )  # never the value: it may hold a password
    if not _PROXY.fullmatch(url) or _host(url) is None:
        yield problem
        return
    parts = urlsplit(url)
    if any(not char.isprintable() for char in unquote(parts.username or "") + unquote(parts.password or "")):
        yield problem
    elif (
        parts.scheme.startswith("socks5")
        and max(len(unquote(each or "").encode()) for each in (parts.username, parts.password)) > 255
    ):
        yield (
            "proxy",
            "has a user or a password of more than 255 bytes, which SOCKS5 can't carry",
            "的用户名或密码超过 255 字节，SOCKS5 不支持",
        )


def _headers(headers: Mapping[str, str]) -> Iterator[Said]:
    if len(headers) > HEADERS_MAX:
        yield "headers", f"are more than {HEADERS_MAX}", f"超过 {HEADERS_MAX} 个"
        return
    seen: set[str] = set()
    for name, value in headers.items():
        path = f"headers.{name[:80]!r}"
        if not _HEADER_NAME.fullmatch(name):
            yield (
                path,
                "is no name of a header: letters, digits and - only",
                "不是有效的请求头名称：只能包含字母、数字和 -",
            )
        elif name.lower() in _OUR_HEADERS:
            yield path, "is written by Waystation itself; leave it out", "由 Waystation 自己写入，请删去"
        elif name.lower() in seen:
            yield path, "is there twice, in other letters", "重复（仅大小写不同）"
        elif len(value) > HEADER_CHARS_MAX or not _HEADER_VALUE.fullmatch(value):
            yield (
                path,
                (
                    "has a value that can't be sent: printable ASCII without line ends, at most "
                    f"{HEADER_CHARS_MAX} characters"
                ),
                f"的值无法发送：只能是不含换行的可打印 ASCII 字符，最多 {HEADER_CHARS_MAX} 个",
            )
        seen.add(name.lower())


def _credentials(config: ProviderConfig) -> Iterator[Said]:
    pool = config.credentials
    if len(pool) > CREDENTIALS_MAX:
        yield "credentials", f"are more than {CREDENTIALS_MAX}", f"超过 {CREDENTIALS_MAX} 个"
        return
    seen: set[str] = set()
    for index, each in enumerate(pool):
        path = f"credentials[{index}]"
        if not NAME.fullmatch(each.name):
            yield f"{path}.name", *NO_NAME
        if each.name in seen:
            yield (
                f"{path}.name",
                f"is {each.name!r} once more; each needs a name of its own",
                f"{each.name!r} 重复，每个凭据需要不同的名称",
            )
        seen.add(each.name)
        if not 0 <= each.weight <= WEIGHT_MAX:
            yield (
                f"{path}.weight",
                f"is {each.weight}; it must be 0 to {WEIGHT_MAX}",
                f"为 {each.weight}；必须在 0 到 {WEIGHT_MAX} 之间",
            )
        if each.secret is not None and not _HEADER_VALUE.fullmatch(each.secret.reveal()):
            yield (
                f"{path}.api_key",
                "has characters that no key has (line ends, blanks at its ends, or non-ASCII)",
                ("包含密钥中不会出现的字符（换行、首尾空格或非 ASCII 字符）"),
            )
    if pool and all(each.weight == 0 for each in pool):
        yield (
            "credentials",
            "have no weight at all: one of them must be more than 0",
            "权重全为 0：至少有一个必须大于 0",
        )


def _numbers(config: ProviderConfig) -> Iterator[Said]:
    for name in ("connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s", "total_timeout_s"):
        value = getattr(config, name)
        if not TIMEOUT_S_LEAST <= value <= TIMEOUT_S_MOST:  # not a number is neither
            yield (
                name,
                f"is {value}; it must be {TIMEOUT_S_LEAST} to {TIMEOUT_S_MOST:.0f} s",
                (f"为 {value}；必须在 {TIMEOUT_S_LEAST} 到 {TIMEOUT_S_MOST:.0f} 秒之间"),
            )
    most = config.concurrency_max
    if most is not None and not 1 <= most <= CONCURRENCY_MAX:
        yield (
            "concurrency_max",
            f"is {most}; it must be 1 to {CONCURRENCY_MAX}",
            f"为 {most}；必须在 1 到 {CONCURRENCY_MAX} 之间",
        )
    for name in ("region", "api_version"):
        text = getattr(config, name)
        if text is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
            yield name, "must be letters, digits and . _ - only", "只能包含字母、数字和 . _ -"


# -- certificates


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
