"""The configuration and OpenAI's dialect each know the presets, since neither may know the other: they must agree."""

from waystation.catalogue.provider_presets import PRESETS as CONFIGURED
from waystation.providers.openai.presets import PRESETS as SPOKEN

OTHER_DIALECTS = {"anthropic", "gemini", "bedrock"}


def test_both_tables_of_presets_say_the_same() -> None:
    assert CONFIGURED.keys() - OTHER_DIALECTS == SPOKEN.keys() - {"none"}
    for name, preset in SPOKEN.items():
        if name != "none":
            configured = CONFIGURED[name]
            assert (configured.base_url, configured.is_local) == (preset.base_url, preset.local), name
            assert configured.kind == ("azure" if name == "azure" else "openai"), name
