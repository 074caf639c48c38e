"""The comparison itself; run.sh installs what it needs and starts it."""
import argparse
import concurrent.futures
import dataclasses
import fnmatch
import os
import re
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "peers"))
import building  # noqa: E402
import case as cases_of  # noqa: E402
import record  # noqa: E402
from builders import Buildah, BuildKit, Zlayer, programs, remove_work  # noqa: E402
from servers import Servers  # noqa: E402

RULING = ("buildkit", "buildah")  # where they differ, the first that was asked rules
NOBODY = "nobody"
ESCAPED = "\nArgsEscaped: true"  # which Buildah does not write


def modern(body, other):
    """A body of this BuildKit in the words of a later one, whose history does not list ports as a map,
    knows one more option of HEALTHCHECK, the values of arguments and the flags of COPY and ADD. Values
    and flags are taken from the other body where that has them."""
    flags = re.compile(r' --(chown|chmod)=[^ "]+')
    known = [line for line in other.split("\n") if line.startswith(("  - ", "  + "))]
    lines = []
    for line in body.split("\n"):
        if line.startswith('  - "EXPOSE map['):
            line = line.replace("map[", "[").replace(":{}", "")
        if line.startswith('  - "HEALTHCHECK &{['):
            line = re.sub(r"( '\\\\x..'}\")$", r' \\"0s\\"\1', line)
        if line.startswith('  - "ARG '):
            name = re.match(r'  - "ARG [^= "]+', line).group()
            line = next((value for value in known if value.startswith(name + "=")), line)
        if line.startswith('  + "RUN '):  # in a stage that inherits arguments
            line = next((value for value in known if value.startswith('  + "RUN |') and
                         value.endswith(line.removeprefix('  + "RUN'))), line)
        if line.startswith(('  + "COPY ', '  + "ADD ')):
            line = next((value for value in known if flags.sub("", value) == line), line)
        if line in known:
            known.remove(line)
        lines.append(line)
    return "\n".join(lines)


def comparable(body, peer, equivalent=False):
    """What of a peer's image counts: Buildah writes histories, and cuts layers, in its own way."""
    return record.result(body) if peer == "buildah" or equivalent else body


def visible(body):
    """What a container sees: to have no directory is to have the root."""
    return record.result(body).replace('\nWorkingDir: "/"', "").replace(ESCAPED, "")


def reason(message):
    """The last words of a builder's message."""
    lines = [line for line in message.split("\n") if line and not line.startswith(("#", "\t"))]
    return " / ".join(lines[-2:])[-300:]


@dataclasses.dataclass
class Verdict:
    """What the peers made of a case: the new record, and what they do not agree on."""
    record: record.Record
    lines: list


def judge(prepared, outcomes):
    """`outcomes`: {builder: Outcome}, of zlayer as well."""
    case, recorded = prepared.case, prepared.case.record
    outdated = case.told.get("outdated", {})
    asked = [peer for peer in RULING if peer in outcomes and peer not in outdated]
    lines = [f"  {peer} is not asked: {reason}" for peer, reason in outdated.items()
             if peer in outcomes]
    if not asked:
        body = recorded.body if recorded else outcomes["zlayer"].body or "error"
        return Verdict(record.Record(NOBODY, body), lines)
    ruling = asked[0]
    if outcomes[ruling].message:
        refusing = [peer for peer in asked if outcomes[peer].message]
        lines += [f"  {peer} builds what {ruling} refuses: {reason(outcomes[ruling].message)}"
                  for peer in asked if peer not in refusing]
        body = recorded.body if recorded and recorded.is_error else "error"
        return Verdict(record.Record(", ".join(refusing), body), lines)
    return judge_image(prepared, outcomes, asked, lines)


def judge_image(prepared, outcomes, asked, lines):
    recorded = prepared.case.record
    ruling, equivalent = asked[0], bool(prepared.peer_dockerfile)
    body = modern(outcomes[ruling].body, outcomes["zlayer"].body)
    for path in prepared.told.get("leaves", ()):
        body = re.sub(rf"\n  {re.escape(path)}  dir [^\n]*", "", body)
    known = recorded.body if recorded and not recorded.is_error else outcomes["zlayer"].body
    whole = comparable(body, ruling, equivalent) == body
    if not whole:
        body = record.with_history_of(body, known)
    agreeing = [ruling]
    for peer in asked[1:]:
        if outcomes[peer].message:
            lines.append(f"  {peer} refuses what {ruling} builds: {reason(outcomes[peer].message)}")
            continue
        different = record.differences(visible(outcomes[ruling].body),
                                       visible(outcomes[peer].body), (ruling, peer))
        lines += ["  " + line for line in different]
        if not different:
            agreeing.append(peer)
    confirmed = ", ".join(agreeing) + (" from peer.Dockerfile" if equivalent else "")
    if not whole:
        confirmed += f"; layers and history by {NOBODY}"
    return Verdict(record.Record(confirmed, body), lines)


