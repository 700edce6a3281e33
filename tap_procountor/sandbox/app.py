"""The web application: the API at its versions' paths, and the control interface."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount

from .answers import gateway_answer, json_answer
from .api import make_api
from .backend import API_PATH
from .control import make_control
from .errors import ApiError
from .gateway import Gateway

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    from .backend import Backend

_log = logging.getLogger(__name__)

BASE_PATHS = (API_PATH, "/supported/api", "/v2602/api", "/api")
"""Where the API answers; other versions do not exist."""


def make_app(backend: Backend) -> Starlette:
    """Return the application that answers from a backend."""
    api = Gateway(make_api(backend), backend)
    return Starlette(
        routes=[
            *(Mount(path, api) for path in BASE_PATHS),
            Mount("/sandbox", make_control(backend)),
            Mount("/", _unknown_version),
        ],
        exception_handlers={Exception: _report_fault},
    )


def _report_fault(request: Request, error: Exception) -> Response:
    """Log a fault of the sandbox itself; the server's own log is off for the ordered faults."""
    _log.error("The sandbox failed at %s %s", request.method, request.url.path, exc_info=error)
    message = f"The sandbox failed with {type(error).__name__}; its log has the traceback"
    answer = json_answer(ApiError(500, message).body, 500)
    # The server closes the connection after a fault: no client may send the next request on it.
    answer.headers["Connection"] = "close"
    return answer


async def _unknown_version(scope: Scope, receive: Receive, send: Send) -> None:
    await gateway_answer(404)(scope, receive, send)
