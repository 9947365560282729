"""The address and the data folder: one server each."""

import contextlib
import json
import selectors
import socket
import stat
from pathlib import Path

import pytest

from waystation.runtime.supervisor_place import DataFolder, Taken, listen


def test_port_0_takes_a_free_one() -> None:
    with listen("127.0.0.1", 0)[0] as listening:
        port = listening.getsockname()[1]
        assert port > 0
        with socket.create_connection(("127.0.0.1", port), 5):
            pass


def test_a_port_in_use_is_a_clear_error_even_to_ourselves() -> None:
    with listen("127.0.0.1", 0)[0] as listening, pytest.raises(Taken, match=r"is in use\. Choose another with --port"):
        listen("127.0.0.1", listening.getsockname()[1])


def test_connections_are_shared_out_between_the_sockets_of_one_port() -> None:
    with contextlib.ExitStack() as open_until_the_end:
        sockets = [open_until_the_end.enter_context(each) for each in listen("127.0.0.1", 0, 3)]
        (address,) = {each.getsockname() for each in sockets}
        for _ in range(100):
            open_until_the_end.enter_context(socket.create_connection(address, 5))
        waiting = selectors.DefaultSelector()
        for each in sockets:
            waiting.register(each, selectors.EVENT_READ)
        assert len(waiting.select(5)) == len(sockets)
        waiting.close()


def test_no_socket_is_left_when_one_of_several_can_not_be_had() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        with pytest.raises(Taken):
            listen("127.0.0.1", port, 3)
    for each in listen("127.0.0.1", port, 3):
        each.close()


def test_an_unknown_host_is_a_clear_error() -> None:
    with pytest.raises(Taken, match="is unknown"):
        listen("no-such-host.invalid", 0)


def test_two_servers_do_not_share_a_data_folder(tmp_path: Path) -> None:
    first = DataFolder.take(tmp_path)
    with pytest.raises(Taken, match=r"Another server \(process \d+\) uses the data folder"):
        DataFolder.take(tmp_path)
    first.give_back()
    DataFolder.take(tmp_path).give_back()


def test_what_the_server_says_of_itself_is_there_while_it_runs(tmp_path: Path) -> None:
    folder = DataFolder.take(tmp_path)
    folder.announce({"url": "http://127.0.0.1:1", "pid": 1})
    file = tmp_path / "server.json"
    assert json.loads(file.read_text()) == {"url": "http://127.0.0.1:1", "pid": 1}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    folder.give_back()
    assert not file.exists()
