"""Twenty questions that a small code model should answer, and the grader. Who answers them is the test's business."""

import re
from dataclasses import dataclass

RIGHT_MIN = 15
ANSWER_TOKENS_MAX = 80


@dataclass(frozen=True)
class Question:
    text: str
    accepted: str  # a regular expression, found anywhere in the answer, letters of either case

    def is_right(self, answer: str) -> bool:
        return re.search(self.accepted, answer, re.IGNORECASE) is not None


def number(digits: str, word: str = "") -> str:
    """A pattern for a number that is not a part of a longer one."""
    pattern = rf"(?<![\d.]){digits}(?![\d]|\.\d)"
    return f"{pattern}|{word}" if word else pattern


QUESTIONS = (
    # English
    Question("What is the capital of France? Answer in one word.", r"\bparis\b"),
    Question("What is 7 + 5? Answer with the number only.", number("12")),
    Question("How many days are there in a week?", number("7", r"\bseven\b")),
    Question("Which planet do people live on? Answer in one word.", r"\bearth\b"),
    Question("What is the opposite of the word 'hot'? Answer in one word.", r"\b(cold|cool)\b"),
    Question("What is the chemical formula of water?", r"H(2|₂|_2|_\{2\})O"),
    Question("Translate into Chinese: Good morning", r"早上好|早安|早晨好"),
    Question(
        "Write a Python function add(a, b) that returns the sum. Code only.", r"def add\(a.*\):[^`]*return a ?\+ ?b"
    ),
    Question(
        "Write one SQL statement that gets every row and column of the table users.", r"select\s+\*\s+from\s+`?users"
    ),
    Question("Which HTTP status code means 'Not Found'?", number("404")),
    # Chinese
    Question("中国的首都是哪座城市？", r"北京"),
    Question("一年有多少个月？只回答数字。", number("12", "十二")),
    Question("3 乘以 6 等于多少？只回答数字。", number("18", "十八")),
    Question("把“谢谢”翻译成英语。", r"\bthank"),
    Question("把英语 Good night 翻译成中文。", r"晚安"),
    Question("日本的首都是哪座城市？", r"东京"),
    Question("100 减去 1 等于多少？只回答数字。", number("99", "九十九")),
    Question("在 Python 中，用哪个内置函数得到列表的长度？", r"\blen\b"),
    Question("用 Python 写一行代码，打印 hello。", r"print\(\s*['\"]hello['\"]\s*\)"),
    Question("唐诗《静夜思》的作者是谁？", r"李白"),
)


def transcript(answers: list[str]) -> tuple[int, str]:
    """How many are right, and all questions with their answers, to be read when the test speaks."""
    lines, right = [], 0
    for position, (question, answer) in enumerate(zip(QUESTIONS, answers, strict=True), start=1):
        good = question.is_right(answer)
        right += good
        lines.append(f"{position:2} {'right' if good else 'WRONG'}  {question.text}\n            {answer.strip()!r}")
    return right, "\n".join([*lines, f"{right} of {len(QUESTIONS)} right"])
