"""`waystation cost MODEL [TEXT]`: what a call would cost, before it is made and without a server."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from waystation.accounts.model import LocalModel
from waystation.catalogue.book.lookup import known_price
from waystation.catalogue.estimate import estimation, output_tokens_max
from waystation.catalogue.prices import Prices
from waystation.catalogue.store import exchange_rates, prices
from waystation.cli.common import CommandError, ConfigOption, DataOption, JsonOption, books, print_json, settings_of
from waystation.cli.tokens import read_text
from waystation.cli.words import say
from waystation.inventory import Added, all_models, local_models
from waystation.metering.estimate import count_input
from waystation.metering.tokens import Tokenizers
from waystation.settings import Settings
from waystation.settings_models import PROVIDER_OUTPUT_TOKENS
from waystation.settings_reader import nearest
from waystation.terms import Abilities, Deployment, Model
from waystation.wire.estimate import TOKENS_MAX, EstimateRequest

CURRENCY = "USD"  # where there is no organization yet


def add_to(app: typer.Typer) -> None:
    app.command("cost", help=say("What a call would cost.", "估算一次调用的费用。"))(cost)


def cost(
    model: Annotated[
        str,
        typer.Argument(
            help=say(
                "A model's name, or PROVIDER/MODEL for what the price book says.",
                "模型名称；或用 上游/模型 查价目表。",
            )
        ),
    ],
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="F", help=say("Count this file's text.", "统计此文件的文本。"))
    ] = None,
    input_tokens: Annotated[int | None, typer.Option(min=0, max=TOKENS_MAX)] = None,
    output_tokens: Annotated[int | None, typer.Option(min=0, max=TOKENS_MAX)] = None,
    cached_tokens: Annotated[int, typer.Option(min=0, max=TOKENS_MAX)] = 0,
    tier: Annotated[
        str | None, typer.Option(help=say("Service tier: flex, priority …", "服务等级：flex、priority 等"))
    ] = None,
    project: Annotated[
        str | None, typer.Option(metavar="P", help=say("Whose prices: name or id.", "按哪个项目的价格：名称或 id。"))
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    if sum(given is not None for given in (text, file, input_tokens)) != 1:
        raise CommandError(
            say("Give either TEXT, --file or --input-tokens.", "请指定文本、--file 或 --input-tokens 之一。"), code=2
        )
    settings = settings_of(config, data)
    found, effective_at, currency, paths = _priced(settings, model, project)
    if input_tokens is None:
        given = read_text(str(file)) if file is not None else (text or "")
        request = EstimateRequest(model=found.name, input=given)
        input_tokens = count_input(Tokenizers(paths), request, found.alias_of or found.name)
    if cached_tokens > input_tokens:
        raise CommandError(
            say(
                f"--cached-tokens are part of the input: {input_tokens}.",
                f"--cached-tokens 不能超过输入：{input_tokens}。",
            ),
            code=2,
        )
    told = estimation(
        found,
        effective_at,
        currency,
        input_tokens,
        output_tokens_max(found, None, 1),
        output_tokens,
        cached_tokens,
        tier,
    )
    if as_json:
        print_json(msgspec.to_builtins(told))
    elif output_tokens is not None:
        print(f"{told.cost} {told.currency}")
    else:
        print(f"{told.cost_min} - {told.cost_max} {told.currency}")


def _priced(settings: Settings, name: str, project: str | None) -> tuple[Model, int | None, str, dict[str, Path]]:
    """The model with the project's price, since when that holds, the currency, and where vocabularies are."""
    if not (settings.data / "waystation.db").exists() and project is None:  # asking makes no data folder
        models, paths = all_models(settings, []), _paths(settings, [])
        return _named(models, name), None, CURRENCY, paths
    now = int(time.time())
    with books(settings) as accounts:
        known = accounts.local_models()
        organization, _ = accounts.first()
        try:
            payer = accounts.project(project)
        except LookupError as error:
            raise CommandError(str(error.args[0])) from None
        entered = accounts.database.read_sync(lambda connection: Prices(prices(connection), exchange_rates(connection)))
    found = _named(all_models(settings, known), name)
    row = entered.row_of(found, payer.organization_id, payer.id, now)
    price = entered.price_of(found, payer.organization_id, payer.id, organization.currency, now)
    priced = msgspec.structs.replace(found, price=price)
    return priced, None if row is None else row.effective_at, organization.currency, _paths(settings, known)


def _named(models: dict[str, Model], name: str) -> Model:
    """A model of this installation, else one that the price book knows at a provider."""
    if name in models:
        return models[name]
    provider, _, upstream = name.partition("/")
    price = known_price(provider, "", upstream, int(time.time())) if upstream else None
    if price is None:
        raise CommandError(
            say(
                f"There is no model {name!r}{nearest(name, models)}. For what the price book says: PROVIDER/MODEL",
                f"没有名为 {name!r} 的模型{nearest(name, models)}。查价目表请用：上游/模型",
            )
        )
    abilities = Abilities(frozenset(), 0, PROVIDER_OUTPUT_TOKENS)
    return Model(name, Deployment(name, provider, upstream), abilities, price)


def _paths(settings: Settings, known: Sequence[LocalModel]) -> dict[str, Path]:
    added = [Added(model.name, model.path, model.kind) for model in known]
    return {name: model.path for name, model in local_models(settings, added).items() if model.path is not None}
