"""Which models there are."""

from waystation.catalogue.build import CHAT_ALIASES, EMBEDDING_ALIASES, FREE, Offer, build_models, vanished_aliases
from waystation.terms import ENGINE, Operation

QWEN = Offer("qwen", "chat", ENGINE, "qwen", FREE, 32768, 8192)
E5 = Offer("e5", "embedding", ENGINE, "e5", FREE, 512, 0, dimensions=384)
REAL = Offer("gpt-4o", "chat", "openai", "gpt-4o-2024", FREE, 128_000, 16_384, vision=True)


def test_openai_names_stand_for_the_local_models_while_no_provider_is_configured() -> None:
    models = build_models([QWEN, E5], "qwen", "e5", with_aliases=True)
    assert set(models) == {"qwen", "e5", "auto", *CHAT_ALIASES, *EMBEDDING_ALIASES}
    assert models["gpt-5"].alias_of == "qwen"
    assert models["gpt-5"].deployment == models["qwen"].deployment
    assert models["text-embedding-3-small"].abilities.operations == {Operation.EMBEDDINGS}
    assert vanished_aliases(models) == []


def test_with_a_provider_no_local_model_answers_in_anothers_name() -> None:
    models = build_models([QWEN, E5, REAL], "qwen", "e5", with_aliases=False)
    assert set(models) == {"qwen", "e5", "gpt-4o", "auto"}
    assert models["gpt-4o"].deployment.provider == "openai"
    assert "gpt-5" in vanished_aliases(models)


def test_an_alias_never_hides_a_model_of_that_name() -> None:
    mine = Offer("gpt-4o", "chat", ENGINE, "mine", FREE, 2048, 2048)
    models = build_models([QWEN, mine], "qwen", None, with_aliases=True)
    assert models["gpt-4o"].deployment.upstream_model == "mine"
    assert models["gpt-4o"].alias_of is None


def test_no_alias_points_at_a_model_that_is_not_there() -> None:
    assert build_models([E5], "qwen", None, with_aliases=True).keys() == {"e5"}
