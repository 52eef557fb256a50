"""The web server as roles run it: TLS, heads that are too long or never end, addresses that a proxy tells."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from bwvisu.roles.web import LONGEST_HEAD, ImpatientProtocol
from tests.contract.api.process import Process, process
from tests.contract.api.test_bad_input import problem
from tests.support.etcd import EtcdCluster, make_certificates
from tests.support.waiting import eventually


async def converse(port: int, said: bytes) -> bytes:
    """What the server answers until it closes the connection, or resets it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    try:
        writer.write(said)
        async with asyncio.timeout(20):
            while piece := await reader.read(65_536):
                heard += piece
    except ConnectionError:
        pass
    finally:
        writer.close()
    return heard


class TestTls:
    @pytest.fixture
    async def https(self, etcd: EtcdCluster, bundles: Path, tmp_path: Path) -> AsyncIterator[Process]:
        authority = make_certificates(tmp_path).ca_file
        trust = ssl.create_default_context(cafile=authority)
        files = {"cert_file": str(tmp_path / "server.pem"), "key_file": str(tmp_path / "server.key")}
        async with process(etcd.endpoints, bundles, trust=trust, tls=files) as running:
            yield running

    async def test_its_own_certificate_and_nothing_older_than_tls_1_2(self, https: Process, tmp_path: Path) -> None:
        async with https.client() as client:
            assert (await client.get("/api/v1/jobs")).json()["items"] == []
        plain = await converse(https.port, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" not in plain
        old = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            old.minimum_version = ssl.TLSVersion.TLSv1
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await asyncio.open_connection("127.0.0.1", https.port, ssl=old)
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", https.port, ssl=ssl.create_default_context())
        async with https.client() as client:
            assert (await client.get("/livez")).status_code == 200, "it lives on"
        assert "Traceback" not in https.log()


class TestHeads:
    @pytest.fixture
    async def plain(self, etcd: EtcdCluster, bundles: Path) -> AsyncIterator[Process]:
        async with process(etcd.endpoints, bundles) as running:
            yield running

    async def test_what_is_too_long_gets_a_clean_refusal(self, plain: Process) -> None:
        async with plain.client() as client:
            for path, headers, status, slug in (
                ("/api/v1/jobs?user=" + "x" * 9_000, {}, 414, "address-too-long"),
                ("/api/v1/jobs/" + "x" * 9_000, {}, 414, "address-too-long"),
                ("/api/v1/jobs", {"X-Long": "x" * 17_000}, 431, "headers-too-large"),
                ("/api/v1/jobs", {f"X-{number}": "x" for number in range(4_000)}, 431, "headers-too-large"),
            ):
                answer = await client.get(path, headers=headers)
                assert (answer.status_code, problem(answer)["type"]) == (status, f"/problems/{slug}")
        for start, end in (
            (b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 100_000, b"\r\n\r\n"),
            (b"GET /api/v1/jobs?user=" + b"x" * 70_000, b" HTTP/1.1\r\nHost: x\r\n\r\n"),
            (b"GET /" + b"x" * (LONGEST_HEAD + 1), b""),
        ):
            heard = await converse(plain.port, start + end)
            assert heard[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 414", b"HTTP/1.1 431", b""}, "or a reset while it sends"
        async with plain.client() as client:
            assert (await client.get("/livez")).status_code == 200, "it lives on"
        assert "Traceback" not in plain.log()

    async def test_nobodys_word_is_taken_for_an_address(self, plain: Process) -> None:
        async with plain.client(None) as client:
            await client.post("/api/v1/jobs", json={}, headers={"X-Forwarded-For": "192.0.2.1"})
        await eventually(lambda: '"createJob"' in plain.log())
        assert "192.0.2.1" not in plain.log()

    async def test_but_a_trusted_proxys(self, etcd: EtcdCluster, bundles: Path) -> None:
        async with process(etcd.endpoints, bundles, trusted_proxies=["127.0.0.0/8"]) as running:
            async with running.client(None) as client:
                await client.post("/api/v1/jobs", json={}, headers={"X-Forwarded-For": "10.1.1.1, 192.0.2.1"})
            await eventually(lambda: '"createJob"' in running.log())
            assert '"192.0.2.1"' in running.log()
            assert "10.1.1.1" not in running.log()


class TestPatience:
    class Hasty(ImpatientProtocol):
        patience = 1.0

    @pytest.fixture
    async def port(self) -> AsyncIterator[int]:
        """A server that answers ``ok`` to whoever gets a head through."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            while (await receive()).get("more_body"):
                pass
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

        with socket.create_server(("127.0.0.1", 0)) as bound:
            config = uvicorn.Config(app, http=self.Hasty, log_config=None, lifespan="off", timeout_keep_alive=60)
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[bound]))
            await eventually(lambda: server.started)
            yield bound.getsockname()[1]
            server.should_exit = True
            await serving

    @pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "], ids=["nothing", "half a head"])
    async def test_who_does_not_finish_a_head_is_cut_off(self, port: int, said: bytes) -> None:
        assert await converse(port, said) == b""

    async def test_nor_may_a_later_head_be_left_unfinished(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(20):
            await reader.readuntil(b"ok")
            writer.write(b"GET / HTTP/1.1\r\n")
            assert await reader.read() == b""
        writer.close()

    async def test_drop_by_drop_is_no_way_around(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n")
        cut_off = asyncio.create_task(reader.read())
        async with asyncio.timeout(20):
            while not cut_off.done():
                writer.write(b"X: y\r\n")
                await asyncio.wait([cut_off], timeout=0.05)
        writer.close()
        assert cut_off.exception() or cut_off.result() == b""

    async def test_a_slow_body_is_not_its_business(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n")
        answer = asyncio.create_task(reader.readexactly(12))
        for _ in range(20):  # twice as long as it would wait for a head
            await asyncio.wait([answer], timeout=0.1)
            writer.write(b"x")
        assert await answer == b"HTTP/1.1 200"
        writer.close()


class TestReaders:
    class Hasty(ImpatientProtocol):
        unread = 1

    async def test_who_does_not_take_what_is_sent_is_cut_off(self) -> None:
        cut = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            gone = asyncio.ensure_future(receive())
            while not gone.done():
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
            assert gone.result()["type"] == "http.disconnect"
            cut.set()

        with socket.create_server(("127.0.0.1", 0)) as bound, socket.socket() as lazy:
            server = uvicorn.Server(uvicorn.Config(app, http=self.Hasty, log_config=None, lifespan="off"))
            serving = asyncio.create_task(server.serve(sockets=[bound]))
            await eventually(lambda: server.started)
            lazy.connect(bound.getsockname())
            lazy.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            async with asyncio.timeout(20):
                await cut.wait()
            server.should_exit = True
            await serving
