"""What a request to the worker asks, or the one line that says what is wrong with it."""

import msgspec
from aiohttp import web

LONGEST_NAME = 512
JSON = "application/json"


class Refused(Exception):
    """A request that gets no answer but this."""

    def __init__(
        self, status: int, error: str, headers: dict[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(error)
        self.status = status
        self.headers = headers
        self.body = {"error": error, **more}


def as_json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer."""
    return web.Response(
        body=msgspec.json.encode(body), status=status, headers=headers, content_type=JSON
    )


def parameters(request: web.Request, *known: str) -> dict[str, str]:
    """The parameters of a query, each given once."""
    given = dict(request.query)
    unknown = [name for name in given if name not in known]
    if unknown:
        would_do = ", ".join(known) or "none"
        raise Refused(400, f"{unknown[0][:100]!r} is no parameter here: known are {would_do}")
    if len(given) < len(request.query):
        raise Refused(400, "a parameter is given twice: give each once")
    return given


def user_id(given: str) -> str:
    """A shopper's name, of which events may have had one."""
    if not 0 < len(given) <= LONGEST_NAME:
        raise Refused(400, f"user_id has {len(given)} characters: give 1 to {LONGEST_NAME} of them")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise Refused(400, "user_id is no UTF-8: encode it so before it is quoted") from None
    return given


def words(given: str) -> str:
    """What a shopper typed into the search box."""
    if len(given) > LONGEST_NAME:
        raise Refused(400, f"query has {len(given)} characters: give at most {LONGEST_NAME}")
    return given


def number(name: str, given: str) -> int:
    """A parameter that is a whole number."""
    if not (given.isascii() and given.isdecimal() and len(given) < 10):
        raise Refused(400, f"{name} is {given[:100]!r}: give a whole number")
    return int(given)
