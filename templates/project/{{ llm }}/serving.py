"""A server on this machine that speaks OpenAI's protocol: one model, one answer at a time."""

from __future__ import annotations

import errno
import json
import secrets
import signal
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import fastapi
import uvicorn
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from .answering import Answer, Writer
from .chat_template import Tool
from .commands import command
from .config import ServeConfig
from .console import say
from .errors import UserError
from .openai_protocol import (
    DONE,
    Answers,
    ApiError,
    ChatRequest,
    CompletionRequest,
    Request,
    describe_model,
    sent,
)
from .opened_model import OpenedModel, open_model, with_system
from .text_pieces import Piece

PATIENCE = 3  # seconds that connections have to close when the server is stopped
WAITING = 64  # connections that may wait to be taken


def make_app(opened: OpenedModel, config: ServeConfig, ready: str = "") -> fastapi.FastAPI:
    """The web application around a model; says `ready` once it runs."""

    @asynccontextmanager
    async def lifespan(app: fastapi.FastAPI) -> AsyncIterator[None]:
        if ready:
            say(ready)
        yield

    def check_key(request: fastapi.Request) -> None:
        given, wanted = request.headers.get("Authorization", ""), f"Bearer {config.api_key}"
        if config.api_key and not secrets.compare_digest(given.encode(), wanted.encode()):
            message = "This server wants its API key, and got none or another."
            raise ApiError(401, message, code="invalid_api_key")

    def check_name(asked: str) -> None:
        if config.name and asked not in ("", config.name):
            message = f"The model `{asked}` does not exist here; this server has `{config.name}`."
            raise ApiError(404, message, param="model", code="model_not_found")

    name = name_of(opened, config)
    app = fastapi.FastAPI(title=name, lifespan=lifespan)
    v1 = fastapi.APIRouter(prefix="/v1", dependencies=[fastapi.Depends(check_key)])
    created = int(time.time())
    writer = app.state.writer = Writer()
    page = Path(__file__).with_name("chat_page.html").read_text(encoding="utf-8")

    @app.get("/", include_in_schema=False)
    async def chat_page() -> HTMLResponse:
        return HTMLResponse(page)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @v1.get("/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [describe_model(name, created)]}

    @v1.get("/models/{model:path}")
    async def model(model: str) -> dict[str, Any]:
        check_name(model)
        return describe_model(name, created)

    @v1.post("/chat/completions", response_model=None)
    async def chat(request: ChatRequest, connection: fastapi.Request) -> Response:
        messages = with_system(request.conversation(), config.system or opened.system)
        tools = request.tools_to_call()
        prompt = opened.prompt(messages, tools)
        return await respond(request, prompt, connection, Answers(name, chat=True), tools)

    @v1.post("/completions", response_model=None)
    async def complete(request: CompletionRequest, connection: fastapi.Request) -> Response:
        return await respond(request, request.text(), connection, Answers(name, chat=False))

    async def respond(
        request: Request,
        prompt: str,
        connection: fastapi.Request,
        answers: Answers,
        tools: Sequence[Tool] = (),
    ) -> Response:
        check_name(request.model)
        request.refuse_what_is_not_supported()
        sampling, stops = request.sampling(config.sampling), request.stops()
        answer = Answer(opened, prompt, sampling, stops, chat=answers.chat, tools=tools)
        if request.stream:
            usage = bool(request.stream_options and request.stream_options.include_usage)
            events = stream_events(writer, answer, answers, usage)
            return StreamingResponse(
                events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"}
            )
        written: list[Piece] = []
        async with aclosing(writer.write(answer)) as pieces:
            async for piece in pieces:
                written.append(piece)
                if await connection.is_disconnected():
                    return Response(status_code=499)  # nobody reads it
        return JSONResponse(answers.whole(written, answer.finish_reason, answer.usage()))

    app.include_router(v1)
    if config.allow_origins:  # otherwise browsers keep the answers from every page but the server's own
        app.add_middleware(
            CORSMiddleware, allow_origins=config.allow_origins, allow_methods=["*"], allow_headers=["*"]
        )
    handle_errors(app)
    return app


async def stream_events(
    writer: Writer, answer: Answer, answers: Answers, with_usage: bool
) -> AsyncGenerator[str, None]:
    """Yield the events of an answer in pieces."""
    try:
        if answers.chat:
            yield answers.first()
        async with aclosing(writer.write(answer)) as pieces:
            async for piece in pieces:
                yield answers.piece(piece)
        yield answers.last(answer.finish_reason)
        if with_usage:
            yield answers.usage(answer.usage())
        yield DONE
    except Exception as error:  # the answer has begun: its status can no longer say that it failed
        told = error if isinstance(error, ApiError) else ApiError(500, describe(error))
        yield sent(told.body())
        if not isinstance(error, ApiError | UserError):
            raise


def handle_errors(app: fastapi.FastAPI) -> None:
    """Give errors of every kind the form that OpenAI's clients understand."""

    def answer(error: ApiError) -> JSONResponse:
        return JSONResponse(error.body(), status_code=error.status)

    @app.exception_handler(ApiError)
    async def api_error(_: fastapi.Request, error: ApiError) -> JSONResponse:
        return answer(error)

    @app.exception_handler(UserError)
    async def user_error(_: fastapi.Request, error: UserError) -> JSONResponse:
        return answer(ApiError(400, str(error)))

    @app.exception_handler(RequestValidationError)
    async def wrong_request(request: fastapi.Request, error: RequestValidationError) -> JSONResponse:
        if "json" not in request.headers.get("Content-Type", ""):  # as any web page could send it
            message = "The request's body must be JSON, with the header Content-Type: application/json."
            return answer(ApiError(400, message))
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part != "body"]
        if first["type"] == "json_invalid":
            return answer(ApiError(400, "The request's body is not valid JSON."))
        param = place[0] if place else None
        return answer(ApiError(400, f"{'.'.join(place) or 'The request'}: {first['msg']}.", param=param))

    @app.exception_handler(HTTPException)
    async def wrong_address(request: fastapi.Request, error: HTTPException) -> JSONResponse:
        what = {404: "Unknown address", 405: "Method not allowed"}.get(error.status_code, str(error.detail))
        return answer(ApiError(error.status_code, f"{what}: {request.method} {request.url.path}."))

    @app.exception_handler(Exception)
    async def failure(_: fastapi.Request, error: Exception) -> JSONResponse:
        return answer(ApiError(500, describe(error)))


