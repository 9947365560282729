"""What completions and embeddings take as their text: a string, strings, token ids, or arrays of token ids."""

from typing import Any

from waystation.errors import InvalidRequest

# msgspec knows only one kind of array in a union, so that the items are of one kind is checked afterwards.
TokenOrText = str | int | list[int]


def check_items(given: Any, param: str) -> None:
    """Raise InvalidRequest unless all items are of one kind, and arrays of tokens neither empty nor negative."""
    if type(given) is not list:
        return
    kinds = set(map(type, given))
    if len(kinds) > 1:
        odd = next(index for index, item in enumerate(given) if type(item) is not type(given[0]))
        first, other = _KINDS[type(given[0])], _KINDS[type(given[odd])]
        raise InvalidRequest(
            f"Invalid type for '{param}[{odd}]': expected {first}, but got {other} instead.",
            param=f"{param}[{odd}]",
            code="invalid_type",
        )
    if int in kinds:
        _refuse_negative(given, param)
    elif list in kinds:
        for index, tokens in enumerate(given):
            if not tokens:
                raise empty_array(f"{param}[{index}]")
            _refuse_negative(tokens, f"{param}[{index}]")


def prompts_in(given: Any) -> int:
    """How many texts there are: an array of token ids is one."""
    return len(given) if type(given) is list and type(given[0]) is not int else 1


def text_of(given: Any) -> str:
    """The texts in one, for counting; empty for token ids, which are counted by their number."""
    if type(given) is list:
        return "\n".join(given) if type(given[0]) is str else ""
    return given or ""


def token_count(given: Any) -> int:
    """How many tokens were given as ids; 0 for texts."""
    if type(given) is not list or type(given[0]) is str:
        return 0
    return len(given) if type(given[0]) is int else sum(map(len, given))


def empty_array(param: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        param=param,
        code="empty_array",
    )


_KINDS = {str: "a string", int: "an integer", list: "an array of integers"}


def _refuse_negative(tokens: list[int], param: str) -> None:
    if min(tokens) < 0:
        at = next(index for index, token in enumerate(tokens) if token < 0)
        raise InvalidRequest(
            f"Invalid '{param}[{at}]': integer below minimum value. "
            f"Expected a value >= 0, but got {tokens[at]} instead.",
            param=f"{param}[{at}]",
            code="integer_below_min_value",
        )
