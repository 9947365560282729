"""What upstreams say about usage, true or not."""

import pytest

from waystation.dialects.chat_usage import TOKENS_MAX, read_usage
from waystation.terms import Usage


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ('{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}', Usage(9, 3)),
        ('{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4}}', Usage(9, 3, 4)),
        (
            '{"prompt_tokens":9,"completion_tokens":3,"completion_tokens_details":{"reasoning_tokens":2}}',
            Usage(9, 3, 0, 2),
        ),
        ('{"prompt_tokens":9,"completion_tokens":3,"prompt_cache_hit_tokens":8}', Usage(9, 3, 8)),
        ('{"prompt_tokens":9,"completion_tokens":3,"cached_tokens":7}', Usage(9, 3, 7)),
        ('{"prompt_tokens":9,"completion_tokens":3,"cached_tokens":70}', Usage(9, 3, 9)),
        (
            '{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":null,"completion_tokens_details":[]}',
            Usage(9, 3),
        ),
        ('{"prompt_tokens":9,"completion_tokens":3,"completion_tokens_details":{"reasoning_tokens":-2}}', Usage(9, 3)),
        (
            '{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":2},'
            '"completion_tokens_details":{"reasoning_tokens":1,"audio_tokens":2}}',
            Usage(9, 3, 4, 1, audio_input_tokens=2, audio_output_tokens=2),
        ),
        (
            '{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"audio_tokens":70},'
            '"completion_tokens_details":{"audio_tokens":70}}',
            Usage(9, 3, audio_input_tokens=9, audio_output_tokens=3),
        ),
        (
            '{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":9}}',
            Usage(9, 3, 4, cache_write_tokens=5),
        ),
        (
            '{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cache_creation_input_tokens":2}}',
            Usage(9, 3, cache_write_tokens=2),
        ),
        (
            '{"prompt_tokens":9.0,"completion_tokens":3,"prompt_tokens_details":{"cache_creation_tokens":2}}',
            Usage(9, 3, cache_write_tokens=2),
        ),
        (
            '{"prompt_tokens":9,"completion_tokens":3,"cache_creation_input_tokens":2}',
            Usage(9, 3, cache_write_tokens=2),
        ),
        (
            '{"prompt_tokens":9,"completion_tokens":3,"cache_creation_input_tokens":"2",'
            '"prompt_tokens_details":{"audio_tokens":true},"completion_tokens_details":{"audio_tokens":2}}',
            Usage(9, 3, audio_output_tokens=2),
        ),
        ('{"prompt_tokens":9.0,"completion_tokens":3.0}', Usage(9, 3)),
        ('{"prompt_tokens":5,"total_tokens":5}', Usage(5, 0)),
        ('{"prompt_tokens":5,"total_tokens":8}', Usage(5, 3)),
        ('{"prompt_tokens":1e300,"completion_tokens":99999999999999999999999}', Usage(TOKENS_MAX, TOKENS_MAX)),
        ('{"prompt_tokens":-1,"completion_tokens":3}', None),
        ('{"prompt_tokens":1,"completion_tokens":-3,"total_tokens":9}', None),
        ('{"prompt_tokens":1.5,"completion_tokens":3}', None),
        ('{"prompt_tokens":"9","completion_tokens":3}', None),
        ('{"prompt_tokens":true,"completion_tokens":3}', None),
        ('{"prompt_tokens":null,"completion_tokens":null}', None),
        ('{"prompt_tokens":5,"total_tokens":4}', None),
        ('{"prompt_tokens":5}', None),
        ("{}", None),
        ("null", None),
        ("", None),
        ("[]", None),
        ("7", None),
    ],
)
def test_usage_is_read_or_there_is_none(said: str, usage: Usage | None) -> None:
    assert read_usage(said.encode()) == usage
