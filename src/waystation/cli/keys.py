"""`waystation keys create|list|revoke`: keys made and revoked on the database itself, server or no server."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from waystation.cli.client import running_server
from waystation.cli.common import CommandError, ConfigOption, DataOption, JsonOption, books, print_json, settings_of
from waystation.cli.control import OrganizationOption
from waystation.cli.first_start import make_secret_key
from waystation.cli.words import say
from waystation.http.figures import FOLDER, is_alive, read_shares

SECONDS_A_DAY = 86_400
KNOWN_S, LOOK_EVERY_S = 2.0, 0.05  # a worker looks for new keys five times a second


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help=say("Make, list and revoke keys.", "创建、列出和吊销密钥。"))
    group.command("create", help=say("Make a key. It is shown once.", "创建密钥，仅显示一次。"))(create)
    group.command("list", help=say("List all keys, redacted.", "列出全部密钥（脱敏）。"))(list_)
    group.command("revoke", help=say("Revoke a key within a second.", "吊销密钥，一秒内生效。"))(revoke)
    app.add_typer(group, name="keys")


def create(
    admin: Annotated[bool, typer.Option("--admin", help=say("A key for administration.", "管理密钥。"))] = False,
    project: Annotated[
        str | None, typer.Option(metavar="P", help=say("Project, by name or id.", "项目名称或 id。"))
    ] = None,
    organization: OrganizationOption = None,
    name: Annotated[str, typer.Option(metavar="N", help=say("What to call it.", "密钥的名称。"))] = "default",
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help=say("Days that it is valid.", "有效天数。"))
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    settings = settings_of(config, data)
    if admin and project is not None:
        raise CommandError(say("An admin key has no project.", "管理密钥不属于任何项目。"), code=2)
    expires_at = None if expires_days is None else int(time.time()) + expires_days * SECONDS_A_DAY
    with books(settings) as accounts:
        try:
            if admin:
                made = accounts.create_admin_key(name, organization=organization, expires_at=expires_at)
            else:
                made = accounts.create_key(project, name, organization=organization, expires_at=expires_at)
        except LookupError as error:
            raise CommandError(str(error.args[0])) from None
        change = accounts.last_change()
    make_secret_key(settings.data)
    wait_until_known(settings.data, change)
    if as_json:
        print_json({"id": made.key.id, "key": made.secret})
        return
    print(made.secret)
    print(say("Shown once. Its id is ", "仅显示一次。id 为 ") + made.key.id)


def wait_until_known(data: Path, change: int) -> None:
    """Where a server runs, wait until all its workers know a change, so that the next line of a script may rely on it.

    A worker that doesn't say so within its time holds nobody up: it is starting, or it says itself what is wrong.
    """
    until = time.monotonic() + KNOWN_S
    while time.monotonic() < until:
        server = running_server(data)
        if server is None or all_know(server.get("worker_pids", []), change, data):
            return
        time.sleep(LOOK_EVERY_S)


def all_know(worker_pids: Sequence[int], change: int, data: Path) -> bool:
    knowing = {share.pid for _, share in read_shares(data / FOLDER) if share.change >= change}
    return all(pid in knowing or not is_alive(pid) for pid in worker_pids)


def list_(as_json: JsonOption = False, data: DataOption = None, config: ConfigOption = None) -> None:
    with books(settings_of(config, data)) as accounts:
        keys = accounts.keys()
    if as_json:
        print_json(
            [
                {
                    "id": key.id,
                    "name": key.name,
                    "redacted": key.redacted,
                    "project_id": key.project_id,
                    "admin": key.admin,
                    "created_at": key.created_at,
                    "expires_at": key.expires_at,
                    "revoked_at": key.revoked_at,
                }
                for key in keys
            ]
        )
        return
    now = time.time()
    for key in keys:
        state = say("valid", "有效")
        if key.expires_at is not None and key.expires_at <= now:
            state = say("expired", "已过期")
        if key.revoked_at is not None:
            state = say("revoked", "已吊销")
        kind = say("admin", "管理") if key.admin else key.project_id
        print(f"{key.id}  {key.redacted}  {state}  {kind}  {key.name}")


def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help=say("The key's id, key_….", "密钥 id，形如 key_…。"))],
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with books(settings_of(config, data)) as accounts:
        key = accounts.revoke_key(key_id)
    if as_json:
        print_json({"id": key.id, "revoked_at": key.revoked_at})
    else:
        print(say(f"Revoked {key.redacted}.", f"已吊销 {key.redacted}。"))
