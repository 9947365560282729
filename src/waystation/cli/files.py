"""`waystation files list|upload|content|delete`: a project's files, beside a running server or without one."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waystation.cli.common import CommandError, ConfigOption, DataOption, JsonOption, print_json
from waystation.cli.control import plane
from waystation.cli.words import say

if TYPE_CHECKING:
    from waystation.http.v1.control import Control

_PIECE_BYTES = 1024 * 1024

FileArgument = Annotated[str, typer.Argument(metavar="FILE_ID", help=say("The file's id.", "文件 id。"))]
ProjectOption = Annotated[
    str | None,
    typer.Option(
        "--project",
        metavar="P",
        help=say("Project, by name or id. Default: the first.", "项目名称或 id，默认为第一个项目。"),
    ),
]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help=say("Files of a project.", "项目的文件。"))
    group.command("list", help=say("List files.", "列出文件。"))(list_)
    group.command("upload", help=say("Keep a file.", "上传文件。"))(upload)
    group.command("content", help=say("Write a file's content.", "输出文件内容。"))(content)
    group.command("delete", help=say("Delete a file and its content.", "删除文件及其内容。"))(delete)
    app.add_typer(group, name="files")


def list_(
    purpose: Annotated[
        str | None, typer.Option(metavar="PURPOSE", help=say("Only of this purpose.", "仅列出此用途的文件。"))
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    query = {"purpose": purpose} if purpose else None
    with plane(config, data) as control:
        files = control.every("listFiles", project_id=control.project_id(project, None), query=query)
    if as_json:
        print_json(files)
        return
    for file in files:
        tell(file)


def upload(
    path: Annotated[Path, typer.Argument(metavar="FILE", help=say("What to keep.", "要上传的文件。"))],
    purpose: Annotated[
        str,
        typer.Option(metavar="PURPOSE", help=say("batch, fine-tune, user_data …", "batch、fine-tune、user_data 等。")),
    ] = "user_data",
    expires_s: Annotated[
        int | None,
        typer.Option("--expires-s", metavar="SECONDS", help=say("Delete it after so long.", "到期后删除（秒）。")),
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    if not path.is_file():
        raise CommandError(say(f"There is no file {path}.", f"文件 {path} 不存在。"))
    with plane(config, data) as control:
        made = control.run(
            lambda services: _upload(services, control.project_id(project, None), path, purpose, expires_s)
        )
    if as_json:
        print_json(made)
    else:
        tell(made)


async def _upload(services: "Control", project_id: str, path: Path, purpose: str, expires_s: int | None) -> Any:
    from waystation.http.v1.files import file_object
    from waystation.storage.files.model import FileWanted, checked_expiry, checked_name, checked_purpose

    anchor = None if expires_s is None else "created_at"
    wanted = FileWanted(checked_purpose(purpose), checked_name(path.name), checked_expiry(anchor, expires_s, purpose))
    files = services.files
    size = (await asyncio.to_thread(path.stat)).st_size
    incoming = await files.begin(project_id, size, wanted.purpose, files.bounds.upload_bytes_max)
    try:
        with path.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                await incoming.content.feed(piece)
        return file_object(await files.keep(incoming, wanted))
    except BaseException:
        await files.abandon(incoming)
        raise


def content(
    file_id: FileArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help=say("Default: standard output.", "默认为标准输出。")),
    ] = None,
    project: ProjectOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        project_id = control.project_id(project, None)
        control.run(lambda services: _write(services, project_id, file_id, output))


async def _write(services: "Control", project_id: str, file_id: str, output: Path | None) -> None:
    file = await services.files.get(project_id, file_id)
    target = sys.stdout.buffer if output is None else output.open("wb")
    try:
        async for piece in services.files.read(file):
            await asyncio.to_thread(target.write, piece)
        target.flush()
    finally:
        if output is not None:
            target.close()


def delete(
    file_id: FileArgument,
    project: ProjectOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    with plane(config, data) as control:
        gone = control.ask("deleteFile", project_id=control.project_id(project, None), file_id=file_id)
    if as_json:
        print_json(gone)
        return
    print(say(f"Deleted {gone['id']}.", f"已删除 {gone['id']}。"))


def tell(file: Any) -> None:
    """A file on one line."""
    print(f"{file['id']}  {file['purpose']}  {file['bytes']}  {file['filename']}")
