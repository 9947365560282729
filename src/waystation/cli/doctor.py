"""`waystation doctor`: why is a key refused? Walks through the checklist for a key and says what to do."""

import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

import typer

from waystation.cli.client import Client, Refused, Unreachable, base_url_of
from waystation.cli.common import PROBLEM, ConfigOption, DataOption, JsonOption, print_json, settings_of
from waystation.cli.words import say

KEY_CHARS = 51
CONNECT_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 60.0
PORTS = {"http": 80, "https": 443}
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy")


class Finding(NamedTuple):
    """A step's outcome. `ok` None: it could not be looked at, because an earlier step failed."""

    step: str
    ok: bool | None
    found: str
    advice: str = ""


def add_to(app: typer.Typer) -> None:
    app.command(
        "doctor",
        help=say(
            "Find out why a key does not work: its format, the URL, the network, its state, balance and limits.",
            "排查密钥为何无效：格式、地址、网络、状态、余额与限额。",
        ),
    )(doctor)


def doctor(
    key: Annotated[
        str | None, typer.Option(help=say("The key. Default: OPENAI_API_KEY.", "密钥，默认取 OPENAI_API_KEY。"))
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help=say("Default: OPENAI_BASE_URL, else the local server.", "默认取 OPENAI_BASE_URL，否则为本机服务器。")
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help=say(
                "The model to try with an answer of one token. Default: the server's first.",
                "用来试调的模型（只生成一个 token），默认为服务器的第一个。",
            )
        ),
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> int:
    settings = settings_of(config, data)
    url = base_url_of(settings.data, base_url)
    findings = []
    for finding in examine(url, key if key is not None else os.environ.get("OPENAI_API_KEY", ""), model):
        findings.append(finding)
        if not as_json:
            _print(finding)
    good = all(finding.ok for finding in findings)
    if as_json:
        print_json({"ok": good, "base_url": url, "steps": [finding._asdict() for finding in findings]})
    return 0 if good else PROBLEM


def _print(finding: Finding) -> None:
    mark = {True: "✓", False: "✗", None: "-"}[finding.ok]
    print(f"{mark} {finding.step}: {finding.found}", flush=True)
    if finding.advice:
        print(f"  → {finding.advice}", flush=True)


def examine(url: str, key: str, model: str | None) -> Iterator[Finding]:
    """The five steps. A step that needs an earlier one that failed is not looked at."""
    form = key_format(key)
    yield form
    shape = url_shape(url)
    yield shape
    network = reach(url) if shape.ok else _skipped(say("Network", "网络"))
    yield network
    client = Client(url, key, CALL_TIMEOUT_S)
    state = key_state(client) if network.ok and key else _skipped(say("Key state", "密钥状态"))
    yield state
    yield balance(client, model) if state.ok else _skipped(say("Balance and limits", "余额与限额"))


def _skipped(step: str) -> Finding:
    return Finding(step, None, say("not looked at", "未检查"))


def key_format(key: str) -> Finding:
    """Step 1: keys begin with sk- and have 51 characters, letters and digits. A space or a quote comes from pasting."""
    step = say("Key format", "密钥格式")
    if not key:
        return Finding(
            step,
            False,
            say("there is no key", "没有密钥"),
            say(
                "export OPENAI_API_KEY=sk-…, or --key. `waystation keys create` makes one.",
                "请 export OPENAI_API_KEY=sk-…，或用 --key；`waystation keys create` 可创建。",
            ),
        )
    if key.strip().strip("'\"").removeprefix("Bearer ") != key:
        return Finding(
            step,
            False,
            say("it has spaces, quotes or 'Bearer' around it", "首尾有空格、引号或 Bearer"),
            say(
                "Give the key alone; the client adds 'Authorization: Bearer' itself.",
                "只填密钥本身，客户端会自行加上 Authorization: Bearer。",
            ),
        )
    if not key.startswith("sk-"):
        return Finding(
            step,
            False,
            say("it does not begin with sk-", "不以 sk- 开头"),
            say(
                "Is it a key's id? Take the key that was shown when it was made.",
                "是否误用了密钥 id？请使用创建时显示的密钥。",
            ),
        )
    if key.startswith("sk-admin-"):
        return Finding(
            step,
            False,
            say("it is an admin key", "这是管理密钥"),
            say("Admin keys manage; calls need a project's key.", "管理密钥只用于管理；调用需使用项目密钥。"),
        )
    if len(key) != KEY_CHARS or not re.fullmatch(r"sk-[A-Za-z0-9]+", key):
        return Finding(
            step,
            False,
            say(
                f"it has {len(key)} characters; keys have {KEY_CHARS}, letters and digits after sk-",
                f"共 {len(key)} 个字符；密钥应为 {KEY_CHARS} 个，sk- 之后只有字母和数字",
            ),
            say("Copy it again, whole.", "请重新完整复制。"),
        )
    found = say(f"begins with sk- and has {KEY_CHARS} characters", f"以 sk- 开头，共 {KEY_CHARS} 个字符")
    return Finding(step, True, found)


def url_shape(url: str) -> Finding:
    """Step 4 of the checklist: the right endpoint URL."""
    step = say("URL", "地址")
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname:
        return Finding(
            step, False, url, say("It must look like http://127.0.0.1:8080/v1", "应形如 http://127.0.0.1:8080/v1")
        )
    if re.search(r"/(chat/completions|completions|embeddings|models)/?$", parts.path):
        return Finding(
            step,
            False,
            url,
            say("Leave the endpoint out: the base URL ends with /v1.", "去掉接口路径，地址以 /v1 结尾。"),
        )
    return Finding(step, True, url)


def reach(url: str) -> Finding:
    """Step 5: the name, the connection and TLS."""
    step = say("Network", "网络")
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    began = time.monotonic()
    try:
        with socket.create_connection((host, port), CONNECT_TIMEOUT_S) as connection:
            if parts.scheme == "https":
                ssl.create_default_context().wrap_socket(connection, server_hostname=host).close()
    except socket.gaierror as error:
        found = say(f"{host} has no address: {error}", f"无法解析 {host}：{error}")
        return Finding(step, False, found, say("Check the name and the DNS.", "请检查域名和 DNS。"))
    except ssl.SSLCertVerificationError as error:
        advice = say("Trust the company's CA: export SSL_CERT_FILE=…", "请信任企业 CA：export SSL_CERT_FILE=…")
        return Finding(step, False, f"TLS: {error.verify_message}", advice)
    except OSError as error:
        return Finding(step, False, f"{host}:{port}: {error}", _network_advice())
    took_ms = (time.monotonic() - began) * 1000
    return Finding(step, True, say(f"connected in {took_ms:.0f} ms", f"{took_ms:.0f} 毫秒内连通"))


def _network_advice() -> str:
    advice = say("Is the server running? Does a firewall stand between?", "服务器在运行吗？中间有防火墙吗？")
    proxies = [name for name in PROXIES if os.environ.get(name)]
    if proxies:
        advice += say(f" {', '.join(proxies)} is set, too.", f"另外，已设置 {'、'.join(proxies)}。")
    return advice


def key_state(client: Client) -> Finding:
    """Step 1 of the checklist: does the server know the key, and is it neither revoked nor expired?"""
    step = say("Key state", "密钥状态")
    try:
        models = client.get("/models")["data"]
    except Refused as error:
        advice = say(
            "Look at its state where it was made: waystation keys list", "请在创建处查看：waystation keys list"
        )
        if error.status == 404:
            advice = say("This is no API's base URL: does /v1 miss at its end?", "这不是 API 地址：结尾是否缺少 /v1？")
        return Finding(step, False, f"{error.status} {error.code or ''}: {error.message}", advice)
    except (Unreachable, KeyError, TypeError) as error:
        return Finding(step, False, str(error), say("Is this the API's base URL?", "这是 API 地址吗？"))
    return Finding(step, True, say(f"valid; {len(models)} models", f"有效；{len(models)} 个模型"))


ADVICE: dict[str, Callable[[], str]] = {
    "insufficient_quota": lambda: say("Add credit or raise the budget.", "请充值或提高预算。"),
    "rate_limit_exceeded": lambda: say(
        "Too many calls: wait as retry-after says, or ask for a higher limit.",
        "调用过于频繁：请按 retry-after 等待，或申请更高限额。",
    ),
    "model_not_found": lambda: say(
        "Name another with --model; GET /v1/models lists them.",
        "请用 --model 指定其他模型；GET /v1/models 可列出全部。",
    ),
}


def balance(client: Client, model: str | None) -> Finding:
    """Steps 2 and 3: a call of one token shows whether credit and limits let it pass."""
    step = say("Balance and limits", "余额与限额")
    try:
        chosen = model or next(
            (
                str(found["id"])
                for found in client.get("/models")["data"]
                if "e5" not in found["id"] and "embed" not in found["id"]
            ),
            None,
        )
        if chosen is None:
            return Finding(step, None, say("the server has no chat model to try", "服务器没有可试的对话模型"))
        client.post(
            "/chat/completions", {"model": chosen, "messages": [{"role": "user", "content": "1"}], "max_tokens": 1}
        )
    except Refused as error:
        advice = ADVICE.get(error.code or "")
        return Finding(step, False, f"{error.status} {error.code or ''}: {error.message}", advice() if advice else "")
    except Unreachable as error:
        return Finding(step, False, str(error))
    return Finding(step, True, say(f"{chosen} answered a call of one token", f"{chosen} 已应答一次单 token 调用"))
