"""The calls of tools in an answer: which parts of a stream belong to which call, whatever a server says of that."""

from typing import Any

import msgspec

from waystation.dialects.saying import BadAnswer, CallBegun, CallDelta, Saying

CALLS_MAX = 1024
"""Of one choice."""


class _Call(msgspec.Struct):
    index: int  # ours, without gaps
    id: str = ""
    name: str = ""
    custom: bool = False
    waiting: str = ""  # arguments that came before the name
    begun: bool = False


class Calls:
    """Calls by choice. A call begins when its name is known."""

    def __init__(self) -> None:
        self.answer_id = ""
        self._calls: dict[int, list[_Call]] = {}
        self._at: dict[tuple[int, int], _Call] = {}  # by choice and the server's own index

    def any_in(self, choice: int) -> bool:
        return bool(self._calls.get(choice))

    def read(self, given: Any, choice: int) -> list[Saying]:
        """What these entries of `tool_calls` say. Raises BadAnswer."""
        if not isinstance(given, list):
            raise BadAnswer("its calls of tools are none")
        sayings: list[Saying] = []
        for at, entry in enumerate(given):
            if not isinstance(entry, dict):
                raise BadAnswer("a call of a tool is none")
            custom = entry.get("custom")
            function = custom if isinstance(custom, dict) else entry.get("function")
            said = function if isinstance(function, dict) else {}
            index = entry.get("index")
            call = self._find(
                choice, index if type(index) is int else at, _text(entry.get("id")), _text(said.get("name"))
            )
            call.custom = call.custom or isinstance(custom, dict)
            arguments = said.get("input") if isinstance(custom, dict) else said.get("arguments")
            sayings += self._more(call, arguments, choice)
        return sayings

    def read_legacy(self, function: dict[str, Any], choice: int) -> list[Saying]:
        """A `function_call`: there is at most one."""
        call = self._find(choice, 0, "", "")
        call.name = call.name or _text(function.get("name"))
        return self._more(call, function.get("arguments"), choice)

    def finish(self, choice: int) -> list[Saying]:
        """The choice has ended: a call that has no name yet never gets one. Raises BadAnswer."""
        if any(not call.begun for call in self._calls.get(choice, ())):
            raise BadAnswer("a call of a tool has no name")
        return []

    def _find(self, choice: int, index: int, id: str, name: str) -> _Call:  # noqa: A002 - its name in the answer
        """The call at this index, or a new one: some servers count all of them as 0, but give each its name and id."""
        call = self._at.get((choice, index))
        if call is None or (call.begun and name and id and id != call.id):
            calls = self._calls.setdefault(choice, [])
            if len(calls) >= CALLS_MAX:
                raise BadAnswer(f"it calls more than {CALLS_MAX} tools")
            call = _Call(len(calls))
            calls.append(call)
            self._at[choice, index] = call
        call.id = call.id or id
        if not call.begun:
            call.name += name
        return call

    def _more(self, call: _Call, arguments: Any, choice: int) -> list[Saying]:
        # Some send the arguments as an object and not as its JSON.
        text = _text(arguments) if not isinstance(arguments, dict) else msgspec.json.encode(arguments).decode()
        if not call.name:
            call.waiting += text
            return []
        sayings: list[Saying] = []
        if not call.begun:
            call.begun = True
            own = f"call_{self.answer_id or 'x'}_{choice}_{call.index}"
            sayings.append(CallBegun(call.index, call.id or own, call.name, call.custom, choice=choice))
            text, call.waiting = call.waiting + text, ""
        if text:
            sayings.append(CallDelta(call.index, text, choice))
        return sayings


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
