"""Who the simulated workspace and the app in it are: fixed values, so a stack can be configured before it starts."""

from dataclasses import dataclass

ALL_SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:join",
        "channels:read",
        "chat:write",
        "chat:write.customize",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "mpim:history",
        "mpim:read",
        "mpim:write",
        "reactions:read",
        "reactions:write",
        "team:read",
        "users:read",
        "users:read.email",
    }
)


@dataclass(frozen=True, slots=True)
class Identity:
    """The workspace, the app installed in it, and the app's secrets."""

    team_id: str = "T0SANDBOX"
    team_name: str = "Sandbox"
    domain: str = "okno-sandbox"
    app_id: str = "A0SANDBOX"
    bot_user_id: str = "U0SANDBOT"
    bot_id: str = "B0SANDBOT"
    bot_name: str = "okno"
    bot_token: str = "xoxb-sandbox-bot-token"  # noqa: S105 - a secret of nothing but the simulation
    app_token: str = "xapp-sandbox-app-token"  # noqa: S105 - the same
    signing_secret: str = "sandbox-signing-secret"  # noqa: S105 - the same
    verification_token: str = "sandbox-verification-token"  # noqa: S105 - the same

    @property
    def url(self) -> str:
        """The workspace's address, as auth.test and permalinks show it."""
        return f"https://{self.domain}.slack.com/"
