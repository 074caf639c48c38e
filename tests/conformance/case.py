"""The cases: what is built, and how a case's folder becomes a context.

A case is a folder below cases/ with a Dockerfile, the files of its context, and beside them, in no
context:

  case.json        about: what it shows; and what a build is told: dockerfile, target, args (NAME to
                   value), contexts (NAME to value), times (paths whose modification time counts),
                   before (pairs of a Dockerfile and the name of the image that it makes, built
                   first), outdated (peer to the reason why it is not asked), www (path to content),
                   leaves (mount points that the peers leave behind)
  expected.txt     the record (record.py)
  setup.sh         makes, in the context, what git cannot hold
  peer.Dockerfile  says the same in the language of older builders, who cannot read the Dockerfile
  www/ git/ contexts/   what servers.py serves, and named contexts

@HTTP@, @GIT@ and @CASE@ in Dockerfiles and in case.json stand for the servers' addresses and for the
case's work directory. contexts.json lists cases of the same kind in ZLAYER_SHARED, with their records
in contexts/.
"""
import dataclasses
import json
import os
import shutil
import subprocess

import record

HERE = os.path.dirname(os.path.abspath(__file__))
_TIME = 1_700_000_000  # of all files of a context
_APART = ("case.json", "expected.txt", "setup.sh", "peer.Dockerfile", "www", "git", "contexts")
_ENVIRONMENT = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com",
                "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com",
                "GIT_AUTHOR_DATE": f"{_TIME} +0000", "GIT_COMMITTER_DATE": f"{_TIME} +0000",
                "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    source: str  # folder
    expected: str  # path of the record
    told: dict  # case.json
    apart: tuple  # names in `source` that are not in the context

    @property
    def record(self):
        """The record, or None where there is none yet."""
        if not os.path.exists(self.expected):
            return None
        with open(self.expected, encoding="utf-8") as file:
            return record.parse(file.read())


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A case as it is built."""
    case: Case
    context: str
    peer_dockerfile: str  # path; empty where older builders read the Dockerfile itself
    told: dict  # with addresses filled in
    replacements: tuple  # (address, what stands for it)


def _own(name):
    source = os.path.join(HERE, "cases", name)
    with open(os.path.join(source, "case.json"), encoding="utf-8") as file:
        return Case(name, source, os.path.join(source, "expected.txt"), json.load(file), _APART)


def load():
    """(cases, names of those whose data is not here)."""
    cases = [_own(name) for name in sorted(os.listdir(os.path.join(HERE, "cases")))]
    missing = []
    shared = os.path.join(os.environ.get("ZLAYER_SHARED") or "/nonexistent", "conformance", "contexts")
    with open(os.path.join(HERE, "contexts.json"), encoding="utf-8") as file:
        for told in json.load(file):
            name = "contexts-" + told["name"]
            case = Case(name, os.path.join(shared, told["context"]),
                        os.path.join(HERE, "contexts", told["name"] + ".txt"), told, ())
            if os.path.isdir(case.source):
                cases.append(case)
            else:
                missing.append(name)
    return cases, missing


def pending():
    """{name of a case that is known to fail: why}."""
    with open(os.path.join(HERE, "pending.txt"), encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    return {name: reason.strip() for name, _, reason in (line.partition(":") for line in lines)}


def _normalise(directory):
    """What a checkout leaves open: owners, the modes' other bits, times. Links are not followed."""
    for parent, directories, files in os.walk(directory):
        for name in directories + files:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                executable = os.path.isdir(path) or os.stat(path).st_mode & 0o100
                os.chmod(path, 0o755 if executable else 0o644)
            os.chown(path, 0, 0, follow_symlinks=False)
    for parent, directories, files in os.walk(directory, topdown=False):
        for name in directories + files:
            os.utime(os.path.join(parent, name), (_TIME, _TIME), follow_symlinks=False)


def _replace(text, replacements):
    for address, stands_for in replacements:
        text = text.replace(stands_for, address)
    return text


def _fill_in(path, replacements):
    with open(path, "rb") as file:
        content = file.read()
    filled = content
    for address, stands_for in replacements:
        filled = filled.replace(stands_for.encode(), address.encode())
    if filled != content:
        with open(path, "wb") as file:
            file.write(filled)


def prepare(case, work, servers):
    """Copies a case into the work directory, where nothing of it was before."""
    directory = os.path.join(work, case.name)
    context = os.path.join(directory, "context")
    replacements = ((f"{servers.http}/{case.name}", "@HTTP@"),
                    (f"{servers.git}/{case.name}/git", "@GIT@"), (directory, "@CASE@"))
    # Bazel's runfiles are links to the files; those of other projects are as they are.
    shutil.copytree(case.source, context, symlinks=not case.apart)
    for name in ("www", "git", "contexts"):
        if name in case.apart and os.path.isdir(os.path.join(context, name)):
            shutil.move(os.path.join(context, name), directory)
    for name, content in case.told.get("www", {}).items():
        path = os.path.join(directory, "www", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
    _normalise(directory)
    setup = os.path.join(context, "setup.sh")
    if "setup.sh" in case.apart and os.path.exists(setup):
        shutil.move(setup, directory)
        subprocess.run(["sh", "-eu", "../setup.sh"], cwd=context, check=True,
                       env={**os.environ, **_ENVIRONMENT}, stdout=subprocess.DEVNULL)
    for name in case.apart:
        if os.path.isfile(os.path.join(context, name)):
            shutil.move(os.path.join(context, name), directory)
    told = json.loads(_replace(json.dumps(case.told), replacements))
    for text, other in told.get("replace", {}).items():  # in Dockerfiles of other projects
        replacements = ((_replace(other, replacements), text), *replacements)
    for folder in (directory, context):
        for name in os.listdir(folder):
            if "Dockerfile" in name and os.path.isfile(os.path.join(folder, name)):
                _fill_in(os.path.join(folder, name), replacements)
    peer = os.path.join(directory, "peer.Dockerfile")
    return Prepared(case, context, peer if os.path.exists(peer) else "", told, replacements)
