"""What kind of task a message sets, by its words in English and Chinese: a small heuristic for the rules of `auto`.

Read from the beginning and the end of the last message of the user, where people say what they want. The kinds in order, the
first that fits: **code** (a fenced block, a traceback, a line of a program, or words like "refactor", "写一个函数"), **translate**
("translate", "翻译成"), **math** (a formula, "solve", "求解"), else **chat**. It will be wrong at times: who needs certainty
names a model.
"""

import re

from waystation.catalogue.routing_nouns import Task

HEAD_CHARS, TAIL_CHARS = 2_000, 1_000

_CODE = re.compile(
    r"```|Traceback \(most recent call last\)|^\s*(?:def \w+\(|class \w+[(:{]|#include\s*<|import \w+|from \w[\w.]* import |"
    r"(?:const|let|var) \w+ =|(?:public|private|func|fn) [\w<>]+|SELECT\b.{1,80}\bFROM\b)|"
    r"\b(?:python|javascript|typescript|java|c\+\+|c#|golang|rust|kotlin|swift|php|sql|bash|shell script|html|css|regex)(?!\w)|"
    r"\b(?:refactor|debug|stack ?trace|unit tests?|compile[rs]?|source code|pull request|code review|my code|this code)\b|"
    r"\b(?:write|implement|fix|optimi[sz]e) (?:an? |the |this |my )?(?:\w+ )?"
    r"(?:function|script|program|method|class|query|code|bug)\b|"
    r"代码|编程|程序|函数|脚本|报错|调试|重构|正则表达式|单元测试|编译|算法实现",
    re.IGNORECASE | re.MULTILINE,
)
_TRANSLATE = re.compile(
    r"\btranslat(?:e|es|ed|ing|ion)\b|\bhow (?:do|would) (?:you|i) say\b|"
    r"翻译|译成|译为|翻成|(?:用|中文|英文|英语|日语|法语|德语)怎么说",
    re.IGNORECASE,
)
_MATH = re.compile(
    r"\d\s*[-+*/×÷^=]\s*\(?\d|[a-z]\s*[\^²³]\s*\d?\s*[-+=]|\\(?:frac|int|sum|sqrt|lim)\b|"
    r"\b(?:calculate|compute|solve|equations?|integral|derivative|prove|proof|theorem|probability|arithmetic|algebra|matrix)\b|"
    r"计算|求解|解方程|方程|证明|积分|导数|求导|概率|矩阵|数学题|平方根|几何",
    re.IGNORECASE,
)


def task_of(text: str) -> Task:
    """The kind of task. Looks at no more than HEAD_CHARS and TAIL_CHARS of the text."""
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        text = f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"
    if _CODE.search(text):
        return "code"
    if _TRANSLATE.search(text):
        return "translate"
    return "math" if _MATH.search(text) else "chat"
