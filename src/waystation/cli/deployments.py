"""`waystation deployments list|add|set|remove`: the places that serve a model, in tiers."""

from typing import Annotated, Any

import typer

from waystation.cli.common import USAGE, CommandError, ConfigOption, DataOption, JsonOption, print_json
from waystation.cli.control import plane
from waystation.cli.words import say

DeploymentArgument = Annotated[
    str, typer.Argument(metavar="DEPLOYMENT", help=say("Its name or id.", "部署名称或 id。"))
]
UpstreamOption = Annotated[
    str | None,
    typer.Option("--upstream-model", metavar="M", help=say("The model's name there.", "模型在上游的名称。")),
]
TierOption = Annotated[
    int | None, typer.Option(metavar="N", min=0, help=say("0 is asked first.", "层级，0 最先使用。"))
]
WeightOption = Annotated[
    int | None, typer.Option(metavar="N", min=0, help=say("Its part of its tier's calls.", "在同层中的权重。"))
]
PrefillOption = Annotated[
    bool | None,
    typer.Option(
        "--prefill/--no-prefill",
        help=say("It goes on from an answer that was begun elsewhere.", "可接续在别处已开始的回答。"),
    ),
]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help=say("Deployments: where a model is served.", "部署：模型由哪里提供。")
    )
    group.command("list", help=say("List deployments.", "列出部署。"))(list_)
    group.command("add", help=say("Add a deployment, with --new also its model.", "添加部署，--new 同时新建模型。"))(
        add
    )
    group.command("set", help=say("Change a deployment.", "修改部署。"))(set_)
    group.command("remove", help=say("Remove a deployment.", "删除部署。"))(remove)
    app.add_typer(group, name="deployments")


def list_(as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None) -> None:
    with plane(config, data) as control:
        found = control.every("listDeployments")
    if as_json:
        print_json(found)
        return
    for each in found:
        print(line(each))


def add(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=say("By which callers ask.", "调用方使用的模型名。"))],
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help=say("Who serves it.", "上游名称。"))],
    name: Annotated[
        str | None, typer.Option(metavar="N", help=say("Default: provider/model there.", "默认：上游/模型名。"))
    ] = None,
    upstream_model: UpstreamOption = None,
    tier: TierOption = None,
    weight: WeightOption = None,
    prefill: PrefillOption = None,
    new: Annotated[
        bool, typer.Option("--new", help=say("It is a new model; what follows says what it can do.", "新模型。"))
    ] = False,
    price: Annotated[
        str | None,
        typer.Option(
            metavar="PRICE",
            help=say(
                "Of a new model: input=2.50,output=10, 0 or unmetered. Default: the price book's.",
                "新模型的价格：input=2.50,output=10、0 或 unmetered；默认取内置价目表。",
            ),
        ),
    ] = None,
    kind: Annotated[
        str, typer.Option(metavar="chat|embedding|moderation", help=say("Of a new model.", "新模型的类型。"))
    ] = "chat",
    context: Annotated[
        int | None, typer.Option(metavar="TOKENS", min=1, help=say("Its context.", "上下文长度。"))
    ] = None,
    output: Annotated[
        int | None, typer.Option(metavar="TOKENS", min=1, help=say("Longest answer.", "最长输出。"))
    ] = None,
    vision: Annotated[bool, typer.Option("--vision", help=say("It understands images.", "支持图像。"))] = False,
    tools: Annotated[bool, typer.Option("--tools/--no-tools", help=say("It calls tools.", "支持工具调用。"))] = True,
    dimensions: Annotated[
        int | None, typer.Option(metavar="N", min=1, help=say("Of an embedding model.", "向量维数。"))
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    if price is not None and not new:
        raise CommandError(say("--price goes with --new.", "--price 需与 --new 一起使用。"), code=USAGE)
    asked = _given(
        model=model,
        provider=provider,
        name=name,
        upstream_model=upstream_model,
        tier=tier,
        weight=weight,
        prefill=prefill,
    )
    if new:
        asked["new_model"] = _given(
            kind=kind,
            context_tokens_max=context,
            output_tokens_max=output,
            vision=vision,
            tools=tools,
            dimensions=dimensions,
            price=price,
        )
    with plane(config, data) as control:
        _print(control.ask("createDeployment", asked), as_json)


def set_(
    deployment: DeploymentArgument,
    upstream_model: UpstreamOption = None,
    tier: TierOption = None,
    weight: WeightOption = None,
    prefill: PrefillOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    changes = _given(upstream_model=upstream_model, tier=tier, weight=weight, prefill=prefill)
    if not changes:
        raise CommandError(say("Say what is to change.", "请说明要修改什么。"), code=USAGE)
    with plane(config, data) as control:
        _print(control.ask("updateDeployment", changes, deployment_id=deployment), as_json)


def remove(
    deployment: DeploymentArgument, as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None
) -> None:
    with plane(config, data) as control:
        removed = control.ask("deleteDeployment", deployment_id=deployment)
    if as_json:
        print_json(removed)
    else:
        print(say(f"Removed {deployment}.", f"已删除 {deployment}。"))


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _print(deployment: Any, as_json: bool) -> None:
    if as_json:
        print_json(deployment)
    else:
        print(line(deployment))


def line(deployment: Any) -> str:
    """A deployment on one line."""
    place = say(
        f"tier {deployment['tier']}, weight {deployment['weight']}",
        f"第 {deployment['tier']} 层，权重 {deployment['weight']}",
    )
    where = f"{deployment['provider']}:{deployment['upstream_model']}"
    return f"{deployment['id']}  {deployment['name']}  {deployment['model']} → {where}  {place}"
