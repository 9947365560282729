"""What the test of a provider says to an administrator, in English and Chinese: what was found, and what to do about it."""

import msgspec

from waystation.providers.probing_rules import Verdict
from waystation.wire.http import ConnectFailed, HttpFault, Reason, TimedOut


class Words(msgspec.Struct, frozen=True):
    en: str
    zh: str


class Finding(msgspec.Struct, frozen=True):
    found: Words
    next_step: Words | None = None


def finding(en: str, zh: str, next_en: str = "", next_zh: str = "") -> Finding:
    return Finding(Words(en, zh), Words(next_en, next_zh) if next_en else None)


PASSED = finding("It works.", "正常。")
NOT_REACHED = finding("Not looked at, because an earlier step failed.", "前面的步骤失败，未检查。")
PROXY_RESOLVES = finding("The proxy looks the name up.", "由代理解析域名。")
PROXY_CONNECTS = finding("The proxy connects.", "由代理建立连接。")
NO_PROXY = finding("No proxy is configured.", "未配置代理。")
NO_NAME = finding("It is a socket of this machine.", "这是本机的套接字。")
NO_TLS = finding("The URL begins with http://: nothing is encrypted.", "地址以 http:// 开头，不加密。")

_REASONS: dict[Reason, Finding] = {
    "unknown_host": finding(
        "DNS does not know the host of the base URL.",
        "DNS 无法解析 base URL 中的主机名。",
        "Check the host name in base_url and this machine's DNS; behind a proxy configure it as `proxy`.",
        "请检查 base_url 中的主机名和本机 DNS；若需经代理访问，请配置 `proxy`。",
    ),
    "not_public": finding(
        "The host has an address of a private network, which this provider may not reach.",
        "该主机的地址属于私有网络，此提供方未获准访问。",
        "If it is meant, set allow_private_network for this provider. Proxies with fake-IP DNS cause this too.",
        "如确需访问，请为该提供方设置 allow_private_network；使用 fake-ip 模式的代理软件也会造成此情况。",
    ),
    "refused": finding(
        "The host refuses connections on this port.",
        "主机拒绝该端口的连接。",
        "Check the port in base_url, and that the server runs.",
        "请检查 base_url 中的端口，并确认服务已启动。",
    ),
    "unreachable": finding(
        "There is no way to the host from here.",
        "从本机无法到达该主机。",
        "Check this machine's network and firewall; behind a proxy configure it as `proxy`.",
        "请检查本机网络与防火墙；若需经代理访问，请配置 `proxy`。",
    ),
    "cert_expired": finding(
        "The server's certificate has expired.",
        "服务器证书已过期。",
        "Have the server's certificate renewed, and check this machine's clock.",
        "请更新服务器证书，并检查本机时钟。",
    ),
    "cert_not_yet_valid": finding(
        "The server's certificate is not valid yet.",
        "服务器证书尚未生效。",
        "Check this machine's clock.",
        "请检查本机时钟。",
    ),
    "cert_self_signed": finding(
        "The server's certificate is self-signed.",
        "服务器使用自签名证书。",
        "If it is yours, give the certificate as tls.ca_file.",
        "如为自有服务器，请将该证书配置为 tls.ca_file。",
    ),
    "cert_unknown_ca": finding(
        "The server's certificate comes from an authority that is not trusted here.",
        "服务器证书的签发机构不受本机信任。",
        "Give the authority's certificate as tls.ca_file. Companies that look into TLS have one of their own.",
        "请将签发机构的证书配置为 tls.ca_file；企业网络若检查 TLS 流量，会使用自己的机构证书。",
    ),
    "cert_wrong_host": finding(
        "The server's certificate is for another host name.",
        "服务器证书属于另一个主机名。",
        "Use the host name in base_url that the certificate is for.",
        "请在 base_url 中使用证书所对应的主机名。",
    ),
    "cert_invalid": finding(
        "The server's certificate is not accepted.",
        "服务器证书未被接受。",
        "Have the certificate and its chain checked at the server.",
        "请在服务器端检查证书及证书链。",
    ),
    "client_cert": finding(
        "The server wants a client certificate, or does not accept the one that it was shown.",
        "服务器要求客户端证书，或不接受所出示的证书。",
        "Give tls.client_cert_file and tls.client_key_file, from an authority that the server knows.",
        "请配置 tls.client_cert_file 与 tls.client_key_file，并由服务器信任的机构签发。",
    ),
    "no_tls": finding(
        "The server speaks no TLS on this port, or none that is new enough.",
        "服务器在该端口不支持 TLS，或版本过旧。",
        "Check http:// or https:// and the port in base_url; TLS 1.2 is the least.",
        "请检查 base_url 的 http:// 或 https:// 及端口；最低要求 TLS 1.2。",
    ),
    "proxy_unreachable": finding(
        "The proxy can't be reached.",
        "无法连接代理。",
        "Check host and port in `proxy`, and that the proxy runs.",
        "请检查 `proxy` 中的主机和端口，并确认代理已启动。",
    ),
    "proxy_auth": finding(
        "The proxy wants a user and a password, or does not accept those that it was given.",
        "代理要求用户名和密码，或不接受所提供的。",
        "Put them into the proxy's URL: http://user:password@host:port.",
        "请写入代理地址：http://user:password@host:port。",
    ),
    "proxy_refused": finding(
        "The proxy does not make this connection.",
        "代理拒绝建立此连接。",
        "Check that `proxy` is of the right kind (http, https, socks5, socks5h), and that its rules allow the host.",
        "请检查 `proxy` 的类型（http、https、socks5、socks5h），以及其规则是否允许该主机。",
    ),
    "proxy_no_way": finding(
        "The proxy could not reach the host.",
        "代理无法到达该主机。",
        "Check the host in base_url, and what this proxy can reach.",
        "请检查 base_url 中的主机，以及该代理可访问的范围。",
    ),
    "broke_off": finding(
        "The other side closed the connection in the middle of it.",
        "对方在连接过程中断开。",
        "Often a firewall or a proxy in between does this: configure `proxy`, or ask who runs the network.",
        "常由中间的防火墙或代理造成：请配置 `proxy`，或询问网络管理员。",
    ),
}
_OTHER = finding("The connection failed.", "连接失败。", "The server's log says more.", "详情见服务器日志。")
_TIMED_OUT = finding(
    "It took longer than the time-out.",
    "超时。",
    "Check the network and the firewall, configure `proxy` if there must be one, or raise connect_timeout_s.",
    "请检查网络与防火墙，必要时配置 `proxy`，或调大 connect_timeout_s。",
)

