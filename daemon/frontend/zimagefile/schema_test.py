#!/usr/bin/env python3
"""Whether deploy/zimagefile.schema.json accepts and refuses the files in testdata as the parser does.

usage: schema_test.py SCHEMA TESTDATA
"""
import json
import pathlib
import sys

import jsonschema
import yaml

# What a schema cannot see: the lines of the file, what names mean, and what texts mean inside.
BEYOND_A_SCHEMA = {
    "annotations_variable", "base_marker", "env_brace", "healthcheck_list",
    "healthcheck_shell_words", "healthcheck_short", "mount_line_break", "platform",
    "platform_variable", "readonly_word", "stage_cycle", "stage_itself", "stage_later",
    "stage_platform_variable_and_os", "stage_same_name", "stopsignal", "tmpfs_size",
    "yaml_duplicate", "yaml_duplicate_mode", "yaml_merge", "yaml_nul"}


def load(file):
    """The document; None where it is not YAML, or not one document."""
    try:
        return yaml.safe_load(file.read_text("utf-8-sig"))
    except yaml.YAMLError:
        return None


def main():
    schema = json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8"))
    testdata = pathlib.Path(sys.argv[2])
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    failed = False
    good = sorted(testdata.glob("*/ZImagefile"))
    for file in good:
        for error in validator.iter_errors(load(file)):
            print(f"{file}: refused: {list(error.path)}: {error.message[:200]}")
            failed = True
    bad = sorted((testdata / "errors").glob("*.yaml"))
    for file in bad:
        document = load(file)
        accepted = document is not None and validator.is_valid(document)
        if accepted != (file.stem in BEYOND_A_SCHEMA):
            print(f"{file}: {'accepted' if accepted else 'refused, and listed as beyond'}")
            failed = True
    print(f"{len(good)} good files, {len(bad)} bad ones")
    return 1 if failed or not good or not bad else 0


if __name__ == "__main__":
    sys.exit(main())
