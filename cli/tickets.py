"""`okno tickets`: list, show and answer tickets through the ticketing API."""

from typing import Annotated, Any

import typer

from cli.api import call, pages, post_once
from cli.output import say, show_fields, show_json, show_table

app = typer.Typer(help="List, show and answer tickets through the ticketing API.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command("list")
def list_tickets(
    status: Annotated[
        str | None, typer.Option(help="new, open, pending, on_hold, solved, closed, comment_deleted")
    ] = None,
    queue: Annotated[str | None, typer.Option(help="only this queue")] = None,
    assignee: Annotated[str | None, typer.Option(help="an agent's id, or none")] = None,
    platform: Annotated[str | None, typer.Option(help="slack or telegram")] = None,
    limit: Annotated[int, typer.Option(min=1, help="how many at the most")] = 50,
    as_json: Json = False,
) -> None:
    """List tickets, the latest change first."""
    items = pages(
        "/tickets", limit, status=status, queue=queue, assignee=assignee, platform=platform, sort="-updated_at"
    )
    if as_json:
        show_json(items)
        return
    rows = [
        (t["number"], t["status"], t["queue"], (t.get("requester") or {}).get("name"), t["subject"], t["id"])
        for t in items
    ]
    show_table(("number", "status", "queue", "requester", "subject", "id"), rows, empty="No tickets.")


@app.command("show")
def show_ticket(ticket: str, as_json: Json = False) -> None:
    """Show one ticket (by its id or number) with its messages."""
    shown: dict[str, Any] = call("GET", f"/tickets/{ticket}")
    messages = pages(f"/tickets/{ticket}/messages", 1000)
    if as_json:
        show_json({**shown, "messages": messages})
        return
    simple = {name: value for name, value in shown.items() if not isinstance(value, dict | list)}
    show_fields(
        {**simple, "requester": (shown.get("requester") or {}).get("name"), "tags": ", ".join(shown.get("tags") or ())}
    )
    said = {key: message for message in messages for key in _keys_of(message)}
    for message in messages:
        author = message["author"]
        say(f"\n{message['created_at']}  {_name_of(author)} ({author['kind']})", bold=True)
        if key := message.get("reply_to"):
            say(f"[in reply to {_told(said[key]) if key in said else key}]", dim=True)
        say(message["text"])
        marks = [name.removesuffix("_at") for name in ("edited_at", "deleted_at") if message.get(name)]
        if delivery := message.get("delivery"):
            marks.append(" ".join(filter(None, ("delivery", delivery["state"], delivery.get("error")))))
        if marks:
            say(f"[{', '.join(marks)}]", dim=True)


def _name_of(author: dict[str, Any]) -> str:
    return str(author.get("name") or author["kind"])


def _keys_of(message: dict[str, Any]) -> list[str]:
    """The message keys under which it stands in the chat: a long reply has several."""
    key = (message.get("source") or {}).get("message_key")
    return [*filter(None, [key]), *((message.get("delivery") or {}).get("message_keys") or ())]


def _told(message: dict[str, Any]) -> str:
    """Enough of a message to know it by."""
    words = " ".join(message["text"].split())
    return f"{_name_of(message['author'])}: {words if len(words) <= 60 else words[:59] + '…'}"


@app.command("reply")
def reply(
    ticket: str,
    text: str,
    mention: Annotated[list[str] | None, typer.Option(help="an agent's id; may be given several times")] = None,
) -> None:
    """Answer a ticket: TEXT (CommonMark) appears in the customer's thread or dialog."""
    body = {"text": text, "mentions": mention or []}
    in_doubt = f"The reply may have been taken: look with `okno tickets show {ticket}` before you send it again."
    message = post_once(f"/tickets/{ticket}/replies", body, in_doubt=in_doubt)
    say(f"{message['id']} {message['delivery']['state']}")
