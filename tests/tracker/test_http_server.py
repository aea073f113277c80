"""Where the service listens."""

from __future__ import annotations

import contextlib

from tracker.http_server import address_of, open_socket


def test_a_port_that_the_kernel_chose_is_told() -> None:
    with contextlib.closing(open_socket("127.0.0.1:0")) as bound:
        host, _, port = address_of(bound).rpartition(":")

    assert host == "127.0.0.1"
    assert int(port) > 0
