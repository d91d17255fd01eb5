"""Where a simulated workspace answers: Web API, socket, files, and the control API."""

from __future__ import annotations

from aiohttp import web

from sandbox.slack.control import Control
from sandbox.slack.methods import files
from sandbox.slack.simulation import Simulation

LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body>Sign in</body></html>"


def routes(
    simulation: Simulation, prefix: str = "/slack", control_prefix: str = "/control/slack"
) -> list[web.RouteDef]:
    """Routes for an aiohttp application: `<prefix>/api/<method>`, socket, files, and the control API.

    The application's `client_max_size` bounds uploads.
    """

    def here(request: web.Request) -> None:
        simulation.serve_from(f"{request.scheme}://{request.host}{prefix}")

    async def api(request: web.Request) -> web.Response:
        here(request)
        return await simulation.web_api.handle(request)

    async def upload(request: web.Request) -> web.Response:
        answer = files.receive(simulation.app, request.match_info["file"], await request.read())
        return web.Response(text=answer) if answer else web.Response(status=400, text="bad upload")

    async def content(request: web.Request) -> web.Response:
        bearer = request.headers.get("Authorization", "")
        file = simulation.workspace.files.get(request.match_info["file"].rpartition("-")[2])
        allowed = "files:read" in simulation.app.scopes and simulation.app.token_error is None
        if bearer != f"Bearer {simulation.identity.bot_token}" or not allowed:
            return web.Response(text=LOGIN_PAGE, content_type="text/html")
        if file is None:
            return web.Response(status=404)
        return web.Response(body=file.content, content_type=file.mimetype)

    control = Control(simulation, prefix)
    return [
        web.post(f"{prefix}/api/{{method}}", api),
        web.get(f"{prefix}/api/{{method}}", api, allow_head=False),
        web.get(f"{prefix}/socket", simulation.sockets.handle, allow_head=False),
        web.post(f"{prefix}/upload/{{file}}", upload),
        web.get(f"{prefix}/files-pri/{{file}}/{{name}}", content),
        web.get(f"{prefix}/files-pri/{{file}}/download/{{name}}", content),
        *control.routes(control_prefix),
    ]
