"""`waystation credentials list|add|rotate|disable|enable|remove`: what providers are shown. A secret is never an argument."""

from typing import Annotated, Any

import typer

from waystation.cli.common import CommandError, ConfigOption, DataOption, JsonOption, print_json
from waystation.cli.control import Plane, plane
from waystation.cli.secrets import SecretFileOption, read_secret
from waystation.cli.words import say

ProviderArgument = Annotated[str, typer.Argument(metavar="PROVIDER", help=say("The provider's name.", "上游名称。"))]
CredentialArgument = Annotated[
    str, typer.Argument(metavar="CREDENTIAL", help=say("Its id, or PROVIDER/NAME.", "凭据 id，或 上游/名称。"))
]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help=say("Credentials: pools of keys for providers.", "凭据：各上游的密钥池。")
    )
    group.command("list", help=say("List credentials; secrets are not shown.", "列出凭据（不显示密钥）。"))(list_)
    group.command("add", help=say("Add a credential.", "添加凭据。"))(add)
    group.command("rotate", help=say("Give a credential a new secret.", "更换凭据的密钥。"))(rotate)
    group.command("disable", help=say("Use it no more for now.", "停用凭据。"))(disable)
    group.command("enable", help=say("Use it again.", "重新启用凭据。"))(enable)
    group.command("remove", help=say("Remove a credential.", "删除凭据。"))(remove)
    app.add_typer(group, name="credentials")


def list_(
    provider: Annotated[
        str | None, typer.Option(metavar="P", help=say("Of this provider alone.", "仅此上游。"))
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        found = control.every("listCredentials", query={} if provider is None else {"provider": provider})
    if as_json:
        print_json(found)
        return
    for each in found:
        print(line(each))


def add(
    provider: ProviderArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help=say("What to call it.", "凭据名称。"))] = "main",
    weight: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help=say("Its part of the calls.", "权重。"))
    ] = 1,
    secret_file: SecretFileOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    asked = {"provider": provider, "name": name, "weight": weight, "secret": read_secret(secret_file)}
    with plane(config, data) as control:
        _print(control.ask("createCredential", asked), as_json)


def rotate(
    credential: CredentialArgument,
    secret_file: SecretFileOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    _change(credential, {"secret": read_secret(secret_file)}, as_json, data, config)


def disable(
    credential: CredentialArgument, as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None
) -> None:
    _change(credential, {"enabled": False}, as_json, data, config)


def enable(
    credential: CredentialArgument, as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None
) -> None:
    _change(credential, {"enabled": True}, as_json, data, config)


def remove(
    credential: CredentialArgument, as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None
) -> None:
    with plane(config, data) as control:
        removed = control.ask("deleteCredential", credential_id=_id(control, credential))
    if as_json:
        print_json(removed)
    else:
        print(say(f"Removed {credential}.", f"已删除 {credential}。"))


def _change(credential: str, change: Any, as_json: bool, data: Any, config: Any) -> None:
    with plane(config, data) as control:
        _print(control.ask("updateCredential", change, credential_id=_id(control, credential)), as_json)


def _id(control: Plane, wanted: str) -> str:
    """By id or by PROVIDER/NAME. Raises CommandError."""
    for each in control.every("listCredentials"):
        if wanted in (each["id"], f"{each['provider']}/{each['name']}"):
            return str(each["id"])
    raise CommandError(say(f"There is no credential {wanted!r}.", f"没有凭据 {wanted!r}。"))


def _print(credential: Any, as_json: bool) -> None:
    if as_json:
        print_json(credential)
    else:
        print(line(credential))


def line(credential: Any) -> str:
    """A credential on one line."""
    state = say("in use", "使用中") if credential["enabled"] else say("disabled", "已停用")
    if credential["disabled"] is not None and credential["disabled"]["reason"] == "refused":
        state = say("refused", "被上游拒绝") + f" ({credential['disabled']['detail']})"
    name = f"{credential['provider']}/{credential['name']}"
    weight = say(f"weight {credential['weight']}", f"权重 {credential['weight']}")
    problem = credential["problem"] or ""
    return "  ".join(filter(None, (credential["id"], name, credential["redacted"], weight, state, problem)))
