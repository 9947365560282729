"""`waystation init`: all that a first start makes, without starting: folder, database, secret key, project and keys."""

import typer

from waystation.cli.common import ConfigOption, DataOption, JsonOption, print_json, settings_of
from waystation.cli.first_start import base_url, first_start, print_keys
from waystation.cli.words import say


def add_to(app: typer.Typer) -> None:
    app.command("init", help=say("Prepare a data folder; print its first keys.", "准备数据目录，显示首批密钥。"))(init)


def init(data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    settings = settings_of(config, data)
    made = first_start(settings)
    if as_json:
        keys = {} if made is None else {"key": made.key, "admin_key": made.admin_key}
        print_json({"data": str(settings.data), "made": made is not None, **keys})
    elif made is None:
        print(say(f"{settings.data} is ready already.", f"{settings.data} 已经就绪。"))
    else:
        model = next(iter(settings.models), "gpt-4o-mini") if settings.providers else "gpt-4o-mini"
        print_keys(made, base_url(settings.server.host, settings.server.port), model)
