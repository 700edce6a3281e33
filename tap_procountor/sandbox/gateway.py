"""What stands between the network and the API: statistics, rate limit, latency and faults."""

from __future__ import annotations

import asyncio
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

from .answers import gateway_answer, json_answer
from .auth import bearer
from .errors import ApiError
from .rate_limit import RateLimit
from .statistics import Request

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .backend import Backend
    from .faults import Fault

_RETRY_AFTER = 1
TRANSPORT = "sandbox.transport"
ARRIVAL = "sandbox.arrival"


class Gateway:
    """ASGI middleware around the API."""

    def __init__(self, api: ASGIApp, backend: Backend) -> None:
        self._api = api
        self._backend = backend
        settings = backend.settings
        self._limits = (
            RateLimit(settings.requests_per_second, 1),
            RateLimit(settings.requests_per_minute, 60),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        body = await _read(receive)
        request = self._record(scope, body)
        exchange = _Exchange(self._backend, request, body, send)
        # The limit counts arrivals, so it comes before the latency.
        refusal = self._refusal(request, body)
        await asyncio.sleep(self._backend.next_latency())
        if refusal:
            await refusal(scope, exchange.receive, exchange.send)
            return
        fault = self._backend.faults.next(request.path, request.company)
        if fault:
            await self._fail(fault, scope, exchange)
        else:
            await self._api(scope, exchange.receive, exchange.send)

    def _record(self, scope: Scope, body: bytes) -> Request:
        path = scope["path"].removeprefix(scope["root_path"])
        token = bearer(Headers(scope=scope).get("authorization", ""))
        keyring, statistics = self._backend.keyring, self._backend.requests
        company = keyring.company_of(token)
        client = keyring.client_id if company is not None else ""
        if path.rstrip("/") == "/oauth/token":
            form = parse_qs(body.decode(errors="replace"))
            client = form.get("client_id", [""])[0]
            statistics.token_requests += 1
            statistics.redirect_uris_sent += "redirect_uri" in form
        request = Request(
            time=scope["extensions"][ARRIVAL],
            method=scope["method"],
            path=path,
            query=scope["query_string"].decode(),
            client=client,
            company=company,
        )
        statistics.requests.append(request)
        return request

    def _refusal(self, request: Request, body: bytes) -> Response | None:
        if not all(limit.admits(request.client, request.time) for limit in self._limits):
            self._backend.requests.rate_limit_violations += 1
            return gateway_answer(429, _RETRY_AFTER)
        if request.method == "GET" and body:
            return gateway_answer(403)
        return None

    async def _fail(self, fault: Fault, scope: Scope, exchange: _Exchange) -> None:
        if fault.kind == "drop":
            await _drop(scope)
        elif fault.kind == "status":
            answer = _faulty_answer(fault, Headers(scope=scope))
            await answer(scope, exchange.receive, exchange.send)
        else:
            if fault.kind == "hang":
                await asyncio.sleep(fault.seconds)
            send = exchange.send_half if fault.kind == "truncate" else exchange.send
            await self._api(scope, exchange.receive, send)


class _Exchange:
    """One request's body, read in advance, and its answer on the way out."""

    def __init__(self, backend: Backend, request: Request, body: bytes, send: Send) -> None:
        self._backend = backend
        self._request = request
        self._body = body
        self._send = send
        self._start: Message = {}

    async def receive(self) -> Message:
        """Hand on the body."""
        return {"type": "http.request", "body": self._body, "more_body": False}

    async def send(self, message: Message) -> None:
        """Send on, with the sandbox's own date."""
        if message["type"] == "http.response.start":
            self._request.status = message["status"]
            moment = self._backend.clock.now() + self._backend.date_error
            date = format_datetime(moment, usegmt=True)
            MutableHeaders(scope=message)["Date"] = date
        await self._send(message)

    async def send_half(self, message: Message) -> None:
        """Send on half of the body, as if that were all."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        body = message["body"][: len(message["body"]) // 2]
        MutableHeaders(scope=self._start)["Content-Length"] = str(len(body))
        await self.send(self._start)
        await self.send({"type": "http.response.body", "body": body})


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if not message.get("more_body"):
            return body


async def _drop(scope: Scope) -> None:
    scope["extensions"][TRANSPORT].abort()
    await asyncio.sleep(0)


def _faulty_answer(fault: Fault, headers: Headers) -> Response:
    if fault.body is not None:
        body = fault.body.replace("{authorization}", headers.get("authorization", ""))
        answer = Response(body, fault.status, media_type="application/json")
    elif fault.html:
        answer = gateway_answer(fault.status)
    else:
        answer = json_answer(ApiError(fault.status, "Fault made to order").body, fault.status)
    if fault.retry_after is not None:
        answer.headers["Retry-After"] = str(fault.retry_after)
    answer.headers.update(fault.headers)
    return answer
