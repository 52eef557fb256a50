"""One watch on one gRPC stream.

aetcd puts all watches on one stream and binds answers to requests by their order: after a creation that
timed out, every later watch delivers another one's events.  It also takes a refused watch for a good one.
Here each watch has its stream, reads every field of the answers, and ends with its stream.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from grpc.aio import EOF, AioRpcError

from bwvisu.adapters.etcd import wire
from bwvisu.adapters.etcd.connection import Connection, Member, Metadata
from bwvisu.adapters.etcd.errors import EtcdError, EtcdRefused, EtcdUnavailable
from bwvisu.adapters.etcd.model import Batch, Keyspace
from bwvisu.adapters.etcd.verdict import Fate, judge, judge_cancelled_watch


async def watch(connection: Connection, keys: Keyspace, start_revision: int) -> AsyncGenerator[Batch, None]:
    """See `Store.watch`."""
    request = wire.watch_request(keys, start_revision)
    member = connection.member
    try:
        async with _created(connection, member, request) as call:
            while True:
                if batch := wire.batch(await _read(call)):
                    yield batch
    except EtcdUnavailable:
        connection.leave(member)
        raise


@asynccontextmanager
async def _created(connection: Connection, member: Member, request: Any) -> AsyncIterator[Any]:
    """A stream with its only watch, closed at the end.

    It is created a second time, with a fresh token, if refused: etcd 3.4 says "permission denied" to an
    expired token too.
    """
    deadline = connection.clock() + connection.timeout
    metadata = await connection.metadata(deadline)
    try:
        call = await _create(connection, member, metadata, request)
    except EtcdRefused:
        if not connection.forget_token(metadata):
            raise
        call = await _create(connection, member, await connection.metadata(deadline), request)
    try:
        yield call
    finally:
        call.cancel()


async def _create(connection: Connection, member: Member, metadata: Metadata, request: Any) -> Any:
    """Open a stream and its watch; the caller must cancel what is returned."""
    call = member.watch.Watch(metadata=metadata)
    try:
        async with asyncio.timeout(connection.timeout):
            await _write(call, request)
            await _read(call)
    except BaseException as error:
        call.cancel()
        if isinstance(error, TimeoutError):
            raise EtcdUnavailable(f"no watch within {connection.timeout} s") from error
        raise
    return call


async def _write(call: Any, request: Any) -> None:
    try:
        await call.write(request)
    except (asyncio.InvalidStateError, AioRpcError):
        return  # the call has failed already; reading from it says why


async def _read(call: Any) -> Any:
    try:
        response = await call.read()
    except AioRpcError as error:
        raise _explain(error) from error
    if response is EOF:
        raise EtcdUnavailable("etcd ended the watch")
    if end := judge_cancelled_watch(response):
        raise end
    return response


def _explain(error: AioRpcError) -> EtcdError:
    verdict = judge(error.code(), error.details() or "")
    return EtcdRefused(str(verdict.error)) if verdict.fate is Fate.TOKEN else verdict.error
