"""The API: checks who asks and for what, and answers from the declared resources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.responses import Response
from starlette.routing import Route, Router

from .answers import json_answer
from .auth import answer_token_request, bearer
from .endpoints import make_endpoints
from .errors import ApiError
from .resources import COMPUTED, RESOURCES, Call, Computed
from .spec import Parameter, Spec, load_spec

if TYPE_CHECKING:
    from starlette.requests import Request

    from .backend import Backend

Answer = Callable[[Call], Response]

_BAD_REQUEST = 400
_UNAUTHORIZED = 401
_FORBIDDEN = 403


def make_api(backend: Backend) -> Router:
    """Return the API below its base path."""
    spec = load_spec()

    async def token(request: Request) -> Response:
        return await answer_token_request(backend.keyring, request)

    def route(path: str, answer: Answer) -> Route:
        endpoint = _endpoint(backend, spec, path, answer)
        return Route(path, endpoint, methods=[verb.upper() for verb in spec.paths[path]])

    routes = [Route(f"/oauth/token{slash}", token, methods=["POST"]) for slash in ("", "/")]
    answers = {one.path: _computed(one) for one in COMPUTED}
    for endpoint in make_endpoints(spec, RESOURCES):
        answers |= endpoint.answers()
    # Fixed paths come before those with an id: /businesspartners/groups is no partner.
    routes += [route(path, answers[path]) for path in sorted(answers, key=lambda one: "{" in one)]
    return Router(routes, redirect_slashes=False)


def _endpoint(backend: Backend, spec: Spec, path: str, answer: Answer) -> Callable[[Request], Any]:
    parameters, question = spec.parameters(path), spec.question(path)

    def respond(request: Request, body: bytes) -> Response:
        try:
            with backend.lock:
                call = _call(backend, parameters, request)
                return answer(call._replace(body=question.parse(body)) if question else call)
        except ApiError as error:
            return json_answer(error.body, error.status)

    async def endpoint(request: Request) -> Response:
        # In a thread, so that writing documents does not delay the answers to other requests.
        return await asyncio.to_thread(respond, request, await request.body())

    return endpoint


def _call(backend: Backend, parameters: Mapping[str, Parameter], request: Request) -> Call:
    token = bearer(request.headers.get("authorization", ""))
    company = backend.keyring.company_of(token)
    if company is None:
        raise ApiError(_UNAUTHORIZED, "Invalid or expired access token")
    query = {}
    for name in request.query_params:
        if name not in parameters:
            raise ApiError(_BAD_REQUEST, f"Unknown parameter '{name}'", name)
        query[name] = parameters[name].parse(request.query_params.getlist(name))
    for name, parameter in parameters.items():
        if parameter.required and name not in query:
            raise ApiError(_BAD_REQUEST, f"Parameter '{name}' is missing", name)
    return Call(backend.company(company), query, request.headers, request.path_params, {})


def _computed(computed: Computed) -> Answer:
    def respond(call: Call) -> Response:
        if computed.rights and not any(map(call.company.rights.allows, computed.rights)):
            raise ApiError(_FORBIDDEN, "Insufficient user rights")
        answer = computed.answer(call)
        return answer if isinstance(answer, Response) else json_answer(answer)

    return respond
