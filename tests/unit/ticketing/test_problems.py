"""How refusals read that no request of the tests comes to by itself."""

import httpx
from fastapi import FastAPI

from contracts.codec import ContractError
from services.ticketing.api.problems import install


async def test_what_fits_no_record_is_told_so() -> None:
    app = FastAPI()
    install(app)

    @app.post("/")
    async def change() -> None:
        raise ContractError("too_large", "okno.ticket.changed.v1 tkt_1:9 has 5000000 bytes")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://okno") as client:
        answer = await client.post("/")
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:okno:problem:too-large")
    assert "larger than a record may be" in answer.json()["detail"]
