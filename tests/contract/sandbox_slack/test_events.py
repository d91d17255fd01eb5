"""What the app is told, and in what form."""

from slack_sdk.signature import SignatureVerifier

from tests.contract.sandbox_slack.world import World


async def test_a_post_reaches_the_app_in_a_signed_envelope(world: World) -> None:
    ts = await world.say("hi & <bye>")
    await world.idle()
    (received,) = world.app.received
    assert SignatureVerifier(world.simulation.identity.signing_secret).is_valid_request(received.body, received.headers)
    body = received.json
    event = body.pop("event")
    event_id = body.pop("event_id")
    assert event_id.startswith("Ev")
    assert body == {
        "token": "sandbox-verification-token",
        "team_id": "T0SANDBOX",
        "context_team_id": "T0SANDBOX",
        "context_enterprise_id": None,
        "api_app_id": "A0SANDBOX",
        "type": "event_callback",
        "event_time": int(float(ts)),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": "T0SANDBOX",
                "user_id": "U0SANDBOT",
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": f"4-{event_id}",
    }
    block = event.pop("blocks")[0]
    assert block["elements"][0]["elements"] == [{"type": "text", "text": "hi & <bye>"}]
    assert event.pop("client_msg_id")
    assert event == {
        "type": "message",
        "user": world.customer,
        "text": "hi &amp; &lt;bye&gt;",
        "ts": ts,
        "team": "T0SANDBOX",
        "channel": world.channel,
        "event_ts": ts,
        "channel_type": "channel",
    }