def against_zlayer(verdict, outcome):
    """How zlayer's outcome differs from what it should be."""
    if verdict.record.is_error:
        if outcome.message:
            return record.error_differences(verdict.record, outcome.message)
        return ["zlayer builds what should be refused"]
    if outcome.message:
        return ["zlayer refuses: " + outcome.message]
    return record.differences(verdict.record.body, outcome.body, ("right", "zlayer"))


def build_all(prepared, builders, pool):
    """{case name: {builder name: Outcome}}"""
    def one(builder, item):
        try:
            return builder.build(item)
        except Exception as error:  # what a builder makes may be anything
            return building.Outcome(message=f"{type(error).__name__}: {error}")
    futures = {(item.case.name, builder.builder.name): pool.submit(one, builder, item)
               for item in prepared for builder in builders}
    outcomes = {}
    for number, ((case, name), future) in enumerate(futures.items()):
        outcomes.setdefault(case, {})[name] = future.result()
        if sys.stderr.isatty():
            print(f"\r{number + 1}/{len(futures)}", end="\r", file=sys.stderr)
    return outcomes


def report(prepared, outcomes, options):
    """Prints one case's differences; returns (zlayer is right, nobody confirms it)."""
    case = prepared.case
    verdict = judge(prepared, outcomes)
    wrong = against_zlayer(verdict, outcomes["zlayer"])
    changed = case.record is None or case.record.text() != verdict.record.text()
    if changed and not options.refresh and case.record is not None:
        verdict.lines += ["  " + line for line in record.differences(
            case.record.text(), verdict.record.text(), ("recorded", "now"))]
    if options.verbose:
        verdict.lines += [f"  {name} says: {reason(outcome.message)}" for name, outcome in outcomes.items()
                          if outcome.message]
    if wrong or verdict.lines:
        print(f"{case.name}: {'zlayer is wrong' if wrong else 'zlayer is right'}; "
              f"confirmed by {verdict.record.confirmed}")
        print("\n".join(["  " + line for line in wrong] + verdict.lines), flush=True)
    unknown = case.record is None and verdict.record.confirmed == NOBODY and not outcomes[
        "zlayer"].body
    if options.refresh and changed and not unknown:
        os.makedirs(os.path.dirname(case.expected), exist_ok=True)
        with open(case.expected, "w", encoding="utf-8") as file:
            file.write(verdict.record.text())
    return not wrong, verdict.record.confirmed.startswith(NOBODY)


def compare(cases, options, work, builders):
    pending = cases_of.pending()
    with Servers(os.path.join(work, "cases")) as servers, \
            concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        prepared = [cases_of.prepare(case, os.path.join(work, "cases"), servers) for case in cases]
        outcomes = build_all(prepared, builders, pool)
    right, unconfirmed = [], []
    for item in prepared:
        is_right, is_unconfirmed = report(item, outcomes[item.case.name], options)
        right += [item.case.name] if is_right else []
        unconfirmed += [item.case.name] if is_unconfirmed else []
    wrong = [case.name for case in cases if case.name not in right]
    print(f"\n{len(cases)} cases: zlayer is right in {len(right)}, wrong in {len(wrong)}: "
          f"{' '.join(wrong)}\nunconfirmed, for no builder here can tell ({len(unconfirmed)}): "
          f"{' '.join(unconfirmed)}")
    print("no longer pending: " + " ".join(name for name in pending if name in right))
    return all(name in pending for name in wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", default="*", metavar="GLOB,...")
    parser.add_argument("--peers", default=",".join(RULING))
    parser.add_argument("--refresh", action="store_true", help="write the records anew")
    parser.add_argument("--verbose", action="store_true", help="print messages of refusals, too")
    options = parser.parse_args()
    peers = [name for name in options.peers.split(",") if name]
    if set(peers) - set(RULING):
        sys.exit(f"known peers are {', '.join(RULING)}")
    if options.refresh and set(peers) != set(RULING):
        sys.exit("--refresh needs all peers: they say what is confirmed")
    cases, missing = cases_of.load()
    cases = [case for case in cases if any(
        fnmatch.fnmatchcase(case.name, glob) for glob in options.cases.split(","))]
    if missing:
        print(f"skipped, for ZLAYER_SHARED has no data of theirs: {' '.join(missing)}")

    work = tempfile.mkdtemp(prefix="zlayer-conformance-", dir="/tmp")
    started = []
    try:
        bases = building.make_base(work)
        builders = []
        for name in ["zlayer"] + peers:
            builder = (Zlayer(work, programs()) if name == "zlayer" else
                       {"buildkit": BuildKit, "buildah": Buildah}[name](work))
            started.append(builder)
            builder.start()
            builders.append(building.Building(builder, bases, newest=name == "zlayer"))
        good = compare(cases, options, work, builders)
    finally:
        for builder in started:
            builder.stop()
        remove_work(work)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
