"""Whether thousands of earlier builds cost anything: a cached rebuild of 20 steps with none and with
all of them in the store, and the daemon's memory after each thousand. many.sh starts it.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "peers"))
from builders import BuildOptions, Zlayer, make_work, program, programs, remove_work  # noqa: E402
from workloads import make_base, twenty_steps  # noqa: E402

# Two steps, so that each build leaves two records, layers and logs of its own.
DOCKERFILE = "FROM busybox\nRUN echo {0}-@N@ > /a\nRUN echo {0}-@N@ > /b\n"


def rebuild_ms(peer, context, rounds):
    argv = peer.build_argv(context, "twenty", BuildOptions())
    peer.timed(argv)
    return statistics.median(peer.timed(argv)[0] for _ in range(rounds)) * 1e3


def report(builds, now, first, peer):
    memory = peer.memory_kib("VmRSS") / 1024
    print(f"{builds:7} {now:10.1f} {now / first:6.2f} {memory:6.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--builds", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--directory", default=None, help="where the store is: disk or a tmpfs")
    options = parser.parse_args()
    work = make_work("zlayer-many-", options.directory)
    peer = Zlayer(work, programs())
    try:
        peer.start()
        peer.import_root(make_base(work), "busybox")
        context = twenty_steps(work)
        time.sleep(2.1)
        first = rebuild_ms(peer, context, options.rounds)
        print(f"{'builds':>7} {'rebuild ms':>10} {'ratio':>6} {'MiB':>6}")
        report(0, first, first, peer)
        for done in range(0, options.builds, 1000):
            count = min(1000, options.builds - done)
            subprocess.run([program("tests/bench/builds"), peer.env["ZLAYER_ADDRESS"], str(count),
                            "4"], input=DOCKERFILE.format(done), check=True, text=True,
                           stdout=subprocess.DEVNULL)
            report(done + count, rebuild_ms(peer, context, options.rounds), first, peer)
    finally:
        peer.stop()
        remove_work(work)


if __name__ == "__main__":
    main()
