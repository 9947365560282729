"""`waystation serve`: takes the data folder and the address, prepares a first start, and serves."""

import asyncio
import os
import time
from typing import Annotated

import typer

from waystation.cli.check import words_problem
from waystation.cli.common import CommandError, ConfigOption, DataOption, complain, make_folder, settings_of
from waystation.cli.first_start import base_url, first_start, print_keys
from waystation.cli.serving import Serving
from waystation.cli.words import say
from waystation.inventory import first_model
from waystation.runtime.supervisor_place import DataFolder, Taken, listen
from waystation.settings import WORKERS_MAX


def add_to(app: typer.Typer) -> None:
    app.command("serve", help=say("Start the server.", "启动服务器。"))(serve)


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help=say(
                "Address to listen on. Default 127.0.0.1; another opens it to the network.",
                "监听地址，默认 127.0.0.1；其他地址会对网络开放。",
            )
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help=say("Port; 0 takes a free one.", "端口；0 表示任选空闲端口。"))
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=WORKERS_MAX,
            help=say("Gateway processes that share the port. Default 1.", "共用端口的网关进程数，默认 1。"),
        ),
    ] = None,
) -> int:
    began = time.monotonic()
    named = {"server.host": host, "server.port": port, "server.workers": workers}
    overrides = {key: value for key, value in named.items() if value is not None}
    settings = settings_of(config, data, overrides)
    if (problem := words_problem(settings)) is not None:
        raise CommandError(problem)
    make_folder(settings.data)
    try:
        folder = DataFolder.take(settings.data)
    except Taken as error:
        raise CommandError(str(error)) from None
    try:
        listening = listen(settings.server.host, settings.server.port, settings.server.workers)
    except Taken as error:
        folder.give_back()
        raise CommandError(str(error)) from None
    url = base_url(settings.server.host, listening[0].getsockname()[1])
    try:
        made = first_start(settings)
        if made is not None:
            print_keys(made, url, first_model(settings))
        complain(say(f"Waystation starts, process {os.getpid()}, data in {settings.data}",
                     f"Waystation 正在启动，进程 {os.getpid()}，数据目录 {settings.data}"))  # fmt: skip
        return asyncio.run(Serving(settings, folder, listening, url, began, overrides).run())
    finally:
        for each in listening:
            each.close()
        folder.give_back()
