#!/bin/sh
# The pages of options and errors have what the protos and the sources have, and nothing else. It reads
# the source tree that the page in the runfiles is of.
set -eu
cd "$(dirname "$(readlink -f proto/OPTIONS.md)")/.."
exec python3 - <<'END'
import pathlib
import re
import sys

failures = []


def rows(page):
    table = pathlib.Path(page).read_text().split("\n## ")[0]
    lines = [line.strip().strip("|").split("|") for line in table.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line] for line in lines]
    return {row[0].strip("`"): row for row in cells}


def compare(page, what, there, named):
    for name in sorted(there - named):
        failures.append(f"{page} has no row for the {what} {name}")
    for name in sorted(named - there):
        failures.append(f"{page} has a row for {name}, which is no {what}")


def spec_fields():
    proto = pathlib.Path("proto/zlayer/v1/build.proto").read_text()
    body = proto.split("message BuildSpec {")[1].split("message Output")[0]
    return set(re.findall(r"^\s+(?:[\w.<>, ]+) (\w+) = \d+;", body, re.MULTILINE))


def check_tests(page, table):
    for name, row in table.items():
        path, _, test = row[-1].rpartition(":")
        file = pathlib.Path(path)
        if not file.is_file() or not re.search(rf"\b{test}\b", file.read_text()):
            failures.append(f"{page}: there is no test {test} in {path} (of {name})")


CALL = re.compile(r"\b(?:set_reason|WithReason|WithOption|Unavailable|Refused|reason ==)")


def reasons():
    found = set()
    for top in ("backends", "client", "daemon", "proto", "registry"):
        for file in pathlib.Path(top).rglob("*.cc"):
            if "_test.cc" in file.name or "testing" in file.parts:
                continue
            # Of each statement that gives a reason: the literals in capitals. Sentences may have
            # any character.
            text = re.sub(r'"(?:\\.|[^"\\\n])*"', lambda m: '""' if " " in m[0] else m[0], file.read_text())
            found |= set(re.findall(r'DependencyError{\s*"([A-Z_]+)"', text))
            for members in re.findall(r"YamlFile \w+{([^}]*)}", text):
                found |= set(re.findall(r'"([A-Z_]+)"', members))
            for statement in re.split(r"[;{}]", text):
                if CALL.search(statement):
                    found |= set(re.findall(r'"([A-Z][A-Z]+(?:_[A-Z]+)+)"', statement))
    return found


options = rows("proto/OPTIONS.md")
compare("proto/OPTIONS.md", "field of BuildSpec", spec_fields(), set(options))
check_tests("proto/OPTIONS.md", options)
errors = rows("proto/ERRORS.md")
compare("proto/ERRORS.md", "reason in the sources", reasons(), set(errors))
check_tests("proto/ERRORS.md", errors)
for failure in failures:
    print("FAILED:", failure)
sys.exit(1 if failures else 0)
END
