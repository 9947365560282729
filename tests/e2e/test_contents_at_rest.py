"""What is left of contents in files and logs: nothing of what is not to be stored, nothing readable where a key is set."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tests.e2e.running import Running, Upstream, fake_upstream, serving

pytestmark = pytest.mark.slow
ASKED, ANSWERED = "asked-marker-5Kq", b"Once upon"  # the second is what the provider says


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with fake_upstream(tmp_path_factory.mktemp("slow"), "--pace-ms", "40") as upstream:
        yield upstream


def config(folder: Path, upstream: Upstream, more: str = "") -> Path:
    file = folder / "waystation.toml"
    file.write_text(
        f'[engine]\nenabled = false\n[providers.p]\nbase_url = "{upstream.url}/v1"\n'
        f'[models.m]\nprovider = "p"\nprice = 0\n[models.drop-mid]\nprovider = "p"\nprice = 0\n{more}'
    )
    return file


def readable(server: Running) -> list[str]:
    """The files in which a content is found, logs too."""
    files = [server.log, *(path for path in server.data.rglob("*") if path.is_file())]
    contents = {path: path.read_bytes() for path in files}
    return [path.name for path, data in contents.items() if ASKED.encode() in data or ANSWERED in data]


def asked(client: OpenAI, **given: Any) -> Any:
    return client.responses.create(model="m", input=ASKED, **given)


def test_with_store_false_nothing_is_left_of_a_response(tmp_path: Path, slow: Upstream) -> None:
    with serving(tmp_path / "data", config(tmp_path, slow)) as server:
        with OpenAI(base_url=server.base_url, api_key=server.key, max_retries=0) as client:
            asked(client, store=False)
            assert [event.type for event in asked(client, store=False, stream=True)][-1] == "response.completed"
            with asked(client, store=False, stream=True) as left:
                next(iter(left))
            broken = client.responses.create(model="drop-mid", input=ASKED, store=False, stream=True)
            assert [event.type for event in broken][-1] == "response.failed"
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": ASKED}])
            with pytest.raises(BadRequestError, match="Background mode"):
                asked(client, store=False, background=True)
        assert readable(server) == []
    assert readable(server) == []


def test_with_a_key_nothing_that_is_kept_can_be_read_in_a_file(tmp_path: Path, slow: Upstream) -> None:
    key = '[storage]\nencryption_key = "a key of more than sixteen characters"\n'
    with serving(tmp_path / "data", config(tmp_path, slow, key)) as server:
        with OpenAI(base_url=server.base_url, api_key=server.key, max_retries=0) as client:
            made = asked(client)
            asked(client, conversation=client.conversations.create().id, stream=False)
            client.files.create(file=("a.txt", ASKED.encode()), purpose="user_data")
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": ASKED}], store=True)
            client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": ASKED}], extra_headers={"idempotency-key": "once"}
            )
            waiting = asked(client, background=True)
            coming = asked(client, background=True, stream=True)
            kinds = []
            for event in coming:
                if event.type == "response.output_text.delta" and not kinds:
                    assert readable(server) == [], "of the job and the events of one that runs"
                kinds.append(event.type)
            assert kinds[-1] == "response.completed"
            assert client.responses.retrieve(made.id).output_text.encode().startswith(ANSWERED)
            assert client.responses.retrieve(waiting.id).status in ("queued", "in_progress", "completed")
        assert readable(server) == []
    assert readable(server) == []