def describe(error: Exception) -> str:
    """An error for the client; the traceback of an unexpected one stands in the server's console."""
    return str(error) if isinstance(error, UserError) else f"The server failed: {type(error).__name__}."


def name_of(opened: OpenedModel, config: ServeConfig) -> str:
    """What clients see the model called."""
    return config.name or opened.model.name.removeprefix("runs/")


def listen(host: str, port: int) -> socket.socket:
    """Take the port. Raises UserError where that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=WAITING)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"Port {port} is in use, perhaps by a server still running: stop it, or take another port "
                f"(--port {port + 1 if port < 65535 else 8000}; 0 takes a free one)."
            ) from None
        raise UserError(f"{host}, port {port}, cannot be listened to: {error.strerror or error}.") from None


class Server(uvicorn.Server):
    """Ends the answers in progress when it is stopped, and those that wait."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the clients, and close the connections."""
        app: Any = self.config.app
        app.state.writer.ended.set()
        await super().shutdown(sockets)


def serve(config: ServeConfig) -> None:
    """Serve a model until Ctrl-C."""
    with listen(config.host, config.port) as listening:  # before the model is loaded, which takes a while
        opened = open_model(config.run)
        ready = how_to_use(opened, config, listening.getsockname()[1])
        app = make_app(opened, config, ready)
        server = Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=PATIENCE, access_log=False)
        )
        former = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again when it has ended
        try:
            with suppress(KeyboardInterrupt):
                server.run(sockets=[listening])
        finally:
            signal.signal(signal.SIGTERM, former)
    say("The server has ended.")


def how_to_use(opened: OpenedModel, config: ServeConfig, port: int) -> str:
    """What to do with the server that has just started."""
    name, host = name_of(opened, config), config.host
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    address = f"http://{shown}:{port}"
    body = json.dumps({"model": name, "messages": [{"role": "user", "content": "Hello"}]})
    key, header = ("KEY", " -H 'Authorization: Bearer KEY'") if config.api_key else ("none", "")
    lines = [
        f"{name} is served at {address}/v1 (Ctrl-C ends).",
        f"A page to chat on: {address}",
        f"curl {address}/v1/chat/completions{header} -H 'Content-Type: application/json' -d '{body}'",
        f'Python: openai.OpenAI(base_url="{address}/v1", api_key="{key}"), model="{name}"',
    ]
    if config.api_key:
        lines.append("KEY stands for the setting api_key.")
    if not config.name:
        lines.append("Clients may call the model by any name.")
    if not opened.chats:
        lines.append("It was not taught to chat: it continues the last message or prompt.")
    if host in ("0.0.0.0", "::"):
        asks = "" if config.api_key else ", and it asks for no key (--api_key)"
        lines.append(f"Other machines reach it, too{asks}.")
    return "\n".join(lines)


serve_command = command(serve, ServeConfig, "serve")
