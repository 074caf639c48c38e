"""Checks a registry against the OCI distribution specification 1.1, endpoint by endpoint.

    distribution.py URL [--ca FILE]

Prints "PASS end-4a: ..." or "FAIL end-4a: ..." for each check and exits with 1 where one failed. The
registry must be writable; what is pushed goes to repositories below "conformance/", and most of it
is deleted again. What the specification allows but does not ask for (deletion, mounting, monolithic
upload by one POST) is asked for here.
"""

import argparse
import http.client
import sys

from distribution_blobs import BlobChecks
from distribution_lists import ListChecks
from distribution_manifests import ManifestChecks
from registry_client import Checks, Failed, Registry


class BaseChecks(Checks):
    def check_base(self):
        """end-1: GET /v2/ answers 200"""
        self.ask("GET", "/v2/").is_(200)

    def check_unknown_path(self):
        """end-1: what is no endpoint answers 404"""
        self.ask("GET", "/v2/conformance/nothing/here").is_(404)


def passes(check, registry):
    """Runs it, and says what came of it. Its text begins with the id of the endpoint."""
    try:
        check()
        print("PASS", check.__doc__, flush=True)
        return True
    except (Failed, OSError, http.client.HTTPException, KeyError, TypeError, ValueError) as error:
        registry.connection.close()
        what = error if isinstance(error, Failed) else repr(error)
        print(f"FAIL {check.__doc__}: {what}", flush=True)
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url", help="http://127.0.0.1:5000")
    parser.add_argument("--ca", help="the certificate that signs the registry's, in PEM form")
    arguments = parser.parse_args()
    registry = Registry(arguments.url, arguments.ca)
    failures = 0
    for group in (BaseChecks, BlobChecks, ManifestChecks, ListChecks):
        checks = group(registry)
        for name in [name for name in vars(group) if name.startswith("check_")]:
            failures += not passes(getattr(checks, name), registry)
    print(f"{failures} checks failed" if failures else "all checks passed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
