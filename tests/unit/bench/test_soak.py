"""The soak sees what is left over: open streams, sockets, slots, calls without their rows."""

import asyncio
from collections import Counter

import pytest

from bench.books import Counts
from bench.machine import unix_listeners
from bench.soak import SLACK, Calls, State, Unexpected, books_wrong, gauge, left_over, read_events

REST = State(open_streams=0, connections=1, fds=40, threads=5, busy_slots=0)


def read(text: str, patience: int | None) -> str:
    async def fed() -> str:
        reader = asyncio.StreamReader()
        reader.feed_data(text.encode())
        reader.feed_eof()
        return await read_events(reader, patience)

    return asyncio.run(fed())


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (State(0, 1, 40, 5, 0), ""),
        (State(0, 0, 30, 4, 0), ""),
        (State(0, 1, 40 + SLACK["fds"], 5, 0), ""),
        (State(1, 1, 40, 5, 0), "open_streams"),
        (State(0, 2, 40, 5, 0), "connections"),
        (State(0, 1, 41 + SLACK["fds"], 5, 0), "fds"),
        (State(0, 1, 40, 6 + SLACK["threads"], 0), "threads"),
        (State(0, 1, 40, 5, 1), "slots"),
    ],
)
def test_what_is_left_over_is_named(after: State, words: str) -> None:
    found = left_over(REST, after)
    assert len(found) == (1 if words else 0)
    assert words in "".join(found)


@pytest.mark.parametrize(
    ("seen", "rows", "words"),
    [
        (Counts(2, 2, 2, 2, 0), {"a": 1, "b": 1}, ""),
        (Counts(3, 3, 3, 3, 0), {"a": 1, "b": 1, "early": 1}, ""),
        (Counts(2, 2, 3, 2, 1), {"a": 1, "b": 1}, ""),
        (Counts(2, 2, 3, 2, 0), {"a": 1, "b": 1}, "holds 3"),
        (Counts(2, 2, 3, 3, 0), {"a": 1, "b": 1}, "settlements 3"),
        (Counts(2, 1, 2, 2, 0), {"a": 1, "b": 1}, "rolled up 1"),
        (Counts(2, 2, 2, 2, 0), {"a": 1, "early": 1}, "without a usage row: 1 of 2"),
        (Counts(3, 3, 3, 3, 0), {"a": 1, "b": 1, "c": 1}, "nobody made: 1"),
        (Counts(3, 3, 3, 3, 0), {"a": 1, "b": 2}, "more than one"),
    ],
)
def test_every_answered_call_has_its_row_and_every_hold_its_end(seen: Counts, rows: dict[str, int], words: str) -> None:
    calls = Calls("", answered={"a", "b"}, left_early={"early"})
    found = books_wrong(seen, calls, Counter(rows))
    assert len(found) == (1 if words else 0)
    assert words in "".join(found)


def test_a_gauge_is_summed_over_its_labels_and_missed_when_it_is_not_there() -> None:
    text = (
        'waystation_connections{worker="0"} 2\nwaystation_connections{worker="1"} 3\nwaystation_connections_total 9\n'
    )
    assert gauge(text, "waystation_connections") == 5
    with pytest.raises(Unexpected, match="waystation_open_streams"):
        gauge(text, "waystation_open_streams")


@pytest.mark.parametrize(
    ("patience", "end"), [(None, "read to the end"), (9, "read to the end"), (2, "left in the middle")]
)
def test_a_client_leaves_when_its_patience_is_over(patience: int | None, end: str) -> None:
    assert read(': comment\n\ndata: {"a":1}\n\ndata: {"a":2}\n\ndata: [DONE]\n\n', patience) == end


@pytest.mark.parametrize("text", ['data: {"a":1}\n\n', 'data: {"error":{"message":"gone"}}\n\n', ""])
def test_a_stream_that_ends_wrongly_is_unexpected(text: str) -> None:
    with pytest.raises(Unexpected):
        read(text, None)


def test_only_listening_sockets_of_the_tree_are_asked() -> None:
    table = "\n".join(
        [
            "Num       RefCount Protocol Flags    Type St Inode Path",
            "ffff0000: 00000002 00000000 00010000 0001 01 100 /data/engine/chat.sock",
            "ffff0000: 00000002 00000000 00010000 0001 01 101 /run/other.sock",
            "ffff0000: 00000003 00000000 00000000 0001 03 102 /data/engine/chat.sock",
            "ffff0000: 00000002 00000000 00010000 0001 01 103 @abstract",
            "ffff0000: 00000003 00000000 00000000 0001 03 104",
        ]
    )
    inodes = {"socket:[100]", "socket:[102]", "socket:[103]", "socket:[104]", "/dev/null"}
    assert unix_listeners(table, inodes) == ["/data/engine/chat.sock"]
