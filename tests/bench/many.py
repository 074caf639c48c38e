"""Whether thousands of earlier builds cost anything: a cached rebuild of 20 steps by a daemon with none
and by one with all of them in its store, in turns, and the daemon's memory: idle, after each tenth, and at
its peak when each of both gets 500 MiB in 20,000 files in the end. many.sh starts it.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "peers"))
from builders import BuildOptions, Zlayer, make_work, program, programs, remove_work  # noqa: E402
from workloads import large_context, make_base, twenty_steps  # noqa: E402

# Two steps, so that each build leaves two records, layers and logs of its own.
DOCKERFILE = "FROM busybox\nRUN echo {0}-@N@ > /a\nRUN echo {0}-@N@ > /b\n"


def rebuild_ms(peers, context, rounds):
    """The median of each peer; they take turns, so that a slow minute of the machine is everybody's."""
    def timed(peer):
        return peer.timed(peer.build_argv(context, "twenty", BuildOptions()))[0] * 1e3

    for peer in peers:
        timed(peer)
    return map(statistics.median, zip(*([timed(peer) for peer in peers] for _ in range(rounds))))


def report(builds, none, many, context, rounds):
    first, now = rebuild_ms((none, many), context, rounds)
    print(f"{builds:7} {first:8.1f} {now:8.1f} {now / first:6.2f} {many.idle_kib() / 1024:6.1f}",
          flush=True)


def context_peak(peer, work, builds):
    context = large_context(work, f"files{builds}")
    peer.reset_peak()
    peer.run(peer.build_argv(context, "files", BuildOptions()))
    peak = peer.memory_kib("VmHWM") / 1024
    shutil.rmtree(context)
    print(f"500 MiB beside {builds} builds: peak {peak:.1f} MiB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builds", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--directory", default=None, help="where the stores are: disk or a tmpfs")
    options = parser.parse_args()
    work = make_work("zlayer-many-", options.directory)
    none, many = peers = [Zlayer(os.path.join(work, name), programs()) for name in ("none", "many")]
    try:
        base = make_base(work)
        for peer in peers:
            peer.start()
            peer.import_root(base, "busybox")
        context = twenty_steps(work)
        time.sleep(2.1)
        print(f"{'builds':>7} {'none ms':>8} {'many ms':>8} {'ratio':>6} {'MiB':>6}")
        report(0, none, many, context, options.rounds)
        step = max(1, options.builds // 10)
        for done in range(0, options.builds, step):
            count = min(step, options.builds - done)
            subprocess.run([program("tests/bench/builds"), many.env["ZLAYER_ADDRESS"], str(count),
                            "4"], input=DOCKERFILE.format(done), check=True, text=True,
                           stdout=subprocess.DEVNULL)
            report(done + count, none, many, context, options.rounds)
        context_peak(none, work, 0)
        context_peak(many, work, options.builds)
    finally:
        for peer in peers:
            peer.stop()
        remove_work(work)


if __name__ == "__main__":
    main()
