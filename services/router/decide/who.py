"""On whose side the author of a post stands. Our own bot comes first, then the desk, then other bots."""

from dataclasses import dataclass

from contracts.chat_events_v1 import MessagePosted
from contracts.ticket_commands_v1 import Role
from services.router.decide.known import StaffMember, View
from services.router.policy import ChannelRules


@dataclass(frozen=True, slots=True)
class Side:
    """`speaks` is false for bots that the policy doesn't list: what they post is not part of any conversation."""

    role: Role
    staff: StaffMember | None = None
    speaks: bool = True


CUSTOMER = Side(Role.CUSTOMER)
LISTED_BOT = Side(Role.BOT)
OTHER_BOT = Side(Role.BOT, speaks=False)


def side_of(event: MessagePosted, view: View, rules: ChannelRules) -> Side:
    """Everybody who is neither the desk's nor a bot is a customer."""
    author = event.author
    if staff := view.staff(author.key):
        return Side(Role.DESK, staff)
    if author.is_bot:
        return LISTED_BOT if rules.listed(author.key, author.bot_id) else OTHER_BOT
    return CUSTOMER


def is_echo(event: MessagePosted, view: View) -> bool:
    """Whether we posted it ourselves: the platform says so, its metadata has our delivery, or a receipt named it."""
    if event.author.is_self or event.delivery_id is not None:
        return True
    known = view.message(event.message_key)
    return known is not None and known.ours
