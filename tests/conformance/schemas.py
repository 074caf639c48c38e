#!/usr/bin/env python3
"""Checks the documents of OCI layouts against the JSON Schemas of the image specification.

usage: schemas.py DIRECTORY...

The layout file, its index, and every index, manifest and configuration that they name must be what
golang-github-opencontainers-image-spec-dev's schemas say. One line for each; exit status 1 on a
failure, 77 where the schemas are not installed.
"""
import json
import os
import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)

SCHEMAS = "/usr/share/gocode/src/github.com/opencontainers/image-spec/schema"
OF_MEDIA_TYPE = {
    "application/vnd.oci.image.index.v1+json": "image-index-schema.json",
    "application/vnd.oci.image.manifest.v1+json": "image-manifest-schema.json",
    "application/vnd.oci.image.config.v1+json": "config-schema.json",
}


def load(uri):
    """A schema by its file's name; the ids in it would change what its references mean."""
    with open(os.path.join(SCHEMAS, os.path.basename(uri))) as file:
        return _without_ids(json.load(file))


def _without_ids(value):
    if isinstance(value, dict):
        return {key: _without_ids(member) for key, member in value.items()
                if key not in ("id", "$schema") or not isinstance(member, str)}
    return [_without_ids(member) for member in value] if isinstance(value, list) else value


def check(schema, document, what):
    import jsonschema
    resolver = jsonschema.RefResolver(f"file:///{schema}", load(schema), handlers={"file": load})
    validator = jsonschema.Draft4Validator(load(schema), resolver=resolver)
    errors = [f"{'.'.join(map(str, error.path))}: {error.message}"
              for error in validator.iter_errors(document)]
    print(f"{'FAIL' if errors else 'PASS'} {schema} {what} {'; '.join(errors)}".rstrip())
    return not errors


def check_blob(layout, descriptor):
    schema = OF_MEDIA_TYPE.get(descriptor["mediaType"])
    path = os.path.join(layout, "blobs", *descriptor["digest"].split(":"))
    if schema is None or not os.path.exists(path):
        return True  # a layer, or an image of another platform that was not copied
    with open(path) as file:
        document = json.load(file)
    good = check(schema, document, descriptor["digest"])
    for named in document.get("manifests", []) + [document[key] for key in ("config",)
                                                  if "digest" in document.get(key, {})]:
        good = check_blob(layout, named) and good
    return good


def main():
    try:
        import jsonschema  # noqa: F401
    except ImportError:
        sys.exit(77)
    if not os.path.isdir(SCHEMAS):
        sys.exit(77)
    good = True
    for layout in sys.argv[1:]:
        for name, schema in (("oci-layout", "image-layout-schema.json"),
                             ("index.json", "image-index-schema.json")):
            with open(os.path.join(layout, name)) as file:
                document = json.load(file)
            good = check(schema, document, name) and good
            for descriptor in document.get("manifests", []):
                good = check_blob(layout, descriptor) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
