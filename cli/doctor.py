"""`okno doctor`: looks at everything Okno needs and says, line by line, what is wrong and what to do."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import typer

from cli.environment import optional
from cli.output import say
from cli.processes import KINDS, SERVICES, ProcessKind, migration_folders

SECONDS = 10
_PRESENT = "SELECT nspname FROM pg_namespace WHERE nspname = ANY($1::text[]) AND has_schema_privilege(oid, 'USAGE')"


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok` None means that there was nothing to check."""

    name: str
    ok: bool | None
    text: str
    hint: str = ""


def doctor() -> None:
    """Check settings, Kafka, topics, the database and the platforms' credentials; exit 1 when something is wrong."""
    findings = asyncio.run(_examine())
    for finding in findings:
        mark, colour = {True: ("ok", "green"), False: ("WRONG", "red"), None: ("--", "yellow")}[finding.ok]
        say(f"{mark:>5}  ", fg=colour, end="")
        say(f"{finding.name}: {finding.text}")
        if finding.hint and not finding.ok:
            say(f"       {finding.hint}")
    if any(finding.ok is False for finding in findings):
        raise typer.Exit(1)


async def _examine() -> list[Finding]:
    found = [_settings()]
    for check in (_kafka, _database, _slack, _telegram):
        found += await _bounded(check)
    return found


