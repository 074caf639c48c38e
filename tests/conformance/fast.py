"""The fast test: builds every case with zlayer and compares with the records. conformance_test.sh
starts it; one test case of its results is one case."""
import concurrent.futures
import os
import platform
import shutil
import sys
import tempfile
import time
from xml.sax import saxutils

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "peers"))
import building  # noqa: E402
import case as cases_of  # noqa: E402
import record  # noqa: E402
from builders import Zlayer, programs, remove_work  # noqa: E402
from servers import Servers  # noqa: E402


def compare(case, zlayer, work, servers):
    """What is wrong; empty where nothing is."""
    expected = case.record
    if expected is None:
        return ["there is no record: tests/conformance/run.sh --refresh makes one"]
    outcome = zlayer.build(cases_of.prepare(case, work, servers))
    if expected.is_error:
        if not outcome.message:
            return ["it was built, and should be refused"]
        return record.error_differences(expected, outcome.message)
    if outcome.message:
        return [outcome.message]
    return record.differences(expected.body, outcome.body, ("recorded", "zlayer"))


class Results:
    """What becomes Bazel's test.xml."""

    def __init__(self):
        self.cases = []
        self.failed = []

    def add(self, name, seconds=0.0, failure="", skipped=""):
        inner = ""
        if failure:
            self.failed.append(name)
            inner = f"<failure message={saxutils.quoteattr(clean(failure))}/>"
        elif skipped:
            inner = f"<skipped message={saxutils.quoteattr(clean(skipped))}/>"
        result = "skipped" if skipped else "completed"
        self.cases.append(f'<testcase name="{name}" classname="conformance" time="{seconds:.3f}" '
                          f'result="{result}">{inner}</testcase>')

    def write(self):
        path = os.environ.get("XML_OUTPUT_FILE")
        if path:
            with open(path, "w", encoding="utf-8") as file:
                file.write('<testsuites><testsuite name="conformance">\n' + "\n".join(self.cases) +
                           "\n</testsuite></testsuites>\n")


def clean(text):
    """Without what XML cannot hold."""
    return "".join(c for c in text if c >= " " or c in "\n\t")


def run(cases, results, pending):
    work = tempfile.mkdtemp(prefix="zlayer-conformance-", dir="/tmp")
    builder = Zlayer(work, programs())
    try:
        bases = building.make_base(work)
        builder.start()
        zlayer = building.Building(builder, bases, newest=True)

        def one(case):
            begin = time.monotonic()
            try:
                wrong = compare(case, zlayer, os.path.join(work, "cases"), servers)
            except Exception as error:  # what a builder makes may be anything
                wrong = [f"{type(error).__name__}: {error}"]
            return case, wrong, time.monotonic() - begin

        with Servers(os.path.join(work, "cases")) as servers, \
                concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
            for case, wrong, seconds in pool.map(one, cases):
                report(case.name, "\n".join(wrong), seconds, results, pending.get(case.name))
    finally:
        builder.stop()
        remove_work(work)


def report(name, wrong, seconds, results, reason):
    if wrong and reason is not None:
        print(f"PENDING {name}: {reason}")
        results.add(name, seconds, skipped=reason)
        return
    if wrong:
        print(f"FAILED {name}\n{wrong}")
    elif reason is not None:
        print(f"PASSED {name}, which pending.txt still lists")
    results.add(name, seconds, failure=wrong)


def main():
    names = sys.argv[1:]
    cases, missing = cases_of.load()
    results = Results()
    reason = None
    if os.geteuid() != 0:
        reason = "needs root"
    elif platform.machine() != "x86_64":
        reason = "the records are of amd64"
    elif not shutil.which("git"):
        reason = "needs git"
    if reason:
        print("SKIPPED: " + reason)
        for case in cases:
            results.add(case.name, skipped=reason)
    else:
        run([case for case in cases if not names or case.name in names], results,
            cases_of.pending())
    for name in missing:
        results.add(name, skipped="ZLAYER_SHARED has no such data")
    results.write()
    print(f"{len(results.cases)} cases, {len(results.failed)} failed")
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
