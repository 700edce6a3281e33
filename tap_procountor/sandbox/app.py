"""The web application: the API at its versions' paths, and the control interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount

from .answers import gateway_answer
from .api import make_api
from .control import make_control
from .gateway import Gateway

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from .sandbox import Sandbox

BASE_PATHS = ("/latest/api", "/supported/api", "/v2602/api", "/api")
"""Where the API answers; other versions do not exist."""


def make_app(sandbox: Sandbox) -> Starlette:
    """Return the application of a sandbox."""
    api = Gateway(make_api(sandbox), sandbox)
    return Starlette(
        routes=[
            *(Mount(path, api) for path in BASE_PATHS),
            Mount("/sandbox", make_control(sandbox)),
            Mount("/", _unknown_version),
        ]
    )


async def _unknown_version(scope: Scope, receive: Receive, send: Send) -> None:
    await gateway_answer(404)(scope, receive, send)
