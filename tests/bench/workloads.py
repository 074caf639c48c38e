"""The rows of the comparison: what is built, and what nothing can be faster than."""
import dataclasses
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "peers"))
import images  # noqa: E402
from builders import BuildOptions, program  # noqa: E402

COLD = BuildOptions(cached=False)
CACHED = BuildOptions()


@dataclasses.dataclass
class Result:
    """One run; None where the row does not measure it."""
    seconds: float = None
    daemon_kib: int = None  # with all its processes
    client_kib: int = None


class Row:
    """A workload. `run` does it once with a peer; None: not for this one."""

    peers = ("zlayer", "buildkit", "buildah")
    most_rounds = 1000
    first = None  # what the ratios are to; the first peer where None

    def prepare(self, peer):
        """Before all rounds."""

    def before(self, peer):
        """Before each run, not measured."""

    def limit(self):
        """Seconds that the same work takes without a builder, measured once a round, or None."""
        return None

    def check(self, peers):
        """Complaints where not all peers made the same."""
        return []


def _differences(archives):
    first, *others = archives
    image = images.read(archives[first])
    return [f"{first} | {other}: {line}" for other in others
            for line in images.differences(image, images.read(archives[other]))]


class Build(Row):
    """Builds of one context."""

    def __init__(self, name, work, context, options):
        self.name = name
        self.work = work
        self.context = context
        self.options = options
        self.tag = os.path.basename(context)

    def prepare(self, peer):
        peer.timed(self.argv(peer, CACHED))

    def argv(self, peer, options):
        return peer.build_argv(self.context, self.tag, options)

    def run(self, peer):
        peer.reset_peak()
        seconds, client_kib = peer.timed(self.argv(peer, self.options))
        return Result(seconds, peer.memory_kib("VmHWM"), client_kib)

    def check(self, peers):
        archives = {}
        for peer in peers:
            archives[peer.name] = os.path.join(self.work, peer.name + ".tar")
            peer.export(self.tag, archives[peer.name])
        # In a process of its own: images are large, and a child's peak begins with its parent's.
        with multiprocessing.Pool(1) as process:
            complaints = process.apply(_differences, (archives,))
        for archive in archives.values():
            os.unlink(archive)
        return complaints


class Copy(Build):
    """COPY . of many files."""

    most_rounds = 5

    def check(self, peers):
        return []  # CopyAnew looks


class CopyAnew(Build):
    """The same by a builder that knows nothing but the base image: all is sent and stored anew. The
    limit reads, digests and writes it once, in one thread."""

    most_rounds = 5

    def __init__(self, name, work, context, base):
        super().__init__(name, work, context, CACHED)
        self.base = base

    def prepare(self, peer):
        pass

    def before(self, peer):
        peer.forget()
        peer.import_root(self.base, "busybox")

    def limit(self):
        tar = os.path.join(self.work, "limit.tar")
        seconds = float(subprocess.run([program("tests/bench/copy_limit"), self.context, tar],
                                       check=True, text=True, capture_output=True).stdout)
        os.unlink(tar)
        return seconds


class CopyOneChanged(Copy):
    def before(self, peer):
        path = os.path.join(self.context, "d0", "f0")
        size = os.path.getsize(path)
        with open(path, "wb") as file:
            file.write(os.urandom(size))


class FourStages(Build):
    def argv(self, peer, options):
        return peer.build_argv(self.context, self.tag, dataclasses.replace(options, jobs=4))


