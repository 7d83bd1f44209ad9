"""What a worker answers over HTTP: rankings, whose shopper is where, and how it is."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from aiohttp import ClientSession

from stream.core.shop import ShopModel
from stream.errors import WrongUse
from stream.messages import Ranking, RankQuestion
from stream.on_demand import Strangers
from stream.shard import Shard
from stream.storage.partitioning import partition_of
from stream.topology import web
from stream.topology.broker import free_port
from stream.topology.compute import Compute
from stream.topology.metrics import Metrics
from stream.topology.questions import Questions
from stream.topology.web import Address, Web
from tests.toy_shop import SMALL, taught, touch

PARTITIONS = 4
HERE = "ann"
ELSEWHERE = next(u for u in ("bob", "cem", "dag") if partition_of(u.encode(), PARTITIONS) != (
    partition_of(HERE.encode(), PARTITIONS)))  # fmt: skip
LONG = 2 * SMALL.unhealthy_after


class Answer(NamedTuple):
    status: int
    body: Any
    headers: dict[str, str]


class Client:
    """Asks one server."""

    def __init__(self, session: ClientSession, port: int) -> None:
        self._session = session
        self.port = port

    async def __call__(self, path: str, data: bytes | None = None, **headers: str) -> Answer:
        method = "GET" if data is None else "POST"
        where = f"http://127.0.0.1:{self.port}{path}"
        async with self._session.request(method, where, data=data, headers=headers) as answer:
            text = await answer.text()
            body = json.loads(text) if answer.content_type == "application/json" else text
            return Answer(answer.status, body, dict(answer.headers))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> ShopModel:
    views = [
        touch(3 * n + m, f"u{n}", 100.0 * n + m, item.split("-")[0], item_id=item)
        for n in range(6)
        for m, item in enumerate(("tents-1", "tents-2", "lamps-1"))
    ]
    model = taught(SMALL, views, tmp_path_factory.mktemp("shop"))
    # Compiles what an answer would wait for; a worker does so at its start.
    Strangers(SMALL).ranking(RankQuestion(recent_items=["tents-1"]), model)
    return model


@pytest.fixture
def questions(tmp_path: Path, shop: ShopModel) -> Iterator[Questions]:
    """Of a worker that owns the partition of `HERE`, where that shopper saw a tent."""
    compute, partition = Compute(), partition_of(HERE.encode(), PARTITIONS)
    shard = Shard(tmp_path, partition, PARTITIONS, SMALL)
    shard.apply([touch(4, HERE, 700.0, "tents", item_id="tents-1")], shop)
    asked = Questions(SMALL, shop, PARTITIONS, compute)
    asked.open(shard)
    yield asked
    compute.close()
    shard.close()


@asynccontextmanager
async def serving(
    questions: Questions | None, token: str = "", metrics: Metrics | None = None
) -> AsyncIterator[Client]:
    server = Web(Address("127.0.0.1", free_port(), token), metrics or Metrics(), SMALL)
    server.questions = questions
    async with server.answering(), ClientSession() as session:
        yield Client(session, server.address.port)


def test_a_shopper_of_this_worker_gets_a_list(questions: Questions) -> None:
    async def asked() -> None:
        async with serving(questions) as ask:
            status, body, _ = await ask(f"/rank?user_id={HERE}&k=2")
            ranking = msgspec.convert(body, Ranking)
            assert (status, ranking.user_id, ranking.row) == (200, HERE, "memory")
            assert ranking.items[0].item_id in ("tents-2", "lamps-1")
            assert ranking.items[0].reason.item_id == "tents-1"
            assert 0 < len(ranking.items) <= 2
            assert [one.category for one in ranking.interests] == ["tents"]
            assert ranking.source_offset == 4

    asyncio.run(asked())


def test_a_row_that_can_not_be_read_is_a_503_and_its_file_is_named_in_the_log_alone(
    tmp_path: Path, shop: ShopModel, caplog: pytest.LogCaptureFixture
) -> None:
    compute, partition = Compute(), partition_of(HERE.encode(), PARTITIONS)
    shard = Shard(tmp_path, partition, PARTITIONS, SMALL)
    users = [HERE, *(f"u{n}" for n in range(2 * SMALL.hot_users))]
    shard.apply([touch(n, user, 700.0, "tents") for n, user in enumerate(users)], shop)
    shard.checkpoint()
    shard.close()
    # Opened again it has moved its rows from the log of writes to a file.
    shard = Shard(tmp_path, partition, PARTITIONS, SMALL)
    (rows,) = tmp_path.glob("*.sst")
    rows.write_bytes(bytes(rows.stat().st_size))

    async def asked() -> None:
        questions = Questions(SMALL, shop, PARTITIONS, compute)
        questions.open(shard)
        async with serving(questions) as ask:
            status, body, headers = await ask(f"/rank?user_id={HERE}")
            assert (status, headers["Retry-After"]) == (503, "5")
            assert body == {
                "error": "this worker can't read its state, its log says why: ask again later"
            }
            assert (await ask("/rank", b'{"recent_items": ["tents-1"]}')).status == 200

    asyncio.run(asked())
    assert str(tmp_path) in caplog.text
    compute.close()
    shard.close()


def test_a_stranger_gets_a_list_by_what_the_question_says(questions: Questions) -> None:
    async def asked() -> None:
        async with serving(questions) as ask:
            known = await ask("/rank", b'{"recent_items": ["tents-2", "kayak"], "k": 1}')
            assert known.status == 200
            assert [item["item_id"] for item in known.body["items"]] == ["lamps-1"]
            assert known.body["unknown"] == ["kayak"]
            assert "user_id" not in known.body
            nothing = await ask("/rank", b"{}")
            assert nothing.body["items"]

    asyncio.run(asked())


def test_the_shopper_of_another_worker_is_said_to_be_elsewhere(questions: Questions) -> None:
    async def asked() -> None:
        mine, its = (partition_of(u.encode(), PARTITIONS) for u in (HERE, ELSEWHERE))
        async with serving(questions) as ask:
            status, body, _ = await ask(f"/rank?user_id={ELSEWHERE}")
            assert (status, body["partition"], body["here"]) == (421, its, [mine])
            assert body["error"].startswith(f"partition {its} of this user_id is not served here")
            told = await ask(f"/partitions?user_id={HERE}")
            assert told.body == {
                "topic": "behavior-events",
                "partitions": PARTITIONS,
                "here": [mine],
                "partition": mine,
            }
            questions.close(mine)
            assert (await ask(f"/rank?user_id={HERE}")).status == 421

    asyncio.run(asked())


@pytest.mark.parametrize(
    ("path", "data", "status", "error"),
    [
        ("/rank", None, 400, "user_id is missing: ask /rank?user_id=U, or POST what"),
        ("/rank?user_id=", None, 400, "user_id has 0 characters: give 1 to 512 of them"),
        (f"/rank?user_id={'x' * 513}", None, 400, "user_id has 513 characters"),
        ("/rank?user_id=ann&user_id=bob", None, 400, "a parameter is given twice"),
        ("/rank?user_id=ann&k=ten", None, 400, "k is 'ten': give a whole number"),
        ("/rank?user_id=ann&k=4", None, 400, "k is 4: ask for 1 to 3 entries (list_size is 3)"),
        ("/rank?user_id=ann&n=4", None, 400, "'n' is no parameter here: known are user_id, k"),
        ("/rank", b"[]", 400, "Expected `object`, got `array`: send JSON like"),
        ("/rank", b'{"items": []}', 400, "Object contains unknown field `items`: send JSON"),
        ("/rank", b'{"k": 0}', 400, "Expected `int` >= 1 - at `$.k`: send JSON like"),
        ("/rank", b'{"k": 9}', 400, "k is 9: ask for 1 to 3 entries"),
        ("/rank", b" " * (web.MOST_BYTES + 1), 413, "the body has more than 65536 bytes"),
        ("/health", b"{}", 405, "POST /health: ask with GET"),
        ("/nothing", None, 404, "no /nothing here: there are /health, /metrics"),
    ],
)
def test_a_wrong_question_is_answered_by_one_line(
    questions: Questions, path: str, data: bytes | None, status: int, error: str
) -> None:
    async def asked() -> None:
        async with serving(questions) as ask:
            answer = await ask(path, data)
            assert answer.status == status
            assert answer.body["error"].startswith(error)
            assert "\n" not in answer.body["error"]

    asyncio.run(asked())


@pytest.mark.parametrize("path", ["/rank?user_id=ann", "/health", "/metrics", "/nothing"])
def test_with_a_token_every_request_needs_it(questions: Questions, path: str) -> None:
    async def asked() -> None:
        async with serving(questions, token="secret") as ask:
            for headers in ({}, {"Authorization": "Bearer secre"}, {"Authorization": "secret"}):
                answer = await ask(path, **headers)
                assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
                assert "secret" not in answer.body["error"]
            assert (await ask(path, Authorization="Bearer secret")).status in (200, 404)

    asyncio.run(asked())


def test_the_token_is_not_shown_with_the_address() -> None:
    assert repr(Address("127.0.0.1", 80, "secret")) == "Address(127.0.0.1:80)"


def test_more_rankings_than_there_is_room_for_are_sent_away(
    questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "MOST_ASKED", 0)

    async def asked() -> None:
        async with serving(questions) as ask:
            answer = await ask(f"/rank?user_id={HERE}")
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert (await ask("/health")).status == 200

    asyncio.run(asked())


def test_more_connections_than_there_is_room_for_are_closed_and_idle_ones_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(web, "MOST_CONNECTIONS", 1)

    async def asked() -> None:
        async with serving(None) as ask:
            first, silent = await asyncio.open_connection("127.0.0.1", ask.port)
            second, rest = await asyncio.open_connection("127.0.0.1", ask.port)
            assert await asyncio.wait_for(second.read(), 5) == b""
            monkeypatch.setattr(web, "IDLE_SECONDS", 0.0)
            assert await asyncio.wait_for(first.read(), 5) == b""
            silent.close()
            rest.close()

    asyncio.run(asked())


def test_a_body_that_never_comes_is_waited_for_no_longer_than_an_answer_may_take(
    questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "ANSWER_SECONDS", 0.2)

    async def asked() -> None:
        async with serving(questions) as ask:
            reader, writer = await asyncio.open_connection("127.0.0.1", ask.port)
            writer.write(b"POST /rank HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
            line = await asyncio.wait_for(reader.readline(), 5)
            assert line.startswith(b"HTTP/1.1 503")
            writer.close()

    asyncio.run(asked())


def test_health_is_to_get_on_and_ready_is_to_have_caught_up() -> None:
    metrics, behind = Metrics(), [0]
    vitals = metrics.vitals

    async def asked() -> None:
        async with serving(None, metrics=metrics) as ask:
            assert (await ask("/health")).status == 200
            assert (await ask("/ready")).status == 503
            assert (await ask(f"/rank?user_id={HERE}")).headers["Retry-After"] == "5"
            # It may compile for minutes before it begins.
            vitals.replica.got_on_at -= LONG
            vitals.look()
            assert (await ask("/health")).status == 200
            vitals.replica.lag = lambda: 0
            vitals.replica.begin()
            part = vitals.opened(2, lambda: behind[0])
            vitals.assigned = True
            assert (await ask("/ready")).status == 503
            part.begin()
            status, body, _ = await ask("/ready")
            assert (status, body["ready"], body["partitions"]["2"]["lag"]) == (200, True, 0)

            # With nothing to do it may be silent for long.
            part.got_on_at -= LONG
            vitals.look()
            assert (await ask("/health")).status == 200
            behind[0] = 5
            part.got_on_at -= LONG
            vitals.look()
            stuck = await ask("/health")
            assert (stuck.status, stuck.body["partitions"]["2"]["lag"]) == (503, 5)
            vitals.replica.checkpointed(0.1)
            part.checkpointed(0.1)
            assert (await ask("/health")).status == 200

            # What is applied and can't be stored is no idleness.
            behind[0], part.unsaved = 0, True
            part.got_on_at -= LONG
            vitals.look()
            assert (await ask("/health")).status == 503

    asyncio.run(asked())


def test_requests_are_counted_by_path_and_status(questions: Questions) -> None:
    async def asked() -> None:
        async with serving(questions) as ask:
            await ask(f"/rank?user_id={HERE}")
            await ask("/rank")
            await ask("/anything")
            text = (await ask("/metrics")).body
            assert 'drift_http_requests_total{path="/rank",status="200"} 1.0' in text
            assert 'drift_http_requests_total{path="/rank",status="400"} 1.0' in text
            assert 'drift_http_requests_total{path="other",status="404"} 1.0' in text
            assert 'drift_http_seconds_count{path="/rank"} 2.0' in text

    asyncio.run(asked())


def test_a_question_is_answered_before_work_that_waits() -> None:
    async def asked() -> None:
        compute, order, open_ = Compute(), list[str](), asyncio.Event()
        loop = asyncio.get_running_loop()

        def slice_() -> None:
            asyncio.run_coroutine_threadsafe(open_.wait(), loop).result()

        work = [
            asyncio.ensure_future(compute(slice_)),
            asyncio.ensure_future(compute(order.append, "next slice")),
        ]
        await asyncio.sleep(0)
        question = asyncio.ensure_future(compute.ask(order.append, "question"))
        await asyncio.sleep(0)
        given_up = asyncio.ensure_future(compute.ask(order.append, "given up"))
        await asyncio.sleep(0)
        given_up.cancel()
        open_.set()
        await asyncio.gather(*work, question)
        assert order == ["question", "next slice"]
        compute.close()

    asyncio.run(asked())


def test_an_address_that_is_taken_is_one_line() -> None:
    async def asked(host: str, port: int) -> None:
        async with Web(Address(host, port), Metrics(), SMALL).answering():
            pass

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WrongUse, match=f"--http: can't listen at 127.0.0.1:{port}"):
            asyncio.run(asked("127.0.0.1", port))
    with pytest.raises(WrongUse, match=r"can't listen at no\.such\.host"):
        asyncio.run(asked("no.such.host.invalid", port))
