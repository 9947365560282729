"""`waystation chat`: talk to a model in the terminal, the answer as it is written."""

import getpass
import os
import sys
from typing import Annotated, Any

import typer

from waystation.cli.client import Client, Refused, Unreachable, base_url_of
from waystation.cli.common import CommandError, ConfigOption, DataOption, settings_of
from waystation.cli.words import say
from waystation.inventory import first_model

TURNS_MAX = 200  # messages that are sent along; older ones are left out


def add_to(app: typer.Typer) -> None:
    app.command("chat", help=say("Chat with a model in the terminal.", "在终端中与模型对话。"))(chat)


def chat(
    prompt: Annotated[
        str | None,
        typer.Argument(help=say("One question; without it a conversation.", "单个问题；省略则进入对话。")),
    ] = None,
    model: Annotated[str | None, typer.Option(help=say("Which model.", "模型名称。"))] = None,
    system: Annotated[str | None, typer.Option(help=say("A system message.", "系统消息。"))] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help=say("Default: OPENAI_BASE_URL, else the local server.", "默认取 OPENAI_BASE_URL，否则为本机服务器。")
        ),
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    settings = settings_of(config, data)
    client = Client(base_url_of(settings.data, base_url), _key())
    try:
        chosen = model or _choose(client, first_model(settings))
        messages: list[dict[str, str]] = [{"role": "system", "content": system}] if system else []
        if prompt is None and not sys.stdin.isatty():
            prompt = sys.stdin.read()
        if prompt is not None:
            answer(client, chosen, [*messages, {"role": "user", "content": prompt}])
        else:
            _converse(client, chosen, messages)
    except Refused as error:
        raise CommandError(f"{error.status} {error.code or ''}: {error.message}") from None
    except Unreachable as error:
        raise CommandError(
            say(
                f"No answer from {client.base_url}: {error}. Is the server running? `waystation doctor` tells more.",
                f"{client.base_url} 没有响应：{error}。服务器在运行吗？可用 `waystation doctor` 排查。",
            )
        ) from None


def answer(client: Client, model: str, messages: list[dict[str, str]]) -> str:
    """Print an answer as it comes; the whole text. Raises Refused, Unreachable."""
    text = ""
    for event in client.stream("/chat/completions", {"model": model, "messages": messages, "stream": True}):
        piece = _piece(event)
        text += piece
        print(piece, end="", flush=True)
    print()
    return text


def _piece(event: Any) -> str:
    choices = event.get("choices") or [{}]
    return str((choices[0].get("delta") or {}).get("content") or "")


def _converse(client: Client, model: str, messages: list[dict[str, str]]) -> None:
    print(say(f"{model}; Ctrl-D ends.", f"{model}；按 Ctrl-D 结束。"), file=sys.stderr)
    while True:
        try:
            asked = input("> ")
        except EOFError:
            print()
            return
        if not asked.strip():
            continue
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": answer(client, model, messages[-TURNS_MAX:])})


def _choose(client: Client, preferred: str) -> str:
    """The preferred model if the server has it, else the first that is for chats."""
    names = [str(model["id"]) for model in client.get("/models")["data"]]
    if preferred in names:
        return preferred
    for name in names:
        if not any(part in name for part in ("embed", "e5", "moderation")):
            return name
    raise CommandError(
        say("The server has no chat model. Name one with --model.", "服务器没有对话模型，请用 --model 指定。")
    )


def _key() -> str:
    """The caller's key: from the environment, or asked for. It is kept nowhere."""
    key = os.environ.get("OPENAI_API_KEY", "")
    if key or not sys.stdin.isatty():
        return key
    return getpass.getpass(say("API key (OPENAI_API_KEY is not set): ", "API 密钥（未设置 OPENAI_API_KEY）："))
