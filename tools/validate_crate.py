"""Check a crate with the community's validator, without a network.

    BUILD/bin/python tools/validate_crate.py CRATE

The validator (roc-validator) needs an older `rich` than rsweep, so `make build/crate-validator`
builds an environment of its own for it. It reads JSON-LD contexts from the network; here the one
that comes with the package `rocrate` (of RO-Crate 1.3) stands for those of all versions, with the
names of workflows and parameters as version 1.1 has them, by which the validator looks for them.
"""

import importlib.util
import json
import sys
from pathlib import Path

import requests
from rocrate_validator import models, services
from rocrate_validator.utils.http import HttpRequester

OF_1_1 = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}


def context() -> bytes:
    """RO-Crate's context as the package rocrate has it, with the terms of version 1.1."""
    package = importlib.util.find_spec("rocrate")
    found = json.loads((Path(package.origin).parent / "data" / "ro-crate.jsonld").read_text())
    found["@context"].update(OF_1_1)
    return json.dumps(found).encode()


def answer(_: HttpRequester, url: str, **__: object) -> requests.Response:
    """What a request gives: the context, or "not found"."""
    found = requests.Response()
    found.url = url
    found.status_code = 200 if url.startswith("https://w3id.org/ro/crate/") else 404
    found._content = context() if found.status_code == 200 else b""
    found.headers["Content-Type"] = "application/ld+json"
    return found


def main(crate: str) -> int:
    """Print what is wrong; 0 if nothing that a crate must have is."""
    for name in ("get", "head", "fetch_fresh"):
        setattr(HttpRequester, name, answer)
    settings = services.ValidationSettings(
        rocrate_uri=crate,
        profile_identifier="workflow-run-crate",
        requirement_severity=models.Severity.REQUIRED,
    )
    result = services.validate(settings)
    issues = [f"{i.severity.name}: {i.check.identifier}: {i.message}" for i in result.get_issues()]
    print("\n".join(issues) or json.dumps({"valid": True, "profile": "workflow-run-crate"}))
    return 1 if issues else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
