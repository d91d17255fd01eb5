"""The page's files in `sandbox/web/`: `/` is index.html, the rest lies below `/web/` and beside it."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

WEB = Path(__file__).with_name("web")


def routes(folder: Path = WEB) -> list[web.RouteDef]:
    """Routes of the page. Only plain names: nothing outside the folder is reachable."""

    def file(name: str) -> web.StreamResponse:
        path = folder / name
        if not path.is_file():
            raise web.HTTPNotFound(text=f"there is no {name}\n")
        return web.FileResponse(path, headers={"Cache-Control": "no-cache"})

    async def index(_: web.Request) -> web.StreamResponse:
        return file("index.html")

    async def named(request: web.Request) -> web.StreamResponse:
        return file(request.match_info["name"])

    name = r"{name:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.(?:css|js|mjs|svg|png|ico|html|woff2)}"
    return [web.get("/", index), web.get(f"/{name}", named), web.get(f"/web/{name}", named)]
