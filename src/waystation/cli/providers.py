"""`waystation providers list|add|set|test|remove`: who is asked for answers, and over which network."""

from typing import Annotated, Any

import typer

from waystation.cli.common import PROBLEM, USAGE, CommandError, ConfigOption, DataOption, JsonOption, print_json
from waystation.cli.control import plane
from waystation.cli.words import say

_MARKS = {"ok": "✓", "failed": "✗", "skipped": "-"}

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help=say("The provider's name.", "上游名称。"))]
KindOption = Annotated[
    str | None,
    typer.Option(metavar="openai|azure|anthropic|gemini|bedrock", help=say("What it speaks.", "接口类型。")),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        metavar="P", help=say("A known provider, such as deepseek: URL and quirks.", "预设上游，例如 deepseek。")
    ),
]
UrlOption = Annotated[
    str | None, typer.Option("--base-url", metavar="URL", help=say("Where its API begins.", "API 基础地址。"))
]
ProxyOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help=say("http://, https://, socks5:// or socks5h:// proxy.", "http/https/socks5 代理地址。")
    ),
]
CaOption = Annotated[
    str | None, typer.Option("--ca-file", metavar="FILE", help=say("Private CA, PEM.", "私有 CA 证书（PEM）。"))
]
CertOption = Annotated[
    str | None, typer.Option("--client-cert-file", metavar="FILE", help=say("Our certificate.", "客户端证书。"))
]
CertKeyOption = Annotated[
    str | None, typer.Option("--client-key-file", metavar="FILE", help=say("Its key.", "客户端证书私钥。"))
]
HeaderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--header", metavar="NAME=VALUE", help=say("Header of every request; may be repeated.", "附加请求头，可重复。")
    ),
]
RegionOption = Annotated[str | None, typer.Option(metavar="R", help=say("Region (Bedrock).", "区域（Bedrock）。"))]
VersionOption = Annotated[
    str | None,
    typer.Option("--api-version", metavar="V", help=say("API version (Azure, Anthropic).", "API 版本。")),
]
ConcurrencyOption = Annotated[
    int | None,
    typer.Option(
        "--concurrency-max", metavar="N", min=1, help=say("Calls at once, per worker.", "并发上限（每进程）。")
    ),
]
PrivateOption = Annotated[
    bool | None,
    typer.Option(
        "--allow-private-network/--no-private-network",
        help=say("Its host may have a private address.", "允许内网地址。"),
    ),
]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True,
        help=say("Providers: who is asked for answers.", "上游：向谁请求模型。"),
    )
    group.command("list", help=say("List providers.", "列出上游。"))(list_)
    group.command("add", help=say("Add a provider.", "添加上游。"))(write)
    group.command("set", help=say("Change a provider; what is not said stays.", "修改上游，未给出的保持不变。"))(write)
    group.command("test", help=say("See how far a request gets, hop by hop.", "逐步检测到上游的连通性。"))(probe)
    group.command("remove", help=say("Remove a provider and its credentials.", "删除上游及其凭据。"))(remove)
    app.add_typer(group, name="providers")


def list_(as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None) -> None:
    with plane(config, data) as control:
        providers = control.every("listProviders")
    if as_json:
        print_json(providers)
        return
    for provider in providers:
        print(line(provider))


def write(
    context: typer.Context,
    name: NameArgument,
    kind: KindOption = None,
    preset: PresetOption = None,
    base_url: UrlOption = None,
    proxy: ProxyOption = None,
    ca_file: CaOption = None,
    client_cert_file: CertOption = None,
    client_key_file: CertKeyOption = None,
    header: HeaderOption = None,
    region: RegionOption = None,
    api_version: VersionOption = None,
    concurrency_max: ConcurrencyOption = None,
    private: PrivateOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """`add` and `set` take the same options."""
    given = _given(
        kind=kind,
        preset=preset,
        base_url=base_url,
        proxy=proxy,
        ca_file=ca_file,
        client_cert_file=client_cert_file,
        client_key_file=client_key_file,
        headers=_headers(header),
        region=region,
        api_version=api_version,
        concurrency_max=concurrency_max,
        allow_private_network=private,
    )
    is_new = context.info_name == "add"
    if not given and not is_new:
        raise CommandError(say("Say what is to change.", "请说明要修改什么。"), code=USAGE)
    with plane(config, data) as control:
        if is_new:
            provider = control.ask("createProvider", {"name": name, **given})
        else:
            provider = control.ask("updateProvider", given, provider=name)
    if as_json:
        print_json(provider)
    else:
        print(line(provider))


def probe(
    name: NameArgument,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="M",
            help=say("Look for this model there, by its name there.", "同时检查上游是否有该模型（上游名称）。"),
        ),
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        report = control.ask("testProvider", {"model": model}, provider=name)
    if as_json:
        print_json(report)
    else:
        for hop in report["hops"]:
            took = "" if hop["ms"] is None else f" {hop['ms']} ms"
            print(f"{_MARKS[hop['outcome']]} {hop['name']}{took}  {_said(hop['found'])}")
            if hop["next_step"] is not None:
                print(f"  {_said(hop['next_step'])}")
    if not report["ok"]:
        raise typer.Exit(PROBLEM)


def remove(
    name: NameArgument, as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None
) -> None:
    with plane(config, data) as control:
        removed = control.ask("deleteProvider", provider=name)
    if as_json:
        print_json(removed)
    else:
        print(say(f"Removed {name}.", f"已删除 {name}。"))


def _said(words: Any) -> str:
    return say(words["en"], words["zh"])


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _headers(pairs: list[str] | None) -> dict[str, str] | None:
    if not pairs:
        return None
    split = [pair.partition("=") for pair in pairs]
    if any(not equals for _, equals, _ in split):
        raise CommandError(say("--header is NAME=VALUE.", "--header 的格式是 NAME=VALUE。"), code=USAGE)
    return {name.strip(): value.strip() for name, _, value in split}


def line(provider: Any) -> str:
    """A provider on one line."""
    where = provider["base_url"] or provider["preset"] or provider["region"] or "-"
    source = say("file", "配置文件") if provider["source"] == "file" else ""
    return "  ".join(filter(None, (provider["name"], provider["kind"], where, source, provider["problem"])))
