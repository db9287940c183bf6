"""A TCP proxy before PostgreSQL that cuts connections round COMMIT: before it is sent on, or after it was obeyed.

A connection is dirty once it has sent an INSERT or an UPDATE; only the COMMIT of a dirty one is worth cutting. Counters
prove that the fault fired.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class CommitCutter:
    """Cuts a share of the commits.

    Args:
        port: of the server on this host.
        before: share of commits that never reach the server, in [0, 1], on average.
        after: share of commits whose answer never reaches the client, in [0, 1], on average.
        seed: of the draws.
        limit: cuts in all, after which everything passes.
    """

    port: int
    before: float = 0.0
    after: float = 0.0
    seed: int = 0
    limit: int = 1_000_000
    num_before: int = 0
    num_after: int = 0
    listening_port: int = 0
    _rng: random.Random = field(init=False)
    _num_until_cut: int = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._num_until_cut = self._gap()

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """Accepts connections until it is told to stop."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.listening_port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            _reset(writer)
            return
        dropping = asyncio.Event()
        answers = asyncio.create_task(self._answers(server_reader, writer, dropping))
        try:
            await self._questions(reader, writer, server_writer, dropping)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            server_writer.close()
            if not dropping.is_set():
                writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await answers

    def _gap(self) -> int:
        """Draws how many commits there are up to the next cut, that one included: at most twice the average."""
        return self._rng.randint(1, round(2 / (self.before + self.after)) - 1)

    async def _questions(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
        dropping: asyncio.Event,
    ) -> None:
        is_dirty = False
        while data := await reader.read(65536):
            is_dirty = is_dirty or b"INSERT" in data or b"UPDATE" in data
            if is_dirty and b"COMMIT" in data and self.num_before + self.num_after < self.limit:
                self._num_until_cut -= 1
                is_dirty = False
                if self._num_until_cut == 0:
                    self._num_until_cut = self._gap()
                    dropping.set()
                    if self._rng.random() * (self.before + self.after) < self.before:
                        self.num_before += 1
                        _reset(writer)
                        return
                    self.num_after += 1  # the server's answer is awaited, and not passed on
            server.write(data)
            await server.drain()

    async def _answers(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dropping: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            if dropping.is_set():
                _reset(writer)
                return
            writer.write(data)
            await writer.drain()


@contextlib.contextmanager
def cutting(cutter: CommitCutter) -> Iterator[CommitCutter]:
    """Runs the proxy in a thread of its own."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        loop.run_until_complete(cutter.serve(ready, stop))
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield cutter
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes with a reset, as a firewall or a dying host does."""
    peer = writer.get_extra_info("socket")
    if peer is not None:
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
