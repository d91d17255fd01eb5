"""`okno policy`: check a policy document, or apply it through the ticketing API."""

from pathlib import Path
from typing import Any

import typer

from cli.api import call
from cli.failure import fail
from cli.output import say, show_yaml

app = typer.Typer(help="Check and apply the policy by which the router decides.", no_args_is_help=True)


def load(file: Path) -> Any:
    """The document, checked. Ends the command with each fault and its place."""
    import yaml
    from pydantic import ValidationError

    from contracts.desk_policy_v1 import Policy

    try:
        document = yaml.safe_load(file.read_text()) or {}
    except OSError as error:
        fail(f"{file} can't be read: {error.strerror}.")
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        fail(f"{file} is not YAML: {error}")
    try:
        Policy.to_apply(document)
    except ValidationError as error:
        faults = [
            f"  {'.'.join(map(str, fault['loc'])) or 'document'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        ]
        fail("\n".join([f"{file} is not a policy:", *faults]), "docs/policy.md describes every field.")
    return document


@app.command("check")
def check(file: Path) -> None:
    """Check a policy document without applying it."""
    document = load(file)
    count = len(document.get("answers") or ())
    say(f"{file} is a policy: {len(document.get('overrides') or ())} overrides, {count} automatic answers.")


@app.command("apply")
def apply(file: Path) -> None:
    """Check a policy document and make it the desk's policy; every router follows within a moment."""
    applied = call("PUT", "/policy", json=load(file))
    say(f"Policy version {applied['version']} is applied.")


@app.command("show")
def show() -> None:
    """Print the policy in force as YAML."""
    current = call("GET", "/policy")
    say(f"# version {current['version']}")
    show_yaml(current["document"])
