"""The comparison itself; compare.sh installs what it needs and starts it."""
import argparse
import os
import platform
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "peers"))
from builders import (TOP, Buildah, BuildKit, DockerRegistry, Skopeo, Zlayer, make_work,  # noqa: E402
                      programs, remove_work)
from registry_rows import registry_rows  # noqa: E402
from workloads import Result, Workloads, make_base  # noqa: E402


def measure(row, peers, rounds):
    """{name: [Result]}; the peers take turns, and another one begins each round."""
    results = {peer.name: [] for peer in peers}
    for peer in peers:
        row.prepare(peer)
    time.sleep(2.1)  # the files are young no more: clients may trust what they remember of them
    for number in range(min(rounds, row.most_rounds)):
        turn = number % len(peers)
        for peer in peers[turn:] + peers[:turn]:
            row.before(peer)
            os.sync()  # what others wrote is no one's to wait for
            results[peer.name].append(row.run(peer))
            peer.after_run()
        os.sync()
        limit = row.limit()
        if limit is not None:
            results.setdefault("(limit)", []).append(Result(limit))
    return results


def values(results, field, factor):
    return [getattr(result, field) * factor for result in results
            if getattr(result, field) is not None]


def print_row(row, results):
    first = None
    for name, runs in results.items():
        kib = values(runs, "daemon_kib", 1 / 1024)
        numbers = values(runs, "seconds", 1e3) or kib
        unit = "ms" if runs[0].seconds is not None else "MiB"
        median = statistics.median(numbers)
        first = first or median
        client = values(runs, "client_kib", 1 / 1024)
        memory = "".join(f"{max(column):8.1f}" if column else " " * 8 for column in (kib, client))
        print(f"{row.name:17} {name:9} {min(numbers):9.1f} {median:9.1f} {max(numbers):9.1f} "
              f"{unit:4}{first / median:7.2f}{memory}", flush=True)


def machine():
    cpu = platform.processor()
    with open("/proc/cpuinfo") as info:
        cpu = next((line.split(":")[1].strip() for line in info if line.startswith("model name")),
                   cpu)
    commit = subprocess.run(["git", "-C", TOP, "rev-parse", "--short", "HEAD"], text=True,
                            capture_output=True).stdout.strip()
    return f"{os.cpu_count()} x {cpu}, Linux {platform.release()}, commit {commit or 'unknown'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--peers", default="zlayer,buildkit,buildah,skopeo,docker-registry")
    parser.add_argument("--rows", default="", help="names of rows, separated by commas; all if empty")
    parser.add_argument("--directory", default=None, help="where the stores are: disk or a tmpfs")
    options = parser.parse_args()

    work = make_work("zlayer-compare-", options.directory)
    makers = {"zlayer": lambda: Zlayer(work, programs()), "buildkit": lambda: BuildKit(work),
              "buildah": lambda: Buildah(work), "skopeo": lambda: Skopeo(work, programs()),
              "docker-registry": lambda: DockerRegistry(work)}
    peers = []
    failed = False
    try:
        base = make_base(work)
        for name in options.peers.split(","):
            if name not in makers:
                sys.exit(f'there is no peer "{name}"; known are {", ".join(makers)}')
            peers.append(makers[name]())
            peers[-1].start()
            if "busybox" in peers[-1].wants:
                peers[-1].import_root(base, "busybox")
        workloads = Workloads(work, base)
        workloads.add(registry_rows(work, lambda: Zlayer(os.path.join(work, "source"), programs())))
        wanted = [name.strip() for name in options.rows.split(",") if name.strip()]
        wanted = wanted or workloads.names()
        if unknown := set(wanted) - set(workloads.names()):
            sys.exit(f'no rows {", ".join(unknown)}; known are {", ".join(workloads.names())}')
        print(machine())
        print(f"{'row':17} {'':9} {'min':>9} {'median':>9} {'max':>9} {'':4}{'ratio':>7}"
              f"{'daemon':>8}{'client':>8}")
        for name in wanted:
            row = workloads.make(name)
            competing = [peer for peer in peers if peer.name in row.peers]
            if not competing:
                continue
            print_row(row, measure(row, competing, options.rounds))
            for complaint in row.check(competing):
                failed = True
                print("DIFFERENT: " + complaint)
        print("ratio: the first line's median over this line's; daemon, client: peak memory in MiB")
    finally:
        for peer in peers:
            peer.stop()
        remove_work(work)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
