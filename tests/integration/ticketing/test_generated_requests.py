"""Requests made from the API's own description, wrong ones too: each is answered as the description says."""

from __future__ import annotations

from typing import Any, cast

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chassis.clock import SystemClock
from chassis.database import Database
from services.ticketing.api.app import create_app
from tests.integration.ticketing.running_api import Api

EXAMPLES = 25
"""Of each operation, each asked twice."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

schema = schemathesis.openapi.from_dict(create_app(cast("Database", None), SystemClock()).openapi())
schema.config.phases.coverage.enabled = False  # thousands of requests for every run
schema.config.generation.update(deterministic=True, max_examples=EXAMPLES)


@schema.parametrize()
@settings(
    database=None, deadline=None, derandomize=True, max_examples=EXAMPLES, suppress_health_check=list(HealthCheck)
)
def test_generated_requests_are_answered_as_described(case: schemathesis.Case[Any], api: Api) -> None:
    """Also about things that exist, so that what comes behind a 404 is reached."""
    for path in (case.path_parameters, {name: api.known[name] for name in case.path_parameters}):
        case.path_parameters = path
        response = case.call(base_url=api.url, headers=api.headers)
        case.validate_response(response, checks=CHECKS)
