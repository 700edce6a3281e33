"""A server between the tap and the sandbox that answers what the sandbox never would."""

from __future__ import annotations

import re
import threading
from decimal import Decimal
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_procountor.sandbox import Sandbox

JSON = {"Content-Type": "application/json"}
NOT_FOUND = b'{"errors":[{"status":404,"message":"NOT_FOUND"}]}'

#: Headers that belong to one connection and are made anew for the other.
_OF_CONNECTION = frozenset({"accept-encoding", "connection", "content-length", "host"})
_OF_CONNECTION_BACK = frozenset({"connection", "content-length", "transfer-encoding"})


_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


class Question(NamedTuple):
    """A request as it arrived; ``path`` is below the base of the API, without the query."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """An answer as it is sent."""

    status: int = 200
    headers: dict[str, str] = JSON
    body: bytes = b""

    @property
    def content(self) -> Any:
        """The body, parsed with exact decimals; change it and give it to ``having``."""
        return _decoder.decode(self.body)

    def having(self, content: Any) -> Answer:
        """Return the answer with another JSON body."""
        return self._replace(body=_encoder.encode(content))


def without(number: int) -> Callable[[Any], Any]:
    """Return what alters a page of a list so that it lacks an id, and its total as well."""

    def alter(content: Any) -> Any:
        rows = [row for row in content["results"] if row["id"] != number]
        content["meta"]["totalCount"] -= len(content["results"]) - len(rows)
        return content | {"results": rows}

    return alter


class Proxy:
    """Passes requests on, unless ``before`` answers them; ``after`` may alter the answers.

    Attributes:
        before: Returns an answer instead of the sandbox's, or None.
        after: Returns the answer to give.
        rewrite: Returns the address, query included, that a request is passed on to.
        asked: The questions so far.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.before: Callable[[Question], Answer | None] = lambda _: None
        self.after: Callable[[Question, Answer], Answer] = lambda _, answer: answer
        self.rewrite: Callable[[str], str] = lambda target: target
        self.asked: list[Question] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        # Its end is waited for: by default that takes half a second.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def config(self, **settings: Any) -> dict[str, Any]:
        """Return settings that lead the tap here instead of to the sandbox."""
        base = self.sandbox.api_url.removeprefix(self.sandbox.url)
        given = {**self.sandbox.config(), "requests_per_second": 1000, **settings}
        return given | {"api_url": self.url + base}

    def questions(self, pattern: str) -> list[Question]:
        """Return the questions so far whose path matches a pattern as a whole."""
        return [one for one in self.asked if re.fullmatch(pattern, one.path)]

    def altering(self, pattern: str, alter: Callable[[Any], Any], times: int | None = None) -> None:
        """Alter the JSON of the answers whose path matches a pattern as a whole.

        Args:
            pattern: A regular expression.
            alter: Gets the parsed body and returns another, or None if it has changed it in place.
            times: How often; None for always.
        """
        done = 0

        def after(question: Question, answer: Answer) -> Answer:
            nonlocal done
            is_meant = re.fullmatch(pattern, question.path) and answer.status == 200
            if not is_meant or (times is not None and done >= times):
                return answer
            done += 1
            content = answer.content
            altered = alter(content)
            return answer.having(content if altered is None else altered)

        self.after = after

    def answering(self, pattern: str, answer: Answer, times: int | None = None) -> None:
        """Give the same answer to every question whose path matches a pattern as a whole."""
        done = 0

        def before(question: Question) -> Answer | None:
            nonlocal done
            if not re.fullmatch(pattern, question.path) or (times is not None and done >= times):
                return None
            done += 1
            return answer

        self.before = before

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self
        base = self.sandbox.api_url.removeprefix(self.sandbox.url)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                address = urlsplit(self.path)
                question = Question(
                    self.command,
                    address.path.removeprefix(base),
                    parse_qs(address.query),
                    dict(self.headers),
                    body,
                )
                proxy.asked.append(question)
                answer = proxy.before(question)
                if answer is None:
                    passed_on = proxy._passed_on(proxy.rewrite(self.path), question)
                    answer = proxy.after(question, passed_on)
                self._send(answer)

            do_POST = do_GET  # noqa: N815 - the name that the base class calls

            def _send(self, answer: Answer) -> None:
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

        return Handler

    def _passed_on(self, target: str, question: Question) -> Answer:
        connection = HTTPConnection(urlsplit(self.sandbox.url).netloc, timeout=60)
        headers = {
            name: value
            for name, value in question.headers.items()
            if name.lower() not in _OF_CONNECTION
        }
        connection.request(question.method, target, question.body or None, headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        kept = {
            name: value
            for name, value in response.getheaders()
            if name.lower() not in _OF_CONNECTION_BACK
        }
        return Answer(response.status, kept, body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that have gone."""
