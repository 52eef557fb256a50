"""A backup of the whole database, as ``etcdctl snapshot save`` makes it: ``etcdctl snapshot restore`` takes it."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from aetcd import rpc
from grpc.aio import EOF, AioRpcError

from bwvisu.adapters.etcd.connection import Connection
from bwvisu.adapters.etcd.errors import EtcdUnavailable
from bwvisu.adapters.etcd.verdict import judge

SILENCE = 30.0
"""Seconds that etcd may take for the next piece."""
_PAGE = 512
_SUM = hashlib.sha256().digest_size


async def pieces(connection: Connection) -> AsyncGenerator[bytes, None]:
    """The database of the member in use as it is now; its last bytes are the SHA-256 of all before.

    Raises EtcdUnavailable, and EtcdRefused where the user may not (with authentication on: not etcd's ``root``).
    """
    await connection.read(lambda member: member.maintenance.Status, rpc.StatusRequest())  # finds a living member
    metadata = await connection.metadata(connection.clock() + connection.timeout)
    call = connection.member.maintenance.Snapshot(rpc.SnapshotRequest(), metadata=metadata)
    try:
        while (response := await _next(call)) is not None:
            yield response.blob
    finally:
        call.cancel()


async def _next(call: Any) -> Any:
    try:
        async with asyncio.timeout(SILENCE):
            response = await call.read()
    except TimeoutError as error:
        raise EtcdUnavailable(f"etcd's snapshot stood still for {SILENCE:g} s") from error
    except AioRpcError as error:
        raise judge(error.code(), error.details() or "").error from error
    return None if response is EOF else response


async def save(connection: Connection, path: Path) -> int:
    """Write a backup to ``path``, readable by its owner alone, as a whole or not at all; returns its size in bytes.

    Raises FileExistsError rather than replace a file, OSError, and as `pieces` does; EtcdUnavailable, too, where what
    came is not what etcd sent.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        size = await _written(connection, partial)
        os.link(partial, path)  # fails where there is one
    finally:
        partial.unlink(missing_ok=True)
    return size


async def _written(connection: Connection, path: Path) -> int:
    """Write, flush to the disk, and compare the sum; a sum is itself no part of what it is of."""
    whole, held, size = hashlib.sha256(), b"", 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        async with aclosing(pieces(connection)) as arriving:
            async for piece in arriving:
                file.write(piece)
                held, size = held + piece, size + len(piece)
                whole.update(held[:-_SUM])
                held = held[-_SUM:]
        file.flush()
        os.fsync(file.fileno())
    if size % _PAGE != _SUM or whole.digest() != held:
        raise EtcdUnavailable("etcd's snapshot arrived damaged; nothing was kept")
    return size