class Write(Build):
    """A RUN that writes 1 GiB, half of it zeros, half random; the image is kept."""

    most_rounds = 5
    SCRIPT = ("dd if=/dev/zero of={0}zeros bs=1M count=512 && "
              "dd if=/dev/urandom of={0}random bs=1M count=512")

    def prepare(self, peer):
        pass

    def limit(self):
        directory = os.path.join(self.work, "limit-")
        begin = time.monotonic()
        subprocess.run(["/bin/busybox", "sh", "-c", self.SCRIPT.format(directory)], check=True,
                       stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - begin
        for name in ("zeros", "random"):
            os.unlink(directory + name)
        return seconds

    def check(self, peers):
        return []  # random


class AtOnce(Row):
    """Small different builds, a client each."""

    most_rounds = 11

    def __init__(self, name, contexts):
        self.name = name
        self.contexts = contexts

    def run(self, peer):
        return Result(peer.timed_at_once([
            peer.build_argv(context, os.path.basename(context), COLD)
            for context in self.contexts]))


class Identical(Row):
    """Identical builds over one connection; the limit is one such build by the same program."""

    peers = ("zlayer",)
    most_rounds = 11
    DOCKERFILE = "FROM busybox\nRUN dd if=/dev/urandom bs=1M count=256 | sha256sum > /id; echo {}\n"

    def __init__(self, name, count):
        self.name = name
        self.count = count
        self.peer = None
        self.complaints = []

    def prepare(self, peer):
        self.peer = peer

    def build(self, count):
        """Seconds of so many builds of what was never built before."""
        text = self.DOCKERFILE.format(random.random())
        said = subprocess.run([program("tests/bench/builds"), self.peer.env["ZLAYER_ADDRESS"],
                               str(count), str(count)], input=text, check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()
        executed, different = int(said[1]), int(said[2])
        if executed != 1 or different != 1:
            self.complaints.append(f"{count} identical builds: {executed} executions, "
                                   f"{different} different images")
        return float(said[0])

    def run(self, peer):
        return Result(self.build(self.count))

    def limit(self):
        return self.build(1)

    def check(self, peers):
        return sorted(set(self.complaints))


class Start(Row):
    """From the start of the daemon to its first answer, the client's own start included."""

    name = "daemon start"
    peers = ("zlayer", "buildkit")

    def before(self, peer):
        peer.stop()

    def run(self, peer):
        return Result(peer.start())


class Idle(Row):
    """Memory of a daemon that was just started and does nothing, with all its processes."""

    name = "idle memory"
    peers = ("zlayer", "buildkit")
    most_rounds = 5

    def run(self, peer):
        peer.stop()
        peer.start()
        time.sleep(1)
        return Result(daemon_kib=peer.memory_kib("VmRSS"))


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


def _write(path, content):
    with open(path, "wb" if isinstance(content, bytes) else "w") as file:
        file.write(content)


def _context(work, name, dockerfile):
    path = os.path.join(work, name)
    os.makedirs(path)
    _write(os.path.join(path, "Dockerfile"), dockerfile)
    return path


def twenty_steps(work):
    """10 RUN echo, 5 small COPY, 5 of configuration on busybox."""
    lines = ["FROM busybox"]
    for i in range(1, 6):
        lines += [f"RUN echo {i} > /r{i}", f"COPY f{i} /f{i}", f"ENV V{i}={i}",
                  f"RUN echo {i}{i} > /s{i}"]
    context = _context(work, "twenty", "\n".join(lines) + "\n")
    for i in range(1, 6):
        _write(os.path.join(context, f"f{i}"), f"{i}\n")
    return context


def _many_files(work, name, count, size):
    """Files of random bytes, 100 a directory."""
    context = _context(work, name, "FROM busybox\nCOPY . /src\n")
    for number in range(count):
        directory = os.path.join(context, f"d{number // 100}")
        if number % 100 == 0:
            os.mkdir(directory)
        _write(os.path.join(directory, f"f{number % 100}"), os.urandom(size))
    return context


def large_context(work, name):
    """500 MiB in 20,000 files."""
    return _many_files(work, name, 20_000, 500 * (1 << 20) // 20_000)


def _four_stages(work):
    stages = "".join(f"FROM busybox AS s{i}\nRUN sleep 2; echo {i} > /o{i}\n" for i in range(4))
    copies = "".join(f"COPY --from=s{i} /o{i} /\n" for i in range(4))
    return _context(work, "stages", f"{stages}FROM busybox\n{copies}")


def _small(work, number):
    context = _context(work, f"small{number}",
                       f"FROM busybox\nCOPY file /\nRUN echo {number} > /number\n")
    _write(os.path.join(context, "file"), f"{number}\n")
    return context


class Workloads:
    """All rows by name; what one needs on disk is made when it is its turn."""

    def __init__(self, work, base):
        self._work = work
        self._contexts = {}
        files = lambda: self._context(large_context, "files")
        tiny = lambda: self._context(_many_files, "tiny", 100_000, 1024)
        twenty = lambda: self._context(twenty_steps)
        rows = {
            "20 steps cold": lambda name: Build(name, work, twenty(), COLD),
            "20 steps cached": lambda name: Build(name, work, twenty(), CACHED),
            "copy anew": lambda name: CopyAnew(name, work, files(), base),
            "copy sent": lambda name: Copy(name, work, files(), COLD),
            "copy unchanged": lambda name: Copy(name, work, files(), CACHED),
            "copy one changed": lambda name: CopyOneChanged(name, work, files(), CACHED),
            "four stages": lambda name: FourStages(name, work, self._context(_four_stages), COLD),
            "write 1 GiB": lambda name: Write(
                name, work, _context(work, "write",
                                     f"FROM busybox\nRUN {Write.SCRIPT.format('/')}\n"), COLD),
            "16 different": lambda name: AtOnce(name, [_small(work, i) for i in range(16)]),
            "16 identical": lambda name: Identical(name, 16),
            "tiny anew": lambda name: CopyAnew(name, work, tiny(), base),
            "tiny sent": lambda name: Copy(name, work, tiny(), COLD),
            "tiny unchanged": lambda name: Copy(name, work, tiny(), CACHED),
            Start.name: lambda name: Start(),
            Idle.name: lambda name: Idle(),
        }
        self._rows = rows

    def _context(self, make, *arguments):
        key = (make, arguments)
        if key not in self._contexts:
            self._contexts[key] = make(self._work, *arguments)
        return self._contexts[key]

    def add(self, rows):
        """Further makers of rows by name."""
        self._rows.update(rows)

    def names(self):
        return list(self._rows)

    def make(self, name):
        return self._rows[name](name)