async def _bounded(check: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    name = check.__name__.lstrip("_")
    try:
        async with asyncio.timeout(SECONDS):
            return await check()
    except TimeoutError:
        return [Finding(name, False, f"no answer within {SECONDS} s", "Is the address right, and reachable from here?")]


def _settings() -> Finding:
    """Every process whose settings the environment holds can start; the others are named with what they lack."""
    from chassis.settings import SettingsRefused, read

    environ = _environment()
    lacking = []
    for kind in filter(ProcessKind.present, KINDS.values()):
        try:
            read(kind.settings_class(), environ)
        except SettingsRefused as refused:
            names = [
                line.split()[0] for line in str(refused).splitlines() if line.startswith("  ") and line[2:3].isupper()
            ]
            lacking.append(f"{kind.name} ({', '.join(names)})")
    if not lacking:
        return Finding("settings", True, "every process could start from this environment")
    return Finding(
        "settings", None, f"not set here for {'; '.join(lacking)}", "docs/configuration.md lists all settings."
    )


async def _kafka() -> list[Finding]:
    from aiokafka.errors import KafkaError

    from chassis import topics_admin
    from chassis.settings import KafkaSettings, SettingsRefused, read

    environ = _environment()
    if "KAFKA_BOOTSTRAP_SERVERS" not in environ:
        return [_unset("kafka", "KAFKA_BOOTSTRAP_SERVERS")]
    try:
        differences = await topics_admin.check(read(KafkaSettings, environ))
    except SettingsRefused as refused:
        return [Finding("kafka", False, str(refused).splitlines()[2].strip())]
    except topics_admin.TopicsRefused as refused:
        topics = Finding("topics", False, str(refused), "May this user describe topics and their settings?")
    except (KafkaError, OSError) as error:
        hint = "Is Kafka up, and KAFKA_BOOTSTRAP_SERVERS right?"
        return [Finding("kafka", False, f"doesn't answer: {error!r}", hint)]
    else:
        topics = (
            Finding("topics", False, "; ".join(map(str, differences[:5])), "Run `okno topics apply`.")
            if differences
            else Finding("topics", True, "as the registry wants them")
        )
    return [Finding("kafka", True, environ["KAFKA_BOOTSTRAP_SERVERS"]), topics]


async def _database() -> list[Finding]:
    """A schema that isn't here while others are is not wrong: its service may have a database of its own."""
    import asyncpg

    dsn = _environment().get("DATABASE_URL")
    if dsn is None:
        return [_unset("database", "DATABASE_URL")]
    try:
        present = await _present(dsn)
        return [
            await _schema(dsn, service) if service in present or not present else _elsewhere(service)
            for service in SERVICES
        ]
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return [Finding("database", False, f"can't connect: {error}", "Is PostgreSQL up, and DATABASE_URL right?")]


async def _present(dsn: str) -> set[str]:
    """The services' schemas that the database has for this user."""
    from chassis.database import Database

    database = await Database.connect(dsn, schema="public", process="okno-doctor", max_size=1)
    try:
        return {row["nspname"] for row in await database.pool.fetch(_PRESENT, list(SERVICES))}
    finally:
        await database.close()


async def _schema(dsn: str, service: str) -> Finding:
    """Raises the errors of the connection."""
    import asyncpg

    from chassis.database import Database
    from chassis.migrations import MigrationRefused, SchemaOutdated, check_schema

    name = f"schema {service}"
    database = await Database.connect(dsn, schema=service, process="okno-doctor")
    try:
        await check_schema(database, migration_folders(service))
    except SchemaOutdated as error:
        return Finding(name, False, str(error), "Run `okno migrate`.")
    except MigrationRefused as error:
        return Finding(name, False, str(error), "Is this the version of Okno that runs there?")
    except asyncpg.PostgresError as error:
        return Finding(name, False, f"can't be read: {error}", f"Is DATABASE_URL that of {service}?")
    finally:
        await database.close()
    return Finding(name, True, "up to date")


def _elsewhere(service: str) -> Finding:
    return Finding(
        f"schema {service}",
        None,
        "not checked: not in this database, or not for this user",
        f"Has {service} a database or a login of its own, look with that: `DATABASE_URL=... okno doctor`. "
        f"If not, `okno migrate --service {service}` makes the schema.",
    )


async def _slack() -> list[Finding]:
    environ = _environment()
    token = environ.get("SLACK_BOT_TOKEN")
    if token is None:
        return [_unset("slack", "SLACK_BOT_TOKEN")]
    url = environ.get("SLACK_API_URL", "https://slack.com/api/")
    answer = await _post(f"{url.rstrip('/')}/auth.test", {"Authorization": f"Bearer {token}"})
    if isinstance(answer, str):
        return [Finding("slack", False, answer, "Is SLACK_API_URL right, and may this machine reach it?")]
    if answer.get("ok"):
        return [Finding("slack", True, f"{answer.get('user_id')} in workspace {answer.get('team_id')}")]
    return [
        Finding(
            "slack", False, f"auth.test says {answer.get('error')}", "Take the bot token from the app's OAuth page."
        )
    ]


async def _telegram() -> list[Finding]:
    environ = _environment()
    token = environ.get("TELEGRAM_BOT_TOKEN")
    if token is None:
        return [_unset("telegram", "TELEGRAM_BOT_TOKEN")]
    url = environ.get("TELEGRAM_API_URL", "https://api.telegram.org").rstrip("/")
    answer = await _post(f"{url}/bot{token}/getMe", {})
    if isinstance(answer, str):
        return [Finding("telegram", False, answer, "Is TELEGRAM_API_URL right, and may this machine reach it?")]
    if answer.get("ok"):
        return [Finding("telegram", True, f"@{answer['result'].get('username')}")]
    return [
        Finding(
            "telegram",
            False,
            f"getMe says {answer.get('description')}",
            "Ask @BotFather for it.",
        )
    ]


async def _post(url: str, headers: dict[str, str]) -> dict[str, Any] | str:
    """The answer, or why there is none."""
    import httpx

    async with httpx.AsyncClient(timeout=SECONDS) as client:
        try:
            answer = (await client.post(url, headers=headers)).json()
        except (httpx.HTTPError, ValueError) as error:
            return f"nothing readable from {httpx.URL(url).host} ({type(error).__name__})"
    return answer if isinstance(answer, dict) else f"no JSON object from {httpx.URL(url).host}"


def _environment() -> dict[str, str]:
    """The environment, completed from the background stack's file where a variable is not set."""
    known = {
        "DATABASE_URL": ("postgres", "dsn"),
        "KAFKA_BOOTSTRAP_SERVERS": ("kafka", "bootstrap_servers"),
        "SLACK_BOT_TOKEN": ("slack", "bot_token"),
        "SLACK_API_URL": ("slack", "api_url"),
        "SLACK_SIGNING_SECRET": ("slack", "signing_secret"),
        "TELEGRAM_BOT_TOKEN": ("telegram", "bot_token"),
        "TELEGRAM_API_URL": ("telegram", "api_url"),
        "TELEGRAM_SECRET_TOKEN": ("telegram", "secret_token"),
    }
    filled = {name: value for name, path in known.items() if (value := optional(name, *path))}
    return {**{name: value for name, value in os.environ.items() if value}, **filled}


def _unset(name: str, variable: str) -> Finding:
    return Finding(name, None, f"not checked: {variable} is not set", f"Set {variable} as the services have it.")
