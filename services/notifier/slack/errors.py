"""What Slack's error codes mean for a delivery: one table, made into outcomes in one place.

Sources: the lists of errors on docs.slack.dev's pages of chat.postMessage, chat.update, chat.delete,
conversations.replies and conversations.history. A code that isn't listed ends the delivery as failed and is named
there: Slack refused, so nothing was posted, and trying again for ever would hold up the conversation.
"""

from __future__ import annotations

from enum import Enum

from contracts.chat_receipts_v1 import DeliveryError


class Meaning(Enum):
    """What a code says about a call."""

    REFUSED = "refused"  # never, for this message or channel
    DEAD = "dead"  # never, for the whole workspace, until someone connects it again
    LATER = "later"  # not done; try again
    DOUBTFUL = "doubtful"  # Slack doesn't know itself
    DONE = "done"  # what was asked for is already so


_ARCHIVED = "The channel is archived. Unarchive it in Slack, then send again."
_NO_CHANNEL = (
    "Slack doesn't find the channel, or Okno has no access to it. Invite the app to the channel, then send again."
)
_NOT_IN = "The app isn't a member of the channel. Invite it there, then send again."
_LONG = "The text is too long for Slack. Shorten it."
_EMPTY = "There is no text to post."
_RESTRICTED = "The workspace doesn't let the app post here. Ask its administrators."
_THREAD = "The thread is gone or takes no replies: its first message may have been deleted."
_GONE = "The message isn't in Slack any more."
_NOT_OURS = "Slack doesn't let the app change this message."
_WINDOW = "The time in which the workspace allows edits is over."
_SCOPE = "The app lacks a permission. An administrator has to install it again with all permissions."
_FORMAT = "Slack refused how the text is formatted."
_USER = "Slack doesn't find that person."
_DEAD = "Okno has lost its access to the Slack workspace. Connect it again, then send again."
_BUSY = "Slack is busy. Okno tries again by itself."
_UNSURE = "Slack reported an internal error and doesn't say whether the message was posted. Okno is finding out."

R, D, L, U, F = Meaning.REFUSED, Meaning.DEAD, Meaning.LATER, Meaning.DOUBTFUL, Meaning.DONE
CODES: dict[str, tuple[Meaning, str]] = {
    "channel_not_found": (R, _NO_CHANNEL),
    "not_in_channel": (R, _NOT_IN),
    "is_archived": (R, _ARCHIVED),
    "channel_type_not_supported": (R, _RESTRICTED),
    "is_inactive": (R, _NO_CHANNEL),
    "method_not_supported_for_channel_type": (R, _RESTRICTED),
    "msg_too_long": (R, _LONG),
    "msg_blocks_too_long": (R, _LONG),
    "no_text": (R, _EMPTY),
    "invalid_blocks": (R, _FORMAT),
    "invalid_blocks_format": (R, _FORMAT),
    "invalid_attachments": (R, _FORMAT),
    "too_many_attachments": (R, _FORMAT),
    "markdown_text_conflict": (R, _FORMAT),
    "metadata_too_large": (R, _FORMAT),
    "metadata_must_be_sent_from_app": (R, _SCOPE),
    "invalid_metadata_format": (R, _FORMAT),
    "invalid_metadata_schema": (R, _FORMAT),
    "restricted_action": (R, _RESTRICTED),
    "restricted_action_read_only_channel": (R, _RESTRICTED),
    "restricted_action_thread_only_channel": (R, _RESTRICTED),
    "restricted_action_thread_locked": (R, _RESTRICTED),
    "restricted_action_non_threadable_channel": (R, _RESTRICTED),
    "duplicate_channel_not_found": (R, _NO_CHANNEL),
    "duplicate_message_not_found": (R, _GONE),
    "messages_tab_disabled": (R, _RESTRICTED),
    "slack_connect_file_link_sharing_blocked": (R, _RESTRICTED),
    "slack_connect_blocked_file_type": (R, _RESTRICTED),
    "slack_connect_canvas_sharing_blocked": (R, _RESTRICTED),
    "cannot_reply_to_message": (R, _THREAD),
    "thread_not_found": (R, _THREAD),
    "message_not_found": (R, _GONE),
    "cant_update_message": (R, _NOT_OURS),
    "cant_delete_message": (R, _NOT_OURS),
    "edit_window_closed": (R, _WINDOW),
    "compliance_exports_prevent_deletion": (R, _NOT_OURS),
    "external_channel_migrating": (L, _BUSY),
    "missing_scope": (R, _SCOPE),
    "no_permission": (R, _SCOPE),
    "not_allowed_token_type": (R, _SCOPE),
    "access_denied": (R, _SCOPE),
    "ekm_access_denied": (R, _RESTRICTED),
    "user_not_found": (R, _USER),
    "user_not_visible": (R, _USER),
    "cannot_dm_bot": (R, _USER),
    "as_user_not_supported": (R, _FORMAT),
    "invalid_arguments": (R, _FORMAT),
    "invalid_arg_name": (R, _FORMAT),
    "invalid_array_arg": (R, _FORMAT),
    "invalid_charset": (R, _FORMAT),
    "invalid_form_data": (R, _FORMAT),
    "invalid_post_type": (R, _FORMAT),
    "missing_post_type": (R, _FORMAT),
    "deprecated_endpoint": (R, _FORMAT),
    "method_deprecated": (R, _FORMAT),
    "two_factor_setup_required": (R, _SCOPE),
    "invalid_auth": (D, _DEAD),
    "not_authed": (D, _DEAD),
    "account_inactive": (D, _DEAD),
    "token_revoked": (D, _DEAD),
    "token_expired": (D, _DEAD),
    "org_login_required": (D, _DEAD),
    "enterprise_is_restricted": (D, _DEAD),
    "team_access_not_granted": (D, _DEAD),
    "app_uninstalled": (D, _DEAD),
    "ratelimited": (L, _BUSY),
    "rate_limited": (L, _BUSY),
    "message_limit_exceeded": (L, _BUSY),
    "service_unavailable": (L, _BUSY),
    "request_timeout": (L, _BUSY),
    "team_added_to_org": (L, _BUSY),
    "accesslimited": (R, _RESTRICTED),
    "internal_error": (U, _UNSURE),
    "fatal_error": (U, _UNSURE),
    "already_reacted": (F, "It is there already."),
    "no_reaction": (F, "It wasn't there."),
}

REMOVED = frozenset({"message_not_found", "thread_not_found"})
"""What a deletion takes for success: the message isn't there."""


def meaning_of(code: str) -> Meaning:
    """What a code says; an unknown one is a refusal."""
    return CODES[code][0] if code in CODES else Meaning.REFUSED


def explain(code: str) -> DeliveryError:
    """A code as an agent reads it."""
    text = CODES[code][1] if code in CODES else f"Slack refused the message ({code})."
    return DeliveryError(code=code, text=text)
