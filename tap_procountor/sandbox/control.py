"""The control interface over HTTP: what the Python objects can do, for other processes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.routing import Route, Router

from .answers import json_answer
from .books.editing import ClosedPeriodError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from .backend import Backend

SANDBOX_ACTIONS = (
    "reset_statistics",
    "add_fault",
    "clear_faults",
    "advance_clock",
    "set_clock",
    "expire_tokens",
)
COMPANY_ACTIONS = (
    "edit",
    "edit_dimensions",
    "create_invoice",
    "invalidate",
    "delete",
    "close_periods",
    "reopen_periods",
    "spoil",
    "set_right",
    "set_country",
    "set_documents",
    "set_sie",
    "resize_attachment",
    "set_payroll",
    "set_discussion",
    "create_dated",
    "revoke_key",
    "replace_key",
)


def make_control(backend: Backend) -> Router:
    """Return the routes below ``/sandbox``: GET to look, POST to act (arguments as JSON)."""

    async def statistics(_: Request) -> Response:
        return await _respond(backend.statistics().summary, {})

    async def config(request: Request) -> Response:
        return json_answer(backend.config_at(str(request.base_url).rstrip("/")))

    async def companies(_: Request) -> Response:
        return json_answer([{"id": one.id, "apiKey": one.api_key} for one in backend.companies])

    async def truth(request: Request) -> Response:
        arguments = {"company": request.path_params["company"], "kind": request.path_params["kind"]}
        return await _respond(backend.truth, arguments)

    async def act(request: Request) -> Response:
        action = request.path_params["action"]
        if action not in SANDBOX_ACTIONS:
            return json_answer({"error": f"no action {action}"}, 404)
        return await _respond(getattr(backend, action), await _arguments(request))

    async def act_on_company(request: Request) -> Response:
        action = request.path_params["action"]
        if action not in COMPANY_ACTIONS:
            return json_answer({"error": f"no action {action}"}, 404)
        number = request.path_params["company"]

        def run(**arguments: Any) -> Any:  # noqa: ANN401 - whatever the action takes and gives
            return getattr(backend.company(number), action)(**arguments)

        return await _respond(run, await _arguments(request))

    return Router(
        [
            Route("/statistics", statistics),
            Route("/config", config),
            Route("/companies", companies),
            Route("/companies/{company:int}/truth/{kind}", truth),
            Route("/companies/{company:int}/{action}", act_on_company, methods=["POST"]),
            Route("/{action}", act, methods=["POST"]),
        ]
    )


async def _arguments(request: Request) -> dict[str, Any]:
    body = await request.body()
    return msgspec.json.decode(body, type=dict[str, Any]) if body else {}


async def _respond(action: Callable[..., Any], arguments: dict[str, Any]) -> Response:
    try:
        return json_answer(await asyncio.to_thread(action, **arguments))
    except (LookupError, TypeError, ValueError, ClosedPeriodError) as error:
        return json_answer({"error": f"{type(error).__name__}: {error}"}, 400)
