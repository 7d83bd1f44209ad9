"""The worker's HTTP server: `/rank` and `/partitions`, `/health` and `/ready`, `/metrics`."""

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_address
from typing import NamedTuple

import msgspec
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from stream.errors import StreamError, WrongUse
from stream.messages import Ranking, RankQuestion
from stream.settings import Settings
from stream.topology.metrics import Metrics
from stream.topology.questions import Elsewhere, Questions
from stream.topology.web_requests import Refused, as_json, number, parameters, user_id, words

log = logging.getLogger(__name__)

MOST_BYTES = 64 << 10
"""Of a request's body."""
MOST_ASKED = 32
"""Rankings under way at a time; each takes some 0.3 ms, so more would only wait."""
MOST_CONNECTIONS = 256
ANSWER_SECONDS = 5.0
"""What a request may take, its body included."""
LINGER_SECONDS = 0.5
"""What is waited for the rest of a request that was answered already, and at the end."""
IDLE_SECONDS = 60.0
"""A connection that asks nothing for so long is closed."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_question = msgspec.json.Decoder(RankQuestion).decode


class Address(NamedTuple):
    """Where the server listens, and what a request must bring; "" for nothing."""

    host: str
    port: int
    token: str = ""

    def __repr__(self) -> str:
        """Without the token: it is no matter for logs."""
        return f"Address({self.host}:{self.port})"

    def is_local(self) -> bool:
        """Whether only this machine reaches it.

        >>> Address("127.0.0.1", 9464).is_local(), Address("0.0.0.0", 9464).is_local()
        (True, False)
        """
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


class Closed(asyncio.Protocol):
    """What a connection too many gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class Web:
    """Answers from `start` to `stop`; rankings once there are `questions` to ask."""

    def __init__(self, address: Address, metrics: Metrics, settings: Settings) -> None:
        self.questions: Questions | None = None
        self.address = address
        self._metrics = metrics
        self._unhealthy_after = settings.unhealthy_after
        self._asked = 0
        self._busy: set[RequestHandler] = set()
        self._seen: dict[RequestHandler, float] = {}
        application = web.Application(middlewares=[self._guard], client_max_size=MOST_BYTES)
        routes = {
            "/metrics": self._tell_metrics,
            "/health": self._tell_health,
            "/ready": self._tell_ready,
            "/partitions": self._tell_partitions,
            "/rank": self._rank,
        }
        for path, handler in routes.items():
            application.router.add_get(path, handler)
        application.router.add_post("/rank", self._rank_stranger)
        self._paths = frozenset(routes)
        self._runner = web.AppRunner(
            application, access_log=None, keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS, shutdown_timeout=LINGER_SECONDS,
        )  # fmt: skip
        self._listening: asyncio.Server | None = None

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answer meanwhile; what can't be told yet is said to be so."""
        await self.start()
        watching = asyncio.ensure_future(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await self.stop()

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        WrongUse
            If the address can't be had.
        """
        await self._runner.setup()
        host, port, token = self.address
        try:
            loop = asyncio.get_running_loop()
            self._listening = await loop.create_server(self._accept, host, port)
        except OSError as error:
            await self._runner.cleanup()
            raise WrongUse(
                f"--http: can't listen at {host}:{port} ({error.strerror}): "
                "take another port, or an address of this machine"
            ) from None
        if not token and not self.address.is_local():
            log.warning(
                "http: whoever reaches %s:%d may ask for anything: give --http-token-file",
                host,
                port,
            )

    async def stop(self) -> None:
        """Close all connections."""
        if self._listening is not None:
            self._listening.close()
        await self._runner.cleanup()

    async def _watch(self) -> None:
        """Once a second notice how the worker is, and close idle connections; until cancelled."""
        while True:
            self._metrics.vitals.look()
            self._close_idle(time.monotonic())
            await asyncio.sleep(1.0)

    def _accept(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None
        if len(server.connections) >= MOST_CONNECTIONS:
            return Closed()
        return server()

    def _close_idle(self, now: float) -> None:
        """One that never asked is closed too: the server itself would wait for ever."""
        server = self._runner.server
        connections = list(server.connections) if server is not None else []
        self._seen = {
            one: now if one in self._busy else self._seen.get(one, now) for one in connections
        }
        for connection, seen in self._seen.items():
            if now - seen > IDLE_SECONDS:
                connection.force_close()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who may ask; every error is JSON with one line."""
        began, connection = time.perf_counter(), request.protocol
        self._busy.add(connection)
        try:
            answer = await self._answer(request, handler)
        finally:
            self._busy.discard(connection)
            self._seen[connection] = time.monotonic()
        path = request.path if request.path in self._paths else "other"
        self._metrics.answered(path, answer.status, time.perf_counter() - began)
        return answer

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._check_token(request)
            async with asyncio.timeout(ANSWER_SECONDS):
                return await handler(request)
        except Refused as refused:
            return as_json(refused.body, refused.status, refused.headers)
        except WrongUse as error:
            return as_json({"error": str(error)}, 400)
        except StreamError as error:
            log.error("http: %s", error)
            told = "this worker can't read its state, its log says why: ask again later"
            return as_json({"error": told}, 503, {"Retry-After": "5"})
        except TimeoutError:
            late = f"no answer within {ANSWER_SECONDS:.0f} s: ask again"
            return as_json({"error": late}, 503, {"Retry-After": "1"})
        except web.HTTPRequestEntityTooLarge:
            return as_json({"error": f"the body has more than {MOST_BYTES} bytes: send less"}, 413)
        except web.HTTPMethodNotAllowed as error:
            known = ", ".join(sorted(error.allowed_methods - {"HEAD"}))
            return as_json({"error": f"{error.method} {request.path}: ask with {known}"}, 405)
        except web.HTTPNotFound:
            known = ", ".join(sorted(self._paths))
            return as_json({"error": f"no {request.path[:100]} here: there are {known}"}, 404)

    def _check_token(self, request: web.Request) -> None:
        wanted = self.address.token
        given = request.headers.get("Authorization", "")
        right = f"Bearer {wanted}".encode()
        if wanted and not hmac.compare_digest(given.encode("utf-8", "replace"), right):
            raise Refused(
                401,
                "send the header Authorization: Bearer TOKEN with this worker's token",
                {"WWW-Authenticate": "Bearer"},
            )

    async def _tell_metrics(self, request: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        return web.Response(body=self._metrics.exposition(self._unhealthy_after), headers=headers)

    async def _tell_health(self, request: web.Request) -> web.Response:
        health = self._metrics.vitals.health(self._unhealthy_after)
        return as_json(health, 200 if health.healthy else 503)

    async def _tell_ready(self, request: web.Request) -> web.Response:
        health = self._metrics.vitals.health(self._unhealthy_after)
        return as_json(health, 200 if health.ready else 503)

    async def _tell_partitions(self, request: web.Request) -> web.Response:
        given = parameters(request, "user_id")
        user = user_id(given["user_id"]) if "user_id" in given else None
        return as_json(self._open_questions().partitions(user))

    async def _rank(self, request: web.Request) -> web.Response:
        given = parameters(request, "user_id", "k", "query")
        if "user_id" not in given:
            raise Refused(
                400, "user_id is missing: ask /rank?user_id=U, or POST what is known of a stranger"
            )
        user, k = user_id(given["user_id"]), number("k", given["k"]) if "k" in given else None
        query = words(given["query"]) if "query" in given else None
        questions = self._open_questions()
        try:
            return await self._ranking(partial(questions.of_shopper, user, k, query))
        except Elsewhere as elsewhere:
            told = msgspec.to_builtins(questions.partitions(user))
            raise Refused(
                421,
                f"partition {elsewhere.partition} of this user_id is not served here: "
                "ask the worker whose /partitions has it",
                None,
                **told,
            ) from None

    async def _rank_stranger(self, request: web.Request) -> web.Response:
        parameters(request)
        try:
            question = _question(await request.read())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refused(
                400, f'{error}: send JSON like {{"recent_items": ["i1"], "k": 10}}'
            ) from None
        return await self._ranking(partial(self._open_questions().of_stranger, question))

    def _open_questions(self) -> Questions:
        if self.questions is None:
            raise Refused(
                503, "this worker is catching up with shop-updates: ask again", {"Retry-After": "5"}
            )
        return self.questions

    async def _ranking(self, ask: Callable[[], Awaitable[Ranking]]) -> web.Response:
        if self._asked >= MOST_ASKED:
            busy = f"{MOST_ASKED} rankings are under way: ask again"
            raise Refused(503, busy, {"Retry-After": "1"})
        self._asked += 1
        try:
            return as_json(await ask())
        finally:
            self._asked -= 1
