"""A request held against what its model can do."""

from typing import Any

import msgspec
import pytest

from waystation.errors import ApiError
from waystation.gateway.call import Call
from waystation.policy.admit import Policy
from waystation.terms import Abilities, Caller, Deployment, Model, Operation, Price
from waystation.wire.chat import read_chat
from waystation.wire.embeddings import read_embeddings

CALLER = Caller("key", "proj", "org")


def model(name: str, *operations: Operation, vision: bool = False) -> Model:
    abilities = Abilities(frozenset(operations), 1000, 1000, vision=vision)
    return Model(name, Deployment(f"p/{name}", "p", name), abilities, Price("USD", 0, 0))


def chat(content: Any) -> Call:
    body = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": content}]})
    return Call(Operation.CHAT, "req_1", body, read_chat(body), None, {}, "", 0)


PICTURE = [
    {"type": "text", "text": "what is it?"},
    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
]


def test_a_picture_goes_to_a_model_that_sees() -> None:
    seeing = model("eyes", Operation.CHAT, vision=True)
    call = chat(PICTURE)
    assert Policy({"eyes": seeing}).admit(call, CALLER, seeing) is call


@pytest.mark.parametrize(("others", "says"), [([], "`vision = true`"), (["eyes"], "These can: eyes")])
def test_a_picture_to_a_model_that_cannot_see_names_the_part_and_who_can(others: list[str], says: str) -> None:
    blind = model("blind", Operation.CHAT)
    models = {"blind": blind} | {name: model(name, Operation.CHAT, vision=True) for name in others}
    with pytest.raises(ApiError) as caught:
        Policy(models).admit(chat(PICTURE), CALLER, blind)
    assert (caught.value.status, caught.value.param) == (400, "messages[0].content[1]")
    assert says in caught.value.message


def test_an_operation_that_the_model_has_not_says_which_it_has() -> None:
    body = b'{"model":"m","input":"x"}'
    call = Call(Operation.EMBEDDINGS, "req_1", body, read_embeddings(body), None, {}, "", 0)
    with pytest.raises(ApiError, match="/v1/chat/completions") as caught:
        Policy({}).admit(call, CALLER, model("m", Operation.CHAT))
    assert (caught.value.status, caught.value.param) == (400, "model")


def test_strict_mode_refuses_what_openai_does_not_have() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"top_k":5}'
    call = Call(Operation.CHAT, "req_1", body, read_chat(body), None, {}, "", 0)
    chatty = model("m", Operation.CHAT)
    assert Policy({}).admit(call, CALLER, chatty) is call
    with pytest.raises(ApiError, match="top_k") as caught:
        Policy({}, strict=True).admit(call, CALLER, chatty)
    assert (caught.value.status, caught.value.param) == (400, "top_k")
