"""`waystation models list|pull|add|remove`: the models of this installation and the files of the local ones."""

from pathlib import Path
from typing import Annotated

import typer

from waystation.cli.common import (
    CommandError,
    ConfigOption,
    DataOption,
    JsonOption,
    books,
    complain,
    print_json,
    settings_of,
)
from waystation.cli.progress import pull_with_progress
from waystation.cli.words import say
from waystation.engine.model import DEFAULT_CHAT_FILE, PINNED_FILES
from waystation.engine.sources import ModelMissing
from waystation.inventory import Added, check_gguf, is_there, local_models
from waystation.settings import read_price
from waystation.settings_reader import nearest
from waystation.terms import Price
from waystation.wire.gguf import NotGguf

PRICE_HELP = say(
    "0, unmetered, or amounts for a million tokens: input=2.50,output=10.00[,cached_input=1.25][,currency=CNY].",
    "0、unmetered，或每百万 token 的价格：input=2.50,output=10.00[,cached_input=1.25][,currency=CNY]。",
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
        added = [Added(model.name, model.path, model.kind) for model in accounts.local_models()]
    rows = [
        {
            "name": model.name,
            "kind": model.kind,
            "provider": "local",
            "path": None if model.path is None else str(model.path),
            "present": is_there(model, settings),
        }
        for model in local_models(settings, added).values()
    ]
    rows += [
        {"name": model.name, "kind": model.kind, "provider": model.provider, "path": None, "present": True}
        for model in settings.models.values()
        if model.provider is not None
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        note = "" if row["present"] else say("  (file is missing)", "  （缺少文件）")
        print(f"{row['name']}  {row['kind']}  {row['provider']}{note}")


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
    kind: Annotated[str, typer.Option(help="chat | embedding")] = "chat",
    price: Annotated[str | None, typer.Option(help=PRICE_HELP)] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    if kind not in ("chat", "embedding"):
        raise CommandError(say("--kind is chat or embedding.", "--kind 须为 chat 或 embedding。"), code=2)
    try:
        cost = read_price_text(price or "0")
    except ValueError as error:
        raise CommandError(f"--price {error}", code=2) from None
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
    if price is None:
        complain(say("It costs 0; --price says otherwise.", "价格为 0；可用 --price 指定。"))
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


def read_price_text(text: str) -> Price | None:
    """A price as an option has it. Raises ValueError, in words that follow the option's name."""
    if text in ("0", "unmetered"):
        return read_price(0 if text == "0" else text)
    if "=" not in text:
        raise ValueError(f"is {text!r}; it must be {PRICE_HELP}")
    pairs = [pair.partition("=") for pair in text.split(",")]
    return read_price({key.strip(): value.strip() for key, _, value in pairs})
