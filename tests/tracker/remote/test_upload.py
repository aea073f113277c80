"""Folders on their way to a service: what arrives, and what is said where the service hangs up."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.errors import WrongUse
from tracker.remote.address import WebAddress
from tracker.remote.client import AskedWrongly, Client, Refused, Unreachable
from tracker.remote.upload import Progress, progress_line, send_folder

MIB = 1024 * 1024


class Listener:
    """Reads one request as bytes and answers once; or hangs up after so many bytes."""

    def __init__(self, *, stops_after: int | None = None, answer: bytes | None = None) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.stops_after = stops_after
        self.answer = answer
        self.body = b""

    @property
    def client(self) -> Client:
        return Client(WebAddress("127.0.0.1", self.listening.getsockname()[1], tls=False))

    def serve(self) -> None:
        connection, _ = self.listening.accept()
        with connection, connection.makefile("rb") as lines:
            while lines.readline() != b"\r\n":
                pass
            while size := int(lines.readline() or b"0", 16):  # the sender may be gone
                self.body += lines.read(size)
                lines.readline()
                if self.stops_after is not None and len(self.body) >= self.stops_after:
                    break
            if self.answer is not None or self.stops_after is None:
                with contextlib.suppress(OSError):
                    connection.sendall(self.answer or self._created())

    def _created(self) -> bytes:
        sha256 = hashlib.sha256(self.body).hexdigest()
        text = json.dumps({"context": "upload:x", "bytes": len(self.body), "sha256": sha256}).encode()
        return b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)


@contextlib.contextmanager
def serving(listener: Listener) -> Iterator[Client]:
    thread = threading.Thread(target=listener.serve)
    thread.start()
    try:
        yield listener.client
    finally:
        thread.join()
        listener.listening.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "context"
    made.mkdir()
    (made / "Dockerfile").write_text("FROM scratch\n")
    (made / "noise").write_bytes(hashlib.shake_256(b"seed").digest(3 * MIB))
    return made


def send(client: Client, folder: Path, *, bytes_most: int = 100 * MIB) -> object:
    return send_folder(client, folder, folder / "Dockerfile", lambda done, total: None, bytes_most=bytes_most)


def test_what_arrives_is_the_folder(folder: Path) -> None:
    listener = Listener()
    with serving(listener) as client:
        send(client, folder)

    with tarfile.open(fileobj=io.BytesIO(listener.body)) as tar:
        names = tar.getnames()
    assert names[:2] == ["Dockerfile", "noise"]
    assert names[2].endswith("_Dockerfile")


def test_a_service_that_hangs_up_is_no_fault_of_a_file(folder: Path) -> None:
    with serving(Listener(stops_after=1)) as client, pytest.raises(Unreachable) as told:
        send(client, folder)

    assert "noise" not in told.value.message


def test_other_bytes_than_were_sent_are_noticed(folder: Path) -> None:
    text = b'{"context": "upload:x", "bytes": 1, "sha256": "00"}'
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)
    with serving(Listener(answer=answer)) as client, pytest.raises(Unreachable, match="other bytes"):
        send(client, folder)


def test_a_refusal_at_the_end_is_told(folder: Path) -> None:
    text = b'{"error": "full", "hint": "later"}'
    answer = b"HTTP/1.1 507 No Room\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)
    with serving(Listener(answer=answer)) as client, pytest.raises(Refused, match="full") as told:
        send(client, folder)

    assert not isinstance(told.value, AskedWrongly)


def test_more_than_the_service_takes_is_not_sent(folder: Path) -> None:
    listener = Listener()
    with serving(listener) as client, pytest.raises(WrongUse, match="more than 1 MiB"):
        send(client, folder, bytes_most=MIB)

    assert len(listener.body) <= MIB


def test_progress_is_drawn_now_and_then() -> None:
    lines, ticks = list[str](), iter([0.0, 0.05, 1.0, 1.01, 4.0])
    progress = Progress(lines.append, clock=lambda: next(ticks))
    for done in (0, 10, 11, 100):
        progress(done * MIB, 100 * MIB)

    assert lines == [
        "Sending 10.0 of 100.0 MiB, 10%, 10.0 MiB/s",
        "Sending 100.0 of 100.0 MiB, 100%, 25.0 MiB/s",
    ]


def test_an_empty_folder_is_sent_whole() -> None:
    assert progress_line(0, 0, 0.0) == "Sending 0.0 of 0.0 MiB, 100%, 0.0 MiB/s"
