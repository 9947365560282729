"""Pages of models as Anthropic's clients read them."""

import pytest

from waystation.errors import InvalidRequest, ModelNotFound
from waystation.terms import Abilities, Deployment, Model, Operation, Route
from waystation.wire.anthropic_models import model_info, model_page

ABILITIES = Abilities(frozenset({Operation.CHAT}), 1000, 100)


def model(name: str, route: Route | None = None) -> Model:
    return Model(name, Deployment(name, "p", name), ABILITIES, None, created_at=1_700_000_000, route=route)


MODELS = [model(name) for name in "dacbe"]


@pytest.mark.parametrize(
    ("query", "names", "more"),
    [
        ({}, "abcde", False),
        ({"limit": "2"}, "ab", True),
        ({"limit": "2", "after_id": "b"}, "cd", True),
        ({"after_id": "c"}, "de", False),
        ({"after_id": "e"}, "", False),
        ({"before_id": "d", "limit": "2"}, "bc", True),
        ({"before_id": "c"}, "ab", False),
    ],
    ids=str,
)
def test_pages_are_cut_by_name(query: dict[str, str], names: str, more: bool) -> None:
    page = model_page(MODELS, query)
    assert ("".join(each.id for each in page.data), page.has_more) == (names, more)
    assert (page.first_id, page.last_id) == ((names[0], names[-1]) if names else (None, None))


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"limit": "0"}, InvalidRequest),
        ({"limit": "1001"}, InvalidRequest),
        ({"limit": "²"}, InvalidRequest),
        ({"after_id": "a", "before_id": "b"}, InvalidRequest),
        ({"after_id": "nobody"}, ModelNotFound),
    ],
    ids=str,
)
def test_a_wrong_page_is_refused(query: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        model_page(MODELS, query)


def test_a_deprecated_model_says_until_when() -> None:
    info = model_info(model("m", Route(deprecated_at=1_800_000_000, sunset_at=1_900_000_000)))
    assert (info.lifecycle, info.created_at) == ("deprecated", "2023-11-14T22:13:20Z")
    assert (info.deprecated_at, info.retires_at) == ("2027-01-15T08:00:00Z", "2030-03-17T17:46:40Z")
