"""The page of OpenAI's operations, printed from the table: docs/guides/operations.md and its Chinese twin."""

import sys
from collections.abc import Iterable
from typing import Literal

from waystation.http.operations import OPERATIONS, Operation, documented
from waystation.http.operations_table import FAMILIES, Family

Language = Literal["en", "zh"]

_INTRO = {
    "en": """# OpenAI's operations, and which are served here

OpenAI's description (August 2026) has {described} operations; {served} of them are served here. The others answer 404 with
the code `unsupported_by_server` and say what to use instead; SDKs raise it as `NotFoundError` and don't try again. The key
is looked at first (401), an upload that would be refused is not read. A wrong method of a known URL is 405, a URL that
OpenAI doesn't have either is 404 with `unknown_url`.

URLs work with `/v1`, `/openai/v1`, `/openai` and without a prefix. This page is printed by
`python -m waystation.http.operations_page en`.
""",
    "zh": """# OpenAI 的各项操作，以及本服务器提供哪些

OpenAI 的接口描述（2026 年 8 月）共有 {described} 项操作，本服务器提供其中 {served} 项。其余操作返回 404，代码为
`unsupported_by_server`，并说明可以改用什么；SDK 会抛出 `NotFoundError` 且不再重试。密钥最先检查（401），将被拒绝的上传不会被读取。
已知地址用错方法返回 405；OpenAI 也没有的地址返回 404 和 `unknown_url`。

地址前缀可以是 `/v1`、`/openai/v1`、`/openai`，也可以没有前缀。本页由 `python -m waystation.http.operations_page zh` 打印。
""",
}
_HEAD = {"en": "| operation | here |", "zh": "| 操作 | 本服务器 |"}
_FATE = {"en": {True: "served", False: "not served"}, "zh": {True: "提供", False: "不提供"}}
_INSTEAD = {"en": "Instead: {instead}", "zh": "替代方法：{instead}"}
_ZH = {
    "Models": "模型由服务器管理员在配置文件或 /v1/waystation/deployments 中增删。",
    "Batches": "请直接向批处理所指的接口逐个或并发发送请求。",
    "Vector stores": "请用 POST /v1/embeddings 生成向量，在自己的数据库中检索，再把结果放入输入。",
    "Containers": (
        "请在 POST /v1/responses 中把工具 code_interpreter（container 类型为 auto）提供给其服务商具备该工具的模型（OpenAI 具备）；"
        "或给模型一个函数，在自己的环境中执行代码。"
    ),
    "Audio": (
        "请让单独的客户端以 base URL 指向语音服务或服务商。"
        "能听的对话模型可在 POST /v1/chat/completions 中接收录音（input_audio 部分）。"
    ),
    "Images": (
        "请在 POST /v1/responses 中把工具 image_generation 提供给其服务商具备该工具的模型（OpenAI 具备），"
        "或让单独的客户端指向图像服务商。"
    ),
    "Videos": "请直接调用视频服务商；OpenAI 也已弃用此接口。",
    "Realtime": "请用 POST /v1/responses 并设 stream: true 流式获取文本。",
    "Fine-tuning": "请在服务商处微调，再把结果作为模型加入本服务器。",
    "Evals": "请用 POST /v1/responses 获取回答，并在自己的环境中评分。",
    "Skills": "请把技能说明写入 POST /v1/responses 的 instructions。",
    "ChatKit": "请基于 POST /v1/responses 构建聊天。",
    "Content provenance": "只有内容的生成方才能检验其标记：请直接询问 OpenAI。",
    "Usage and costs": (
        "请使用 GET /v1/organization/usage/completions、/embeddings 或 GET /v1/waystation/usage：未提供的功能没有用量。"
    ),
    "Admin keys": "请使用 /v1/waystation/keys，管理密钥设 admin: true。",
    "Spending": "请使用 /v1/waystation/budgets：预算可限制组织、项目或密钥。",
    "People, groups and roles": "权限由密钥决定：请用 POST /v1/waystation/keys 为每个人或程序创建密钥。",
    "Projects": "请用 POST /v1/organization/projects 为每个团队建项目，并用 POST /v1/waystation/keys 在其中建密钥。",
    "Organization": "由服务器管理员设置，见配置指南。",
    "Assistants": (
        "OpenAI 已停用此接口：请改用 POST /v1/responses，以 /v1/conversations 代替 "
        "threads。迁移指南：https://developers.openai.com/api/docs/assistan"
        "ts/migration"
    ),
    "Taken away by OpenAI": (
        "OpenAI 已移除此地址。请使用 POST /v1/responses 或 POST /v1/chat/complet"
        "ions，并把 engine 名写在 model 中；GET /v1/models 列出模型。"
    ),
}


def page(language: Language) -> str:
    """The whole page."""
    described = [operation for operation in OPERATIONS if operation.family.described]
    served = sum(operation.is_served for operation in described)
    intro = _INTRO[language].format(described=len(described), served=served)
    return "\n".join([intro, *(_section(family, language) for family in FAMILIES)]).rstrip() + "\n"


def _section(family: Family, language: Language) -> str:
    operations = [operation for operation in OPERATIONS if operation.family is family]
    lines = [f"## {family.name}", ""]
    if not all(operation.is_served for operation in operations):
        lines += [_INSTEAD[language].format(instead=family.instead if language == "en" else _ZH[family.name]), ""]
    return "\n".join([*lines, _HEAD[language], "| --- | --- |", *_rows(operations, language), ""])


def _rows(operations: Iterable[Operation], language: Language) -> list[str]:
    return [f"| `{documented(each.label)}` | {_FATE[language][each.is_served]} |" for each in operations]


if __name__ == "__main__":
    sys.stdout.write(page("zh" if sys.argv[1:] == ["zh"] else "en"))
