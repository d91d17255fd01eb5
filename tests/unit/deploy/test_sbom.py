from __future__ import annotations

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.sbom import bill, installed

LOCK = """\
# made by hand
aiokafka==0.14.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via -r chassis.in
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:cc
old==1 ; python_full_version < '3.13' \\
    --hash=sha256:dd
uvloop==0.22.1 ; sys_platform != 'win32' \\
    --hash=sha256:ee
"""


def test_a_bill_leaves_out_what_is_not_installed_on_linux_by_this_python() -> None:
    kept = installed(LOCK, "3.13")
    assert "aiokafka==0.14.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n" in kept
    assert "uvloop==0.22.1 \\\n" in kept
    assert "colorama" not in kept
    assert "old" not in kept
    assert "old==1" in installed(LOCK, "3.11")


def test_a_bill_names_every_package_with_its_version_and_hashes() -> None:
    made = bill("router", version="1.2.3")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(made)) is None
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert made["metadata"]["component"]["name"] == "okno-router"
    assert made["metadata"]["component"]["version"] == "1.2.3"
    purls = {component["purl"] for component in made["components"]}
    assert any(purl.startswith("pkg:pypi/aiokafka@") for purl in purls)
    for component in made["components"]:
        assert component["version"]
        assert any(reference.get("hashes") for reference in component["externalReferences"])
    root = made["dependencies"][0]
    assert set(root["dependsOn"]) == {component["bom-ref"] for component in made["components"]}
    assert "serialNumber" not in made, "the same lock gives the same bytes"
    assert "timestamp" not in made["metadata"]
