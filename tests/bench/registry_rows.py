"""The rows about registries: push to, pull from, and serve as Debian's docker-registry does."""
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "peers"))
from builders import BuildOptions  # noqa: E402
from workloads import Result, Row  # noqa: E402

_GIB = 1 << 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Registry:
    """Debian's docker-registry over plain http, with an empty store whenever it is started."""

    def __init__(self, work):
        self.directory = os.path.join(work, "registry")
        self.host = None
        self.process = None

    def start(self):
        self.stop()
        os.makedirs(self.directory)
        self.host = f"127.0.0.1:{free_port()}"
        config = os.path.join(self.directory, "config.yml")
        with open(config, "w") as file:
            file.write(f"version: 0.1\nlog: {{accesslog: {{disabled: true}}, level: error}}\n"
                       f"storage: {{filesystem: {{rootdirectory: {self.directory}/data}}}}\n"
                       f"http: {{addr: '{self.host}'}}\n")
        self.process = subprocess.Popen(["docker-registry", "serve", config],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                with urllib.request.urlopen(f"http://{self.host}/v2/"):
                    return
            except OSError:
                time.sleep(0.01)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def blobs(self):
        """Paths of the blobs, the largest first."""
        found = []
        for directory, _, files in os.walk(os.path.join(self.directory, "data")):
            found += [os.path.join(directory, name) for name in files
                      if name == "data" and "/blobs/" in directory]
        return sorted(found, key=os.path.getsize, reverse=True)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def usr_tar(work):
    """A tar of the first GiB of this machine's /usr, as find lists it."""
    return _tar(work, "usr", "/usr")


def _tar(work, name, source):
    path = os.path.join(work, name + ".tar")
    if not os.path.exists(path):
        listed = subprocess.run(["find", source, "-xdev", "-type", "f", "-printf", "%s %p\\n"],
                                check=True, text=True, capture_output=True).stdout
        chosen, size = [], 0
        for line in sorted(listed.splitlines(), key=lambda line: line.split(" ", 1)[1]):
            bytes_, path_ = line.split(" ", 1)
            if size + int(bytes_) > _GIB:
                break
            chosen.append(path_)
            size += int(bytes_)
        names = os.path.join(work, name + ".list")
        with open(names, "w") as file:
            file.write("\n".join(chosen) + "\n")
        subprocess.run(["tar", "-cPf", path, "-T", names, "--transform", "s,^/,,"], check=True,
                       stderr=subprocess.DEVNULL)
    return path


def half_tar(work):
    """A tar of 1 GiB, half zeros, half random."""
    directory = os.path.join(work, "half-files")
    path = os.path.join(work, "half.tar")
    if not os.path.exists(path):
        os.makedirs(directory)
        with open(os.path.join(directory, "zeros"), "wb") as zeros, \
                open(os.path.join(directory, "random"), "wb") as noise:
            for _ in range(512):
                zeros.write(bytes(1 << 20))
                noise.write(os.urandom(1 << 20))
        subprocess.run(["tar", "-cf", path, "-C", directory, "."], check=True)
        shutil.rmtree(directory)
    return path


class Push(Row):
    """An image of one layer to an empty registry. The limit is curl -T of the bytes that zlayer
    sent."""

    peers = ("zlayer", "buildkit", "skopeo")
    most_rounds = 5

    def __init__(self, name, work, make_tar, compression):
        self.name = name
        self.work = work
        self.make_tar = make_tar
        self.compression = compression
        self.registry = Registry(work)
        self.sent = os.path.join(work, "sent")
        self.tag = name.replace(" ", "-").lower()

    def prepare(self, peer):
        peer.import_root(self.make_tar(self.work), self.tag)

    def before(self, peer):
        self.registry.start()

    def run(self, peer):
        peer.reset_peak()
        target = f"{self.registry.host}/{self.tag}:1"
        argvs = peer.push_argvs(self.tag, target, self.compression)
        for argv in argvs[:-1]:
            peer.run(argv)
        seconds, client_kib = peer.timed(argvs[-1])
        if peer.name == "zlayer":
            shutil.copyfile(self.registry.blobs()[0], self.sent)
        return Result(seconds, peer.memory_kib("VmHWM"), client_kib)

    def limit(self):
        self.registry.start()
        digest = subprocess.run(["sha256sum", self.sent], check=True, text=True,
                                capture_output=True).stdout.split()[0]
        begun = urllib.request.Request(f"http://{self.registry.host}/v2/curl/blobs/uploads/",
                                       method="POST", data=b"")
        with urllib.request.urlopen(begun) as answer:
            location = answer.headers["Location"]
        begin = time.monotonic()
        subprocess.run(["curl", "-sf", "-T", self.sent, "-H",
                        "Content-Type: application/octet-stream",
                        f"{location}&digest=sha256:{digest}"], check=True)
        return time.monotonic() - begin

    def check(self, peers):
        self.registry.stop()
        gzip = subprocess.run(f"gzip -6 <{self.make_tar(self.work)} | wc -c", shell=True, check=True,
                              text=True, capture_output=True).stdout
        print(f"{self.name:17} sent {os.path.getsize(self.sent) / int(gzip):.3f} of gzip -6")
        return []


class Pull(Row):
    """Five layers, 500 MiB, which nothing needs as a tree."""

    peers = ("skopeo", "zlayer")
    most_rounds = 5

    def __init__(self, name, work, pusher):
        self.name = name
        self.work = work
        self.registry = Registry(work)
        self.pusher = pusher
        self.ready = False

    def prepare(self, peer):
        """The image, which an own zlayerd builds and pushes."""
        if self.ready:
            return
        self.ready = True
        self.registry.start()
        context = os.path.join(self.work, "five")
        os.makedirs(context)
        lines = ["FROM scratch"]
        for number in range(5):
            os.makedirs(os.path.join(context, str(number)))
            for file in range(200):
                with open(os.path.join(context, str(number), str(file)), "wb") as out:
                    out.write(os.urandom(256 << 10) + bytes(256 << 10))
            lines.append(f"COPY {number} /{number}")
        lines.append('COPY busybox /bin/sh')
        shutil.copyfile("/bin/busybox", os.path.join(context, "busybox"))
        os.chmod(os.path.join(context, "busybox"), 0o755)
        with open(os.path.join(context, "Dockerfile"), "w") as file:
            file.write("\n".join(lines) + "\n")
        source = self.pusher()
        source.start()
        source.run(source.build_argv(context, "five", BuildOptions()))
        for argv in source.push_argvs("five", self.image(), "gzip"):
            source.run(argv)
        source.stop()
        shutil.rmtree(source.work)
        shutil.rmtree(context)

    def image(self):
        return f"{self.registry.host}/five:1"

    def before(self, peer):
        peer.forget()

    def run(self, peer):
        peer.reset_peak()
        seconds, client_kib = peer.timed(peer.pull_argv(self.image()))
        return Result(seconds, peer.memory_kib("VmHWM"), client_kib)

    def check(self, peers):
        self.registry.stop()
        return []


class PullTree(Pull):
    """The same, and a RUN stands on it; of docker its pull alone, which unpacks."""

    peers = ("buildkit", "zlayer")

    def run(self, peer):
        if peer.name != "zlayer":
            return super().run(peer)
        context = os.path.join(self.work, "on-five")
        os.makedirs(context, exist_ok=True)
        with open(os.path.join(context, "Dockerfile"), "w") as file:
            file.write(f'FROM {self.image()}\nRUN ["/bin/sh", "-c", ":"]\n')
        peer.reset_peak()
        seconds, client_kib = peer.timed(peer.build_argv(context, "on-five", BuildOptions()))
        return Result(seconds, peer.memory_kib("VmHWM"), client_kib)


class Serve(Row):
    """One blob of a GiB to curl; `cpu`: the server's processor time, in place of the time."""

    peers = ("docker-registry", "zlayer")
    most_rounds = 7

    def __init__(self, name, work, cpu):
        self.name = name
        self.work = work
        self.cpu = cpu
        self.urls = {}

    def prepare(self, peer):
        self.urls[peer.name] = peer.serve(half_tar(self.work))
        self.get(peer)

    def get(self, peer):
        subprocess.run(["curl", "-sf", "-o", "/dev/null", self.urls[peer.name]], check=True)

    def run(self, peer):
        peer.reset_peak()
        cpu, begin = cpu_seconds(peer.daemon.pid), time.monotonic()
        self.get(peer)
        seconds = time.monotonic() - begin
        return Result(cpu_seconds(peer.daemon.pid) - cpu if self.cpu else seconds,
                      peer.memory_kib("VmHWM"))


def largest_layer(url, repository):
    """URL of the largest layer of repository:1."""
    request = urllib.request.Request(
        f"{url}/v2/{repository}/manifests/1",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
    with urllib.request.urlopen(request) as answer:
        text = answer.read().decode()
    layers = re.findall(r'"digest":"(sha256:[0-9a-f]+)","size":(\d+)', text)
    return f"{url}/v2/{repository}/blobs/{max(layers, key=lambda layer: int(layer[1]))[0]}"


def registry_rows(work, pusher):
    """Makers of these rows by name; `pusher` makes a Zlayer that is to start."""
    return {
        "push usr gzip": lambda name: Push(name, work, usr_tar, "gzip"),
        "push usr zstd": lambda name: Push(name, work, usr_tar, "zstd"),
        "push half gzip": lambda name: Push(name, work, half_tar, "gzip"),
        "push half zstd": lambda name: Push(name, work, half_tar, "zstd"),
        "pull": lambda name: Pull(name, work, pusher),
        "pull and run": lambda name: PullTree(name, work, pusher),
        "serve": lambda name: Serve(name, work, False),
        "serve processor": lambda name: Serve(name, work, True),
    }