_VERDICTS: dict[Verdict, Finding] = {
    "accepted": finding("The credential is accepted.", "密钥有效。"),
    "refused": finding(
        "The provider refuses the credential.",
        "提供方拒绝该密钥。",
        "Put in a valid key of this provider and of this region, with the right to list models.",
        "请换用该提供方、该区域的有效密钥，并确认其有权列出模型。",
    ),
    "region": finding(
        "The provider does not serve the country or region that this server's address is in.",
        "提供方不向本服务器所在国家或地区提供服务。",
        "Use a provider that serves your region.",
        "请选用在您所在地区提供服务的提供方。",
    ),
    "no_credit": finding(
        "The account at the provider has no credit left.",
        "提供方账户余额不足。",
        "Add credit to the account at the provider.",
        "请在提供方为账户充值。",
    ),
    "limited": finding(
        "The credential is at its rate limit at the moment, so it could not be tried.",
        "该密钥当前触发限流，无法验证。",
        "Try again in a minute.",
        "请一分钟后再试。",
    ),
    "not_served": finding(
        "The provider serves no list of models here, so the credential could not be tried for free.",
        "此处没有模型列表接口，无法免费验证密钥。",
        "Check the path in base_url; if it is right, only a real call can tell.",
        "请检查 base_url 的路径；若无误，只能通过实际调用验证。",
    ),
    "no_api": finding(
        "What answers there is not the API of this kind of provider.",
        "该地址返回的不是此类提供方的 API。",
        "Check base_url with its path (often /v1), and the provider's kind.",
        "请检查 base_url 及其路径（通常为 /v1）和提供方类型。",
    ),
    "down": finding(
        "The provider answers with a server error, so the credential could not be tried.",
        "提供方返回服务器错误，无法验证密钥。",
        "Look at the provider's status page and try again later.",
        "请查看提供方状态页，稍后再试。",
    ),
}

NO_CREDENTIAL = finding("No credential is configured, and none is wanted.", "未配置密钥，对方也不要求。")
OPEN_TO_ALL = finding(
    "The list of models is open to everybody, so it does not prove the credential; only a real call can.",
    "模型列表对所有人开放，无法证明密钥有效；只能通过实际调用验证。",
)
NOT_FREE = finding(
    "There is no request that proves the credential for free; only a real call can.",
    "没有可免费验证密钥的请求；只能通过实际调用验证。",
)
BAD_CREDENTIAL = finding(
    "The credential has a character that can't be sent, such as a line break.",
    "密钥含有无法发送的字符（例如换行）。",
    "Copy it again, without spaces and line breaks around it.",
    "请重新复制，去除首尾空格和换行。",
)
BROKE_OFF = finding(
    "The provider broke off, or sent what is no HTTP.",
    "提供方中断连接，或返回的不是 HTTP。",
    "Check base_url and what stands between this server and the provider.",
    "请检查 base_url，以及本服务器与提供方之间的网络设备。",
)
NO_MODEL_NAMED = finding("No model was named.", "未指定模型。")
MODEL_FOUND = finding("The provider has the model.", "提供方有该模型。")
MODEL_UNKNOWN = finding(
    "Whether the provider has the model can't be seen for free.", "无法免费查看提供方是否有该模型。"
)
MODEL_MISSING = finding(
    "The provider does not have the model, or not for this credential.",
    "提供方没有该模型，或该密钥无权使用。",
    "Check upstream_model against the provider's list, and what the credential may use.",
    "请对照提供方的模型列表检查 upstream_model，以及该密钥的权限。",
)


def of_fault(fault: HttpFault) -> Finding:
    if isinstance(fault, TimedOut):
        return _TIMED_OUT
    if isinstance(fault, ConnectFailed):
        return _REASONS.get(fault.reason, _OTHER)
    return BROKE_OFF


def of_verdict(verdict: Verdict) -> Finding:
    return _VERDICTS[verdict]


def of_settings(error: ValueError) -> Finding:
    """What is wrong with the configuration itself; such words name fields and never hold a secret."""
    return finding(
        f"The configuration can't be used: {error}.",
        f"配置无法使用：{error}。",
        "Correct the provider's configuration.",
        "请修正该提供方的配置。",
    )
