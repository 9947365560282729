"""Fetches images whose URL a caller gave, and lets nobody see through it into this network."""

import asyncio
import ssl
from collections.abc import Iterable

from waystation.errors import ApiError, ServiceUnavailable
from waystation.runtime.dial import Dialer
from waystation.runtime.dial_addresses import Guard, OwnThreads, Resolve
from waystation.runtime.egress_cache import Fetched, Recent
from waystation.runtime.egress_url import check_said, media_type_of, place_of, redirected, refused
from waystation.runtime.http_client import HttpClient
from waystation.runtime.tls import client_context
from waystation.wire.http import ConnectFailed, HttpFault, Response, TimedOut, Timeouts, encode_headers

SIZE_BYTES_MAX = 20 * 1024 * 1024
REDIRECTS_MAX = 3
AT_ONCE_MAX = 8
"""Fetches under way; with their size this bounds the memory."""
WAITING_MAX = 64
RECENT_MAX = 256
RECENT_BYTES_MAX = 64 * 1024 * 1024
RECENT_S = 60.0
TOTAL_S = 20.0
"""For all redirects together, and for waiting for one's turn."""
TIMEOUTS = Timeouts(connect_s=5.0, first_byte_s=10.0, idle_s=5.0, total_s=TOTAL_S)

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_HEADERS = encode_headers([("accept", "image/*, application/pdf"), ("user-agent", "waystation")])
NOT_REACHED = "The server of the image's URL can't be reached from here."
"""One sentence for a name that is unknown, an address that is not allowed and a port that is closed: that one of them
exists in this network is nobody's business."""


class Egress:
    """Belongs to one event loop. `networks` (CIDR) may be reached although their addresses are not public."""

    def __init__(
        self,
        networks: Iterable[str] = (),
        *,
        timeouts: Timeouts = TIMEOUTS,
        tls: ssl.SSLContext | None = None,
        ask: Resolve | None = None,
    ) -> None:
        """Raises ValueError for what is no network."""
        guard = Guard(networks)
        self._names = OwnThreads(AT_ONCE_MAX, "egress-dns")
        self._connect = Dialer(None, guard, ask=ask or self._names)
        self._free = asyncio.Semaphore(AT_ONCE_MAX)
        self._recent = Recent(entries_max=RECENT_MAX, bytes_max=RECENT_BYTES_MAX, keep_s=RECENT_S)
        self._timeouts = timeouts
        self._tls = tls
        self._waiting = 0

    def close(self) -> None:
        """Nothing more is fetched."""
        self._names.close()

    async def fetch(self, url: str) -> Fetched:
        """(media type, bytes) of the image or PDF there.

        Raises InvalidRequest with the code `invalid_image_url`; ServiceUnavailable when too many are fetched already.
        """
        now = asyncio.get_running_loop().time()
        kept = self._recent.get(url, now)
        if kept is not None:
            return kept
        place_of(url)  # what can't be fetched waits for nothing
        if self._waiting >= WAITING_MAX:
            raise ServiceUnavailable("Too many images are being fetched. Try again in a moment.", retry_after_ms=1000)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeouts.total_s), self._free:
                fetched = await self._follow(url)
        except TimeoutError:
            raise refused("The server of the image's URL took too long.") from None
        finally:
            self._waiting -= 1
        self._recent.put(url, fetched, now)
        return fetched

    async def _follow(self, url: str) -> Fetched:
        # A client for each fetch: callers name any number of servers, and a pool for each would stay.
        if self._tls is None:
            self._tls = client_context()
        http = HttpClient(tls=self._tls, connect=self._connect)
        try:
            for _ in range(REDIRECTS_MAX + 1):
                place = place_of(url)
                response = await http.request(place.origin, "GET", place.target, _HEADERS, b"", self._timeouts)
                try:
                    if response.status in _REDIRECTS and b"location" in response.headers:
                        url = redirected(url, response.headers[b"location"])
                        continue
                    return await _read(response)
                finally:
                    response.close()
            raise refused(f"The URL of the image redirects more than {REDIRECTS_MAX} times.")
        except HttpFault as fault:
            raise _refusal(fault) from fault
        finally:
            await http.close()


async def _read(response: Response) -> Fetched:
    if response.status != 200:
        raise refused(f"The server of the image's URL answered with status {response.status}.")
    check_said(response.headers.get(b"content-type", b""))
    too_large = refused(f"The image is larger than {SIZE_BYTES_MAX // 1024 // 1024} MiB.")
    if int(response.headers.get(b"content-length", b"0")) > SIZE_BYTES_MAX:
        raise too_large
    pieces: list[bytes] = []
    size = 0
    while piece := await response.next():
        size += len(piece)
        if size > SIZE_BYTES_MAX:
            raise too_large
        pieces.append(piece)
    data = b"".join(pieces)
    return media_type_of(data), data


def _refusal(fault: HttpFault) -> ApiError:
    detail = f"{type(fault).__name__}: {fault}"
    if isinstance(fault, TimedOut) and fault.stage != "connect":
        return refused("The server of the image's URL took too long.", detail)
    if isinstance(fault, ConnectFailed) and fault.hop == "tls":
        return refused("The server of the image's URL has no certificate that is accepted.", detail)
    if isinstance(fault, (ConnectFailed, TimedOut)):
        return refused(NOT_REACHED, detail)
    return refused("The server of the image's URL broke off or sent what is no answer.", detail)
