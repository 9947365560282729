"""`waystation models list|pull|add|remove`: the models of this installation and the files of the local ones."""

from pathlib import Path
from typing import Annotated, Any

import typer

from waystation.cli.common import (
    CommandError,
    ConfigOption,
    DataOption,
    JsonOption,
    books,
    print_json,
    settings_of,
)
from waystation.cli.control import plane
from waystation.cli.progress import pull_with_progress
from waystation.cli.words import say
from waystation.engine.model import DEFAULT_CHAT_FILE, PINNED_FILES
from waystation.engine.sources import ModelMissing
from waystation.inventory import Added, check_gguf, is_there, local_models, local_offer
from waystation.metering.price_reading import read_price, read_price_text
from waystation.metering.price_text import written_price
from waystation.settings_reader import nearest
from waystation.terms import Price
from waystation.wire.gguf import NotGguf

PRICE_HELP = say(
    "0, unmetered, or amounts for a million tokens: input=2.50,output=10.00[,cached_input=1.25][,currency=CNY].",
    "0、unmetered（不计费），或每百万 token 的价格：input=2.50,output=10.00[,cached_input=1.25][,currency=CNY]。",
)


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help=say("List, pull and add models.", "列出、下载和添加模型。"))
    group.command("list", help=say("List the models.", "列出模型。"))(list_)
    group.command(
        "pull", help=say("Pull a model's file; goes on where it was interrupted.", "下载模型文件，支持断点续传。")
    )(pull)
    group.command("add", help=say("Add a GGUF file of your own.", "添加自己的 GGUF 文件。"))(add)
    group.command("remove", help=say("Forget an added model; its file stays.", "移除已添加的模型，文件保留。"))(remove)
    app.add_typer(group, name="models")


def list_(as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None) -> None:
    settings = settings_of(config, data)
    with books(settings) as accounts:
        known = accounts.local_models()
    added = [Added(model.name, model.path, model.kind) for model in known]
    rows: list[dict[str, Any]] = [
        {
            "name": model.name,
            "kind": model.kind,
            "provider": "local",
            "path": None if model.path is None else str(model.path),
            "present": is_there(model, settings),
            **_told(local_offer(model, settings.models.get(model.name), known).price),
        }
        for model in local_models(settings, added).values()
    ]
    rows += [
        {
            "name": model.name,
            "kind": model.kind,
            "provider": model.provider,
            "path": None,
            "present": True,
            **_told(model.price),
        }
        for model in settings.models.values()
        if model.provider is not None
    ]
    named = {row["name"] for row in rows}
    rows += [{**row, **_told(price)} for row, price in _of_rows(config, data) if row["name"] not in named]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        note = "" if row["present"] else say("  (file is missing)", "  （缺少文件）")
        print(f"{row['name']}  {row['kind']}  {row['provider']}{note}")


def _of_rows(config: Path | None, data: Path | None) -> list[tuple[dict[str, Any], Price | None]]:
    """The models that came with deployments which were made while the server runs, each with its price."""
    with plane(config, data) as control:
        made = [each for each in control.every("listDeployments") if each["new_model"] is not None]
    return [
        (
            {
                "name": each["model"],
                "kind": each["new_model"]["kind"],
                "provider": each["provider"],
                "path": None,
                "present": True,
            },
            read_price(each["new_model"]["price"]),
        )
        for each in made
    ]


def _told(price: Price | None) -> dict[str, Any]:
    """A model's own price, and where it comes from: its source and the date on which that said so."""
    return {"price": written_price(price), "price_source": None if price is None else price.source}


def pull(
    name: Annotated[str, typer.Argument(metavar="[NAME]")] = DEFAULT_CHAT_FILE.model,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    settings = settings_of(config, data)
    if name not in PINNED_FILES:
        raise CommandError(
            say(
                f"No pinned model is called {name!r}{nearest(name, PINNED_FILES)}. There is: "
                f"{', '.join(PINNED_FILES)}. For a file of your own: waystation models add NAME --path FILE",
                f"没有名为 {name!r} 的内置模型。可用：{'、'.join(PINNED_FILES)}。"
                "自己的文件请用：waystation models add NAME --path FILE",
            )
        )
    try:
        path = pull_with_progress(PINNED_FILES[name], settings.models_folder)
    except ModelMissing as error:
        raise CommandError(str(error)) from None
    if as_json:
        print_json({"name": name, "path": str(path)})
    else:
        print(path)


def add(
    name: Annotated[str, typer.Argument(help=say("What callers call it.", "调用时使用的名称。"))],
    path: Annotated[Path, typer.Option(help=say("The GGUF file.", "GGUF 文件。"))],
    price: Annotated[str, typer.Option(help=PRICE_HELP)],
    kind: Annotated[str, typer.Option(help="chat | embedding")] = "chat",
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    if kind not in ("chat", "embedding"):
        raise CommandError(say("--kind is chat or embedding.", "--kind 须为 chat 或 embedding。"), code=2)
    try:
        cost = read_price_text(price)
    except ValueError as error:
        raise CommandError(f"--price {error}", code=2) from None
    if cost is not None and cost != _storable(cost):
        raise CommandError(
            say(
                "--price of a local model has input, output and cached_input; what else it costs: waystation prices set",
                "本地模型的 --price 只含 input、output 与 cached_input；其他费率请用 waystation prices set",
            ),
            code=2,
        )
    settings = settings_of(config, data)
    path = path.expanduser().resolve()
    try:
        check_gguf(path)
    except NotGguf as error:
        raise CommandError(str(error)) from None
    with books(settings) as accounts:
        made = accounts.add_local_model(name, str(path), kind, cost)
    if as_json:
        print_json({"name": made.name, "path": made.path, "kind": made.kind})
        return
    print(
        say(
            f"Added {made.name}. A running server starts it within seconds.",
            f"已添加 {made.name}。运行中的服务器会在几秒内启动它。",
        )
    )


def remove(
    name: Annotated[str, typer.Argument()],
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with books(settings_of(config, data)) as accounts:
        accounts.remove_local_model(name)
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        print(say(f"Removed {name}. Its file stays where it is.", f"已移除 {name}，文件仍在原处。"))


def _storable(price: Price) -> Price:
    """What of a price the table of added models has columns for."""
    return Price(
        price.currency,
        price.input_nano_per_million,
        price.output_nano_per_million,
        price.cached_input_nano_per_million,
    )
