"""`waystation check`: is the configuration right, and is what it names there? Starts nothing."""

import socket
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

import typer

from waystation.cli.common import (
    PROBLEM,
    USAGE,
    ConfigOption,
    DataOption,
    JsonOption,
    complain,
    print_json,
    settings_of,
)
from waystation.cli.words import say
from waystation.engine.model import DEFAULT_CHAT_FILE
from waystation.engine.sources import present
from waystation.inventory import check_gguf, has_engine
from waystation.metering.price_text import decimal_of
from waystation.settings import ProviderSettings, Settings, SettingsError
from waystation.wire.gguf import NotGguf

CONNECT_TIMEOUT_S = 5.0
PORTS = {"http": 80, "https": 443}


def add_to(app: typer.Typer) -> None:
    app.command(
        "check",
        help=say(
            "Check the configuration. Exit code 0: good; 1: something it names is missing; 2: it can't be used.",
            "检查配置。退出码 0：正常；1：所引用的内容缺失；2：配置无法使用。",
        ),
    )(check)


def check(
    data: DataOption = None,
    config: ConfigOption = None,
    offline: Annotated[
        bool, typer.Option("--offline", help=say("Don't connect to the providers.", "不连接上游服务。"))
    ] = False,
    as_json: JsonOption = False,
) -> int:
    try:
        settings = settings_of(config, data)
    except SettingsError as error:
        if not as_json:
            raise
        print_json({"ok": False, "config": None, "errors": list(error.problems), "problems": []})
        return USAGE
    problems = list(missing(settings, online=not offline))
    if as_json:
        told = {
            "ok": not problems,
            "config": settings.config and str(settings.config),
            "errors": [],
            "problems": problems,
        }
        print_json({**told, "warnings": list(settings.warnings), "prices": book_prices(settings)})
        return PROBLEM if problems else 0
    for problem in problems:
        complain(problem)
    if problems:
        return PROBLEM
    for row in book_prices(settings):
        print(
            say(
                f'models."{row["model"]}": its price is the price book\'s: {row["price"]}; {row["source"]}',
                f'models."{row["model"]}"：价格取自价目表：{row["price"]}；{row["source"]}',
            )
        )
    source = settings.config or say("no file, all defaults", "无配置文件，全部默认")
    counts = f"{len(settings.providers)} / {len(settings.models)}"
    print(
        say(
            f"Configuration is good ({source}; providers / models: {counts}).",
            f"配置正常（{source}；上游 / 模型数：{counts}）。",
        )
    )
    return 0


def book_prices(settings: Settings) -> list[dict[str, str]]:
    """The models whose price nobody wrote beside them, with what the price book says and since when it says so."""
    return [
        {
            "model": model.name,
            "price": f"{decimal_of(model.price.input_nano_per_million)} / "
            f"{decimal_of(model.price.output_nano_per_million)} {model.price.currency}",
            "source": model.price.source,
        }
        for model in settings.models.values()
        if model.price is not None and model.price.source != "config"
    ]


def missing(settings: Settings, *, online: bool) -> Iterator[str]:
    """What the configuration names and is not there, a sentence each."""
    for model in settings.models.values():
        if model.path is not None:
            try:
                check_gguf(model.path)
            except NotGguf as error:
                yield f'models."{model.name}".path: {error}'
            if not has_engine():
                yield f'models."{model.name}".path: ' + say(
                    "the engine is not installed; pip install 'waystation[engine]'",
                    "未安装推理引擎，请执行 pip install 'waystation[engine]'",
                )
    used = {model.provider for model in settings.models.values()}
    for provider in settings.providers.values():
        if provider.name not in used:
            yield f"providers.{provider.name}: " + say("no model names it", "没有模型使用它")
        fault = _unreachable(provider) if online else None
        if fault:
            yield f"providers.{provider.name}.base_url: {fault}"
    if settings.engine.enabled and not settings.providers and not settings.models:
        yield from _default_missing(settings)


def _default_missing(settings: Settings) -> Iterator[str]:
    if not has_engine():
        yield say(
            "No provider is configured and the engine is not installed; pip install 'waystation[engine]'",
            "未配置上游，也未安装推理引擎；请执行 pip install 'waystation[engine]'",
        )
    elif not present(DEFAULT_CHAT_FILE, settings.models_folder):
        yield say(
            f"The default model is not pulled yet: `waystation models pull` brings {DEFAULT_CHAT_FILE.file_name} "
            f"to {settings.models_folder}",
            f"默认模型尚未下载：`waystation models pull` 会将 {DEFAULT_CHAT_FILE.file_name} "
            f"下载到 {settings.models_folder}",
        )


def _unreachable(provider: ProviderSettings) -> str | None:
    """Why a provider's host takes no connection; None when it does."""
    url = urlsplit(provider.base_url)
    try:
        with socket.create_connection((url.hostname or "", url.port or PORTS[url.scheme]), CONNECT_TIMEOUT_S):
            return None
    except OSError as error:
        return say(f"can't be reached: {error}", f"无法连接：{error}")
