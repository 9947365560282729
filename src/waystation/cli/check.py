"""`waystation check`: is the configuration right, and is what it names there? Starts nothing."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from waystation.accounts.model import LocalModel
from waystation.cli.common import (
    PROBLEM,
    USAGE,
    CommandError,
    ConfigOption,
    DataOption,
    JsonOption,
    books,
    complain,
    print_json,
    settings_of,
)
from waystation.cli.words import is_chinese, say
from waystation.engine.model import DEFAULT_CHAT_FILE
from waystation.engine.sources import present
from waystation.errors import ApiError
from waystation.inventory import check_gguf, has_engine, traffic_problems
from waystation.metering.price_text import decimal_of
from waystation.moderation.words import WordsError, read_words
from waystation.providers.model import ProviderConfig
from waystation.settings import Settings, SettingsError
from waystation.wire.gguf import NotGguf

CONNECT_TIMEOUT_S = 5.0
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


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
        errors = error.in_chinese if is_chinese(os.environ) else error.problems
        print_json({"ok": False, "config": None, "errors": list(errors), "problems": []})
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
    deployments = len(settings.models) + len(settings.deployments)
    counts = f"{len(settings.providers)} / {len(settings.models)} / {deployments} / {len(settings.routes)}"
    print(
        say(
            f"Configuration is good ({source}; providers / models / deployments / routes: {counts}).",
            f"配置正常（{source}；上游 / 模型 / 部署 / 路由数：{counts}）。",
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
    for problem in traffic_problems(settings, _added(settings)):
        yield problem.key + say(f" {problem.en}", f" {problem.zh}")
    used = {model.provider for model in settings.models.values()}
    used |= {deployment.provider for deployment in settings.deployments.values()}
    for provider in settings.providers.values():
        if provider.name not in used:
            yield f"providers.{provider.name}: " + say("no model names it", "没有模型使用它")
        fault = _unreachable(provider) if online else None
        if fault:
            yield f"providers.{provider.name}.{'proxy' if provider.proxy else 'base_url'}: {fault}"
    if (words := words_problem(settings)) is not None:
        yield words
    if settings.engine.enabled and not settings.providers and not settings.models:
        yield from _default_missing(settings)


def words_problem(settings: Settings) -> str | None:
    """Why the moderator's words file can't be used; None: it can, or there is none."""
    if settings.moderation.words_file is None:
        return None
    try:
        read_words(settings.moderation.words_file)
    except WordsError as error:
        return "moderation.words_file: " + say(f"can't be used: {error}", f"无法使用：{error}")
    return None


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


def _added(settings: Settings) -> list[LocalModel]:
    """The models that `waystation models add` has put into the database, where there is one already: it isn't made for this."""
    url = settings.database_url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        return []
    try:
        with books(settings) as opened:
            return opened.local_models()
    except (ApiError, CommandError):  # what is wrong with the database, `waystation doctor` says
        return []


def _unreachable(provider: ProviderConfig) -> str | None:
    """Why a provider's host, or the proxy on the way to it, takes no connection; None when it does, or is not known."""
    url = urlsplit(provider.proxy or provider.base_url)
    if not url.hostname:  # found by region
        return None
    try:
        with socket.create_connection((url.hostname, url.port or PORTS[url.scheme]), CONNECT_TIMEOUT_S):
            return None
    except OSError as error:
        return say(f"can't be reached: {error}", f"无法连接：{error}")
