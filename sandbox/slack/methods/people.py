"""users.*, bots.info, team.info, auth.test: who is there and who the caller is."""

from sandbox.slack import shapes
from sandbox.slack.errors import SlackError
from sandbox.slack.methods.app import App, page_of
from sandbox.slack.model import Json, User

LIST_PAGE = 200


def info(app: App, arguments: Json) -> Json:
    """One user."""
    user = app.workspace.users.get(arguments["user"])
    if user is None:
        raise SlackError("user_not_found")
    return {"user": _json(app, user, arguments)}


def list_all(app: App, arguments: Json) -> Json:
    """All users, bots included."""
    page, more = page_of(list(app.workspace.users.values()), arguments, LIST_PAGE)
    return {"members": [_json(app, user, arguments) for user in page]} | more


def lookup_by_email(app: App, arguments: Json) -> Json:
    """The user of an address; a miss is users_not_found, in the plural."""
    wanted = arguments["email"].casefold()
    for user in app.workspace.users.values():
        if user.email is not None and user.email.casefold() == wanted and not user.deleted:
            return {"user": _json(app, user, arguments)}
    raise SlackError("users_not_found")


def bot_info(app: App, arguments: Json) -> Json:
    """One bot, by its bot id."""
    for user in app.workspace.users.values():
        if user.bot_id == arguments["bot"]:
            return {"bot": shapes.bot_profile(user, app.workspace.identity) | {"user_id": user.id}}
    raise SlackError("bot_not_found")


def team_info(app: App, _arguments: Json) -> Json:
    """The workspace."""
    identity = app.workspace.identity
    team = {"id": identity.team_id, "name": identity.team_name, "domain": identity.domain, "url": identity.url}
    return {"team": team | {"email_domain": "", "icon": {"image_default": True}}}


def auth_test(app: App, _arguments: Json) -> Json:
    """Whose token this is."""
    identity = app.workspace.identity
    return {
        "url": identity.url,
        "team": identity.team_name,
        "user": app.workspace.bot.name,
        "team_id": identity.team_id,
        "user_id": identity.bot_user_id,
        "bot_id": identity.bot_id,
        "is_enterprise_install": False,
    }


def api_test(_app: App, arguments: Json) -> Json:
    """Answers with its arguments; an argument `error` is the error to answer with."""
    if "error" in arguments:
        raise SlackError(arguments["error"], args=arguments)
    return {"args": arguments}


def _json(app: App, user: User, arguments: Json) -> Json:
    return shapes.user_json(
        user,
        app.workspace.identity,
        email="users:read.email" in app.scopes,
        locale=arguments.get("include_locale", False),
    )
