"""The comparison itself; compare.sh installs what it needs and starts it."""
import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "peers"))
import images  # noqa: E402
from builders import (TOP, BuildOptions, Buildah, BuildKit, Zlayer, programs,  # noqa: E402
                      remove_work)


class Row:
    """A workload. `run` does it once with a peer: (seconds or None, KiB or None)."""

    rounds_factor = 1

    def prepare(self, peer):
        pass

    def check(self, peers):
        """Whether all peers made the same; returns complaints."""
        return []


class TwentySteps(Row):
    """10 RUN echo, 5 small COPY, 5 of configuration on busybox."""

    def __init__(self, work, cached):
        self.name = "20 steps " + ("cached" if cached else "cold")
        self.cached = cached
        self.work = work
        self.context = os.path.join(work, "twenty")
        os.makedirs(self.context, exist_ok=True)
        lines = ["FROM busybox"]
        for i in range(1, 6):
            with open(os.path.join(self.context, f"f{i}"), "w") as file:
                file.write(f"{i}\n")
            lines += [f"RUN echo {i} > /r{i}", f"COPY f{i} /f{i}", f"ENV V{i}={i}",
                      f"RUN echo {i}{i} > /s{i}"]
        with open(os.path.join(self.context, "Dockerfile"), "w") as file:
            file.write("\n".join(lines) + "\n")

    def prepare(self, peer):
        peer.timed(peer.build_argv(self.context, "twenty", BuildOptions()))

    def run(self, peer):
        peer.reset_peak()
        seconds, client_kib = peer.timed(
            peer.build_argv(self.context, "twenty", BuildOptions(cached=self.cached)))
        return seconds, client_kib + peer.peak_kib()

    def check(self, peers):
        contents = {}
        for peer in peers:
            archive = os.path.join(self.work, peer.name + ".tar")
            peer.export("twenty", archive)
            contents[peer.name] = images.read(archive)
            os.unlink(archive)
        first = peers[0].name
        return [f"{first} | {other}: {line}" for other in contents if other != first
                for line in images.differences(contents[first], contents[other])]


class Start(Row):
    """From the start of the daemon to its first answer, the client's own start included."""

    name = "daemon start"

    def run(self, peer):
        if not peer.has_daemon:
            return None, None
        peer.stop()
        return peer.start(), None


class Idle(Row):
    """Memory of a daemon that was just started and does nothing, with all its processes."""

    name = "idle memory"

    def run(self, peer):
        if not peer.has_daemon:
            return None, None
        peer.stop()
        peer.start()
        time.sleep(1)
        return None, peer.idle_kib()


def make_base(work):
    """A busybox image, with the mount points that other builders would put into their layers."""
    root = os.path.join(work, "base")
    for name in ("bin", "etc", "dev", "proc", "sys", "run"):
        os.makedirs(os.path.join(root, name))
    for name in ("hosts", "hostname", "resolv.conf"):
        open(os.path.join(root, "etc", name), "w").close()
    shutil.copy("/bin/busybox", os.path.join(root, "bin", "sh"))
    tar = os.path.join(work, "base.tar")
    subprocess.run(["tar", "-C", root, "--owner=0", "--group=0", "-cf", tar, "."], check=True)
    return tar


def measure(row, peers, rounds):
    """{peer: ([seconds], [KiB])}; the peers take turns, and another one begins each round."""
    results = {peer.name: ([], []) for peer in peers}
    for peer in peers:
        row.prepare(peer)
    time.sleep(2.1)  # the files are young no more: clients may trust what they remember of them
    for number in range(rounds):
        turn = number % len(peers)
        for peer in peers[turn:] + peers[:turn]:
            seconds, kib = row.run(peer)
            if seconds is not None:
                results[peer.name][0].append(seconds)
            if kib is not None:
                results[peer.name][1].append(kib)
    return results


def print_row(row, results, first):
    for name, (seconds, kib) in results.items():
        if not seconds and not kib:
            continue
        values = [value * 1e3 for value in seconds] or [value / 1024 for value in kib]
        base = results[first]
        base_values = base[0] if seconds else base[1]
        own = statistics.median(seconds or kib)
        ratio = statistics.median(base_values) / own if base_values else float("nan")
        unit = "ms" if seconds else "MiB"
        memory = f"{max(kib) / 1024:8.1f}" if kib else " " * 8
        print(f"{row.name:20} {name:10} {min(values):9.1f} {statistics.median(values):9.1f} "
              f"{max(values):9.1f} {unit:4} {ratio:7.2f} {memory}", flush=True)


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
    parser.add_argument("--peers", default="zlayer,buildkit,buildah")
    parser.add_argument("--rows", default="", help="names of rows, separated by commas; all if empty")
    parser.add_argument("--directory", default=None, help="where the stores are: disk or a tmpfs")
    options = parser.parse_args()

    work = tempfile.mkdtemp(prefix="zlayer-compare-", dir=options.directory)
    makers = {"zlayer": lambda: Zlayer(work, programs()), "buildkit": lambda: BuildKit(work),
              "buildah": lambda: Buildah(work)}
    peers = []
    failed = False
    try:
        base = make_base(work)
        for name in options.peers.split(","):
            if name not in makers:
                sys.exit(f'there is no peer "{name}"; known are {", ".join(makers)}')
            peers.append(makers[name]())
            peers[-1].start()
            peers[-1].import_root(base, "busybox")
        rows = [TwentySteps(work, False), TwentySteps(work, True), Start(), Idle()]
        wanted = [name.strip() for name in options.rows.split(",") if name.strip()]
        unknown = set(wanted) - {row.name for row in rows}
        if unknown:
            sys.exit(f'no rows {", ".join(unknown)}; known are {", ".join(row.name for row in rows)}')
        print(machine())
        print(f"{'row':20} {'':10} {'min':>9} {'median':>9} {'max':>9} {'':4} {'ratio':>7} {'peak MiB':>8}")
        for row in rows:
            if wanted and row.name not in wanted:
                continue
            print_row(row, measure(row, peers, options.rounds), peers[0].name)
            for complaint in row.check(peers):
                failed = True
                print("DIFFERENT: " + complaint)
        print(f"ratio: median of {peers[0].name} over median of the line's builder")
    finally:
        for peer in peers:
            peer.stop()
        remove_work(work)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
