"""`waystation prices list|set|load|rate`: what models cost whom from when. Nothing is edited: a newer price says better."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from sqlalchemy import Connection

from waystation.catalogue.dates import seconds_of
from waystation.catalogue.prices import ExchangeRate, PriceRow
from waystation.catalogue.service import PriceList
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
from waystation.cli.models import PRICE_HELP
from waystation.cli.words import say
from waystation.inventory import all_models
from waystation.metering.price_reading import read_price_text
from waystation.metering.price_text import decimal_of, written_price
from waystation.runtime.clock import Clock
from waystation.settings import nano_of
from waystation.settings_price_file import ListedPrice, read_price_list
from waystation.settings_reader import nearest

T = TypeVar("T")

SETS = {"faq": "faq.toml"}  # lists that come with the package
LIST_BYTES_MAX = 8 * 1024 * 1024

FromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="DATE",
        help=say(
            "From when on: 2026-12-01 or 2026-12-01T08:00+08:00, else UTC; now when left out.",
            "生效时间：2026-12-01 或 2026-12-01T08:00+08:00（无时区按 UTC），默认立即。",
        ),
    ),
]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help=say("What models cost: list, set, load, rate.", "模型价格：查看、设置、导入、汇率。")
    )
    group.command("list", help=say("List entered prices and exchange rates.", "列出已录入的价格和汇率。"))(list_)
    group.command("set", help=say("Say what a model costs from a date on.", "设置模型自某日起的价格。"))(set_)
    group.command("load", help=say('Enter a price list: a TOML file, or "faq".', '导入价目表：TOML 文件，或 "faq"。'))(
        load
    )
    group.command("rate", help=say("Say what a currency is worth.", "设置汇率。"))(rate)
    app.add_typer(group, name="prices")


def list_(
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]")] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    prices = PriceList(Clock())

    def read(connection: Connection) -> tuple[list[PriceRow], list[ExchangeRate]]:
        return prices.prices(connection, model), [] if model else prices.exchange_rates(connection)

    with books(settings_of(config, data)) as accounts:
        rows, rates = accounts.database.read_sync(read)
    if as_json:
        print_json({"prices": [_row(row) for row in rows], "exchange_rates": [_rate(rate) for rate in rates]})
        return
    now = time.time()
    for row in rows:
        whose = row.project_id or row.organization_id or say("everybody", "所有人")
        print(f"{row.model}  {_short(row)}  {whose}  {_since(row.effective_at, now)}  {row.source}")
    for rate in rates:
        value = decimal_of(rate.rate_nano)
        print(f"1 {rate.from_currency} = {value} {rate.to_currency}  {_since(rate.effective_at, now)}  {rate.source}")


def set_(
    model: Annotated[str, typer.Argument(help=say("What callers call it.", "调用时使用的名称。"))],
    price: Annotated[str, typer.Option(help=PRICE_HELP)],
    organization: Annotated[
        str | None, typer.Option(metavar="ID", help=say("Only for this organization.", "仅对该组织生效。"))
    ] = None,
    project: Annotated[
        str | None, typer.Option(metavar="ID", help=say("Only for this project.", "仅对该项目生效。"))
    ] = None,
    from_: FromOption = None,
    source: Annotated[str, typer.Option(help=say("Where it is from.", "价格来源。"))] = "administrator",
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    cost = asked("--price", read_price_text, price)
    begins = None if from_ is None else asked("--from", seconds_of, from_)
    settings = settings_of(config, data)
    with books(settings) as accounts:
        names = set(all_models(settings, accounts.local_models()))
        if model not in names:
            raise CommandError(
                say(
                    f"There is no model {model!r}{nearest(model, names)}.",
                    f"没有名为 {model!r} 的模型{nearest(model, names)}。",
                )
            )
        row = accounts.database.write_sync(
            lambda connection: PriceList(Clock()).add_price(
                connection,
                model,
                cost,
                organization_id=organization,
                project_id=project,
                effective_at=begins,
                source=source,
            ),
            durable=True,
        )
    if as_json:
        print_json(_row(row))
    else:
        print(f"{row.model}  {_short(row)}  {_since(row.effective_at, time.time())}")


def load(
    file: Annotated[str, typer.Argument(metavar="FILE|faq")],
    from_: FromOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    begins = None if from_ is None else asked("--from", seconds_of, from_)
    try:
        listed = read_price_list(_text_of(file), file)
    except ValueError as error:
        raise CommandError(str(error), code=2) from None
    settings = settings_of(config, data)
    with books(settings) as accounts:
        names = all_models(settings, accounts.local_models())
        mine = [each for each in listed if each.model in names]
        left_out = [each.model for each in listed if each.model not in names]
        rows = accounts.database.write_sync(lambda connection: _enter(connection, mine, begins), durable=True)
    if as_json:
        print_json({"prices": [_row(row) for row in rows], "left_out": left_out})
    else:
        for row in rows:
            print(f"{row.model}  {_short(row)}  {_since(row.effective_at, time.time())}")
        if left_out:
            complain(say("Left out, since there is no such model: ", "以下模型不存在，已跳过：") + ", ".join(left_out))
    if not rows:
        raise typer.Exit(1)


def _enter(connection: Connection, listed: Sequence[ListedPrice], begins: int | None) -> list[PriceRow]:
    """All of them or, when one is refused, none."""
    prices = PriceList(Clock())
    return [
        prices.add_price(
            connection,
            each.model,
            each.price,
            effective_at=each.effective_at if begins is None else begins,
            source=each.source,
        )
        for each in listed
    ]


def rate(
    from_currency: Annotated[str, typer.Argument(metavar="FROM", help="USD | CNY")],
    to_currency: Annotated[str, typer.Argument(metavar="TO", help="USD | CNY")],
    value: Annotated[str, typer.Argument(metavar="RATE", help=say("0.14: one is worth so much.", "如 0.14。"))],
    from_: FromOption = None,
    source: Annotated[str, typer.Option(help=say("Where it is from.", "汇率来源。"))] = "administrator",
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    nano = asked("RATE", nano_of, value)
    begins = None if from_ is None else asked("--from", seconds_of, from_)
    with books(settings_of(config, data)) as accounts:
        made = accounts.database.write_sync(
            lambda connection: PriceList(Clock()).add_exchange_rate(
                connection, from_currency.upper(), to_currency.upper(), nano, effective_at=begins, source=source
            ),
            durable=True,
        )
    if as_json:
        print_json(_rate(made))
    else:
        print(f"1 {made.from_currency} = {decimal_of(made.rate_nano)} {made.to_currency}")


def asked(name: str, read: Callable[[str], T], text: str) -> T:
    """An option's text, read; a mistake in it is the caller's."""
    try:
        return read(text)
    except ValueError as error:
        raise CommandError(f"{name} {error}", code=2) from None


def _text_of(file: str) -> str:
    if file in SETS:
        return (files("waystation.catalogue.book") / SETS[file]).read_text(encoding="utf-8")
    try:
        with Path(file).expanduser().open("rb") as opened:
            content = opened.read(LIST_BYTES_MAX + 1)
        if len(content) > LIST_BYTES_MAX:
            raise ValueError(f"{file}: is larger than {LIST_BYTES_MAX} bytes")
        return content.decode()
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file}: is not UTF-8 text") from None


def _short(row: PriceRow) -> str:
    if row.price is None:
        return "unmetered"
    price = row.price
    return f"{decimal_of(price.input_nano_per_million)} / {decimal_of(price.output_nano_per_million)} {price.currency}"


def _since(at: int, now: float) -> str:
    when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return say(f"from {when}", f"自 {when}") if at > now else say(f"since {when}", f"自 {when} 起")


def _row(row: PriceRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "model": row.model,
        "organization_id": row.organization_id,
        "project_id": row.project_id,
        "price": written_price(row.price),
        "effective_at": row.effective_at,
        "source": row.source,
        "created_at": row.created_at,
    }


def _rate(rate: ExchangeRate) -> dict[str, Any]:
    return {
        "id": rate.id,
        "from_currency": rate.from_currency,
        "to_currency": rate.to_currency,
        "rate": decimal_of(rate.rate_nano),
        "effective_at": rate.effective_at,
        "source": rate.source,
        "created_at": rate.created_at,
    }
