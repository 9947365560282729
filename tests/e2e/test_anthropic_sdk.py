"""Anthropic's official SDK, unchanged, against a door; behind it a server made of the same SDK's types."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.sdks import python_with
from tests.unit.http.control_stand import Stand as ControlStand
from tests.unit.http.control_stand import stand as control_stand
from tests.unit.http.door_stand import BOUNDS, StandingWay, at_the_door
from tests.unit.http.door_stand import Stand as DoorStand
from waystation.dialects.saying import Used
from waystation.dialects.table import SPOKEN
from waystation.errors import (
    InsufficientQuota,
    RateLimitExceeded,
    ServiceUnavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from waystation.gateway.call import Call
from waystation.providers.anthropic.provider import Anthropic
from waystation.providers.model import ProviderConfig
from waystation.runtime.http_client import HttpClient
from waystation.terms import (
    Abilities,
    Caller,
    Credential,
    Deployment,
    Event,
    Model,
    Operation,
    Piece,
    Secret,
    Target,
)

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent / "anthropic_sdk"
CONFIG = """
[providers.there]
base_url = "http://127.0.0.1:9/v1"
[models."gpt-4o"]
provider = "there"
price = 0
[models."gpt-4o-mini"]
provider = "there"
price = 0
"""
ERRORS = {
    "limited": RateLimitExceeded("Slow down.", retry_after_ms=1500),
    "poor": InsufficientQuota("No money."),
    "busy": ServiceUnavailable("Busy."),
    "down": UpstreamFailed("Down."),
    "late": UpstreamTimeout("Late."),
}


class Way(StandingWay):
    """Two ways to the same server: as the caller's own dialect, and by way of the vocabulary."""

    def __init__(self, worker_auth: Any, provider: Anthropic) -> None:
        super().__init__(self.answer)
        self._auth = worker_auth
        self._provider = provider

    def identify(self, call: Any) -> Caller:
        caller: Caller = self._auth.identify(call)
        return caller

    async def answer(self, call: Call) -> AsyncGenerator[Event]:
        name = call.request.model
        if name in ERRORS:
            raise ERRORS[name]
        if name == "breaks":
            yield Piece(b'event: ping\ndata: {"type":"ping"}\n\n')
            raise ServiceUnavailable("Busy.")
        model = Model(name, Deployment("there/it", "there", "claude-sonnet-4-5"), ABILITIES, None)
        to = Target(model.deployment, model, self._provider.credentials[0])
        if name == "native":
            async for event in self._provider.send(call, to):
                yield event
            return
        spoken = SPOKEN[call.dialect, call.operation]
        writer = spoken.writer(spoken.new_envelope(name, 0), call.request)
        asked = spoken.ask(call.body, call.request, call.output_tokens_max)
        told = [saying async for saying in self._provider.tell(asked, to, call)]
        usage = next((each.usage for each in told if isinstance(each, Used)), None)
        if not asked.stream:
            yield writer.whole(told, usage)
            return
        for saying in told:
            if data := writer.piece([saying]):
                yield Piece(data)
        yield writer.done(usage)


ABILITIES = Abilities(frozenset({Operation.CHAT}), 200_000, 8000, vision=True)


def test_the_official_sdk_takes_us_for_anthropic(tmp_path: Path) -> None:
    python = str(python_with("anthropic-2.13.0"))

    async def story(s: ControlStand) -> None:
        stub = await asyncio.create_subprocess_exec(python, str(HERE / "stub.py"), stdout=asyncio.subprocess.PIPE)
        http = HttpClient()
        try:
            assert stub.stdout is not None
            port = int(await stub.stdout.readline())
            config = ProviderConfig(
                name="there",
                kind="anthropic",
                base_url=f"http://127.0.0.1:{port}",
                credentials=(Credential("c", "c", Secret("sk-ant-stub")),),
            )

            async def scenario(door: DoorStand) -> None:
                client = await asyncio.create_subprocess_exec(
                    python,
                    str(HERE / "client.py"),
                    f"http://127.0.0.1:{door.port}",
                    s.key,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                )
                told, _ = await client.communicate()
                assert told == b"ok\n", told.decode()

            way = Way(s.worker.way.auth, Anthropic(config, http))
            await at_the_door(scenario, way, BOUNDS, others=s.worker.app())
        finally:
            stub.terminate()
            await stub.wait()
            await http.close()

    control_stand(tmp_path, story, CONFIG)
