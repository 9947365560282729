"""Requests that ask for another protocol are answered in this one."""

import json

from tests.unit.http.door_stand import Stand, chat, stand


def test_a_client_that_offers_h2c_is_answered_in_http_1() -> None:
    async def scenario(at: Stand) -> None:
        line = await at.connect()
        offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
        line.send(chat("one", extra=offer) + chat("two"))
        assert json.loads((await line.answer())[2]) == {"user": "one"}
        assert json.loads((await line.answer())[2]) == {"user": "two"}
        await line.close()

    stand(scenario)
