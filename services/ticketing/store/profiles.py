"""Names of people and channels. A late profile names earlier messages too: they keep the key, names are looked up."""

from collections.abc import Sequence
from datetime import datetime

from chassis.database import Connection
from contracts import ids
from contracts.chat_profiles_v1 import ChannelProfile, PersonProfile
from services.ticketing.domain.ticket import printable
from services.ticketing.store.rows import Column, arrays, unnested

_PERSON: tuple[Column[PersonProfile], ...] = (
    Column("person_key", "text", lambda p: p.person_key),
    Column("contact_id", "text", lambda p: ids.contact(p.person_key)),
    Column("name", "text", lambda p: printable(p.name)),
    Column("real_name", "text", lambda p: p.real_name and printable(p.real_name)),
    Column("email", "text", lambda p: p.email and printable(p.email)),
    Column("time_zone", "text", lambda p: p.time_zone),
    Column("locale", "text", lambda p: p.locale),
    Column("avatar_url", "text", lambda p: p.avatar_url and printable(p.avatar_url)),
    Column("is_bot", "boolean", lambda p: p.is_bot),
    Column("profile_at", "timestamptz", lambda p: p.updated_at),
)
_COLUMNS = ", ".join(column.name for column in _PERSON)
_SETS = ", ".join(f"{c.name} = excluded.{c.name}" for c in _PERSON if c.name not in {"person_key", "contact_id"})
_PEOPLE = f"""
WITH people AS (SELECT * FROM {unnested(_PERSON)}), c AS (
    INSERT INTO contacts (id, created_at)
    SELECT contact_id, ${len(_PERSON) + 1}::timestamptz FROM people
    WHERE NOT EXISTS (SELECT FROM identities i WHERE i.person_key = people.person_key)
    ORDER BY 1 ON CONFLICT DO NOTHING
)
INSERT INTO identities ({_COLUMNS}) SELECT {_COLUMNS} FROM people ORDER BY person_key
ON CONFLICT (person_key) DO UPDATE SET {_SETS}
WHERE identities.profile_at IS NULL OR identities.profile_at <= excluded.profile_at"""  # noqa: S608

_CHANNEL: tuple[Column[ChannelProfile], ...] = (
    Column("channel_key", "text", lambda p: p.channel_key),
    Column("name", "text", lambda p: printable(p.name)),
    Column("type", "text", lambda p: None if p.type is None else p.type.value),
    Column("profile_at", "timestamptz", lambda p: p.updated_at),
)
_CHANNELS = f"""
INSERT INTO channels (channel_key, name, type, profile_at) SELECT * FROM {unnested(_CHANNEL)}
ON CONFLICT (channel_key) DO UPDATE
SET name = excluded.name, type = coalesce(excluded.type, channels.type), profile_at = excluded.profile_at
WHERE channels.profile_at IS NULL OR channels.profile_at <= excluded.profile_at"""  # noqa: S608


async def store_profiles(
    connection: Connection, profiles: Sequence[PersonProfile | ChannelProfile], now: datetime
) -> None:
    """The latest of each key counts, also among rows of one batch."""
    people: dict[str, PersonProfile] = {}
    channels: dict[str, ChannelProfile] = {}
    for one in sorted(profiles, key=lambda profile: profile.updated_at):
        if isinstance(one, PersonProfile):
            people[one.person_key] = one
        else:
            channels[one.channel_key] = one
    if people:
        await connection.execute(_PEOPLE, *arrays(_PERSON, [people[key] for key in sorted(people)]), now)
    if channels:
        await connection.execute(_CHANNELS, *arrays(_CHANNEL, [channels[key] for key in sorted(channels)]))
