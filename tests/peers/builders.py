"""The builders that are compared: how each is started, builds, and gives its image away.

Every one has a storage directory of its own below the work directory, and nothing of the machine's
own Docker or containers is touched.
"""
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))


def _wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not happen within {seconds} s")
        time.sleep(0.001)


def _succeeds(argv, env):
    return subprocess.run(argv, env=env, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def _kib(pid, file, *keys):
    """The sum of lines with these keys; 0 where the process is gone."""
    try:
        with open(f"/proc/{pid}/{file}") as status:
            return sum(int(line.split()[1]) for line in status if line.split(":")[0] in keys)
    except OSError:
        return 0


def _image(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def _tree(pid):
    """The process and all that it started."""
    pids = [pid]
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children") as children:
                for child in children.read().split():
                    pids += _tree(int(child))
        except OSError:
            pass
    return pids


def program(name):
    """Path of a built program, "daemon/zlayerd": in ZLAYER_BIN, else of the last build."""
    directory = os.environ.get("ZLAYER_BIN")
    path = (os.path.join(directory, os.path.basename(name)) if directory else
            os.path.join(TOP, "bazel-bin", name))
    if not os.access(path, os.X_OK):
        sys.exit(f"{path} is not there: build //{':'.join(os.path.split(name))} first")
    return path


def programs():
    """Paths of zlayerd and zlayer."""
    return program("daemon/zlayerd"), program("client/cli/zlayer")


def make_work(prefix, directory):
    """A new work directory, in `directory` or where temporary files are. What terminates the
    program from here on ends it by an exception, so that what it started is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return tempfile.mkdtemp(prefix=prefix, dir=directory)


def remove_work(directory):
    """Removes a work directory, and before it what a daemon left mounted below; the deepest first."""
    with open("/proc/self/mounts") as mounts:
        points = [line.split()[1] for line in mounts]
    for point in sorted((p for p in points if p.startswith(directory + "/")), reverse=True):
        subprocess.run(["umount", "-l", point])
    shutil.rmtree(directory, ignore_errors=True)


class Peer:
    """One builder. `argv`s of build and import run as its users run them."""

    daemon = None  # the daemon's process while it runs
    wants = ("busybox",)  # base images that rows take for granted
    has_daemon = True

    def __init__(self, work):
        self.work = os.path.join(work, self.name)
        os.makedirs(self.work, exist_ok=True)
        self.env = dict(os.environ)

    def run(self, argv, **options):
        return subprocess.run(argv, env=self.env, check=True, stdout=subprocess.DEVNULL, **options)

    def timed(self, argv):
        """Seconds, and the peak memory of the command itself in KiB."""
        errors = os.path.join(self.work, "errors")
        with open(errors, "w") as log:
            begin = time.monotonic()
            child = subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=log)
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.monotonic() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            with open(errors) as log:
                raise RuntimeError(f"{argv} failed:\n{log.read()}")
        return seconds, usage.ru_maxrss

    def timed_at_once(self, argvs):
        """Seconds until all of the commands, started together, have ended."""
        errors = os.path.join(self.work, "errors")
        with open(errors, "w") as log:
            begin = time.monotonic()
            children = [subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=log) for argv in argvs]
            codes = [child.wait() for child in children]
            seconds = time.monotonic() - begin
        if any(codes):
            with open(errors) as log:
                raise RuntimeError(f"{len(argvs)} builds at once, of which some failed:\n{log.read()}")
        return seconds

    def build(self, context, tag, options):
        """Builds; returns what it said where it failed, else None."""
        finished = subprocess.run(self.build_argv(context, tag, options), env=self.env, text=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, errors="replace", timeout=300)
        return None if finished.returncode == 0 else finished.stderr.strip() or "no message"

    def start(self):
        """Starts the daemon and waits until it serves; returns the seconds that took."""
        begin = time.monotonic()
        self.daemon = subprocess.Popen(self.daemon_argv(), env=self.env, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL,
                                       stderr=open(os.path.join(self.work, "log"), "a"))
        _wait_until(lambda: os.path.exists(self.socket) and _succeeds(self.ready_argv(), self.env),
                    60, f"the start of {self.name}")
        return time.monotonic() - begin

    def stop(self):
        if self.daemon is None:
            return
        self.daemon.send_signal(signal.SIGTERM)
        try:
            self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        self.daemon = None

    def reset_peak(self):
        if self.daemon is not None:
            for pid in _tree(self.daemon.pid):
                with open(f"/proc/{pid}/clear_refs", "w") as clear:
                    clear.write("5")  # proc(5): resets the peak resident set size

    def memory_kib(self, key):
        """VmRSS (now) or VmHWM (the peak) of the daemon and all that it started; what a
        fork shares with the daemon counts once."""
        if self.daemon is None:
            return None
        first = self.daemon.pid
        forks = [pid for pid in _tree(first) if pid != first and _image(pid) == _image(first)]
        return sum(_kib(pid, "smaps_rollup", "Private_Clean", "Private_Dirty") if pid in forks else
                   _kib(pid, "status", key) for pid in _tree(first))

    def after_run(self):
        """After each run that was measured."""


@dataclasses.dataclass(frozen=True)
class BuildOptions:
    """What every builder's command line has, in the same words."""
    cached: bool = True
    file: str = ""  # the context's own Dockerfile where empty
    target: str = ""
    arguments: tuple = ()  # NAME=VALUE
    contexts: tuple = ()  # NAME=DIRECTORY, for those that know named contexts
    jobs: int = 1  # stages at a time, for those that must be told

    def argv(self, contexts=False):
        return ([] if self.cached else ["--no-cache"]) + [
            word for flag, values in (
                ("-f", [self.file] if self.file else []),
                ("--target", [self.target] if self.target else []),
                ("--build-arg", self.arguments),
                ("--build-context", self.contexts if contexts else ()))
            for value in values for word in (flag, value)]


class Zlayer(Peer):
    name = "zlayer"
    IDLE_SECONDS = 25  # within which a daemon has given back what it does not use

    def __init__(self, work, programs):
        super().__init__(work)
        self.zlayerd, self.zlayer = programs
        self.socket = os.path.join(self.work, "s")
        self.env["ZLAYER_ADDRESS"] = "unix://" + self.socket
        self.env["XDG_CACHE_HOME"] = os.path.join(self.work, "cache")
        self.flags = []

    def idle_kib(self):
        """The daemon's memory once it is idle."""
        time.sleep(self.IDLE_SECONDS)
        return self.memory_kib("VmRSS")

    def daemon_argv(self):
        return [self.zlayerd, "--root", os.path.join(self.work, "root"),
                "--address", self.env["ZLAYER_ADDRESS"]] + self.flags

    def ready_argv(self):
        return [self.zlayer, "info"]

    def import_root(self, tar, name):
        self.run([self.zlayer, "import", tar, name])

    def forget(self):
        """Goes back to an empty store, without images and without what the client remembers."""
        self.stop()
        for name in ("root", "cache"):
            shutil.rmtree(os.path.join(self.work, name), ignore_errors=True)
        self.start()

    def load(self, archive):
        self.run([self.zlayer, "import", archive])

    def build_argv(self, context, tag, options):
        return [self.zlayer, "build", "-q", "-t", tag] + options.argv(contexts=True) + [context]

    def serve(self, blob):
        """URL of the file as a blob, from a daemon that serves /v2/; it is the layer of an image."""
        from registry_rows import free_port, largest_layer  # noqa: PLC0415
        port = free_port()
        config = os.path.join(self.work, "serve.yaml")
        with open(config, "w") as file:
            file.write(f"server: {{address: '{port}'}}\n")
        self.stop()
        self.flags = ["--config", config]
        self.start()
        self.import_root(blob, "served:1")
        return largest_layer(f"http://127.0.0.1:{port}", "served")

    def push_argvs(self, tag, target, compression):
        return [[self.zlayer, "push", "-q", "--compression", compression, tag, target]]

    def pull_argv(self, image):
        return [self.zlayer, "pull", "-q", image]

    def export(self, tag, archive):
        self.run([self.zlayer, "export", "--format", "oci", "-o", archive, tag])


class BuildKit(Peer):
    """Debian's dockerd, without a network of its own: no bridge, no firewall rules."""

    name = "buildkit"
    docker = "/usr/bin/docker"  # Debian's: a later one found in PATH wants buildx

    def __init__(self, work):
        super().__init__(work)
        self.socket = os.path.join(self.work, "s")
        self.env["DOCKER_BUILDKIT"] = "1"
        self.env["DOCKER_HOST"] = "unix://" + self.socket
        self.env["HOME"] = self.work

    def daemon_argv(self):
        return ["dockerd", "--data-root", os.path.join(self.work, "data"), "--exec-root",
                os.path.join(self.work, "exec"), "--pidfile", os.path.join(self.work, "pid"),
                "-H", "unix://" + self.socket, "--iptables=false", "--ip6tables=false",
                "--ip-forward=false", "--bridge=none"]

    def ready_argv(self):
        return [self.docker, "version"]

    def import_root(self, tar, name):
        self.run([self.docker, "import", tar, name])

    def forget(self):
        self.run([self.docker, "image", "prune", "-af"])
        self.run([self.docker, "builder", "prune", "-af"])

    def load(self, archive):
        self.run([self.docker, "load", "-q", "-i", archive])

    def build_argv(self, context, tag, options):
        return ([self.docker, "build", "-q", "--network=host", "-t", tag] + options.argv() +
                [context])

    def push_argvs(self, tag, target, compression):
        return [[self.docker, "tag", tag, target], [self.docker, "push", "-q", target]]

    def pull_argv(self, image):
        return [self.docker, "pull", "-q", image]

    def export(self, tag, archive):
        self.run([self.docker, "save", "-o", archive, tag])


class Buildah(Peer):
    name = "buildah"
    has_daemon = False

    def __init__(self, work):
        super().__init__(work)
        self.buildah = ["buildah", "--root", os.path.join(self.work, "root"), "--runroot",
                        os.path.join(self.work, "run"), "--storage-driver", "overlay"]

    def import_root(self, tar, name):
        container = subprocess.run(self.buildah + ["from", "scratch"], check=True, text=True,
                                   capture_output=True, env=self.env).stdout.strip()
        self.run(self.buildah + ["add", "-q", container, tar, "/"])
        self.run(self.buildah + ["commit", "-q", "--rm", "--identity-label=false", container, name],
                 stderr=subprocess.DEVNULL)

    def load(self, archive):
        self.run(self.buildah + ["pull", "-q", "docker-archive:" + archive])

    def build_argv(self, context, tag, options):
        return (self.buildah + ["bud", "-q", "--isolation", "chroot", "--network", "host", "--layers",
                                "--identity-label=false", "--pull-never", "--jobs",
                                str(options.jobs), "-t", tag] +
                options.argv() + [context])

    def forget(self):
        subprocess.run(self.buildah + ["rmi", "-a", "-f"], env=self.env, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def after_run(self):
        # Its timings grow with what earlier builds left.
        subprocess.run(self.buildah + ["rmi", "-p", "-f"], env=self.env, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def export(self, tag, archive):
        self.run(self.buildah + ["push", "-q", tag, f"oci-archive:{archive}:x"])

    def start(self):
        return 0.0


class Skopeo(Peer):
    """Copies between an OCI layout and registries; its images come from a zlayerd of its own."""

    name = "skopeo"
    has_daemon = False
    wants = ()

    def __init__(self, work, programs):
        super().__init__(work)
        self.programs = programs

    def start(self):
        return 0.0

    def layout(self, tag):
        return os.path.join(self.work, tag)

    def import_root(self, tar, name):
        source = Zlayer(self.work, self.programs)
        source.start()
        source.import_root(tar, name)
        source.run([source.zlayer, "export", "--format", "oci-layout", "-o", self.layout(name),
                    name])
        source.stop()
        remove_work(source.work)

    def push_argvs(self, tag, target, compression):
        return [["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false",
                 "--dest-compress-format", compression, f"oci:{self.layout(tag)}",
                 "docker://" + target]]

    def pull_argv(self, image):
        return ["skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false",
                "docker://" + image, f"oci:{self.layout('pulled')}"]

    def forget(self):
        shutil.rmtree(self.layout("pulled"), ignore_errors=True)


class DockerRegistry(Peer):
    """Debian's registry, as a server."""

    name = "docker-registry"
    wants = ()

    def start(self):
        return 0.0

    def import_root(self, tar, name):
        pass

    def serve(self, blob):
        """URL of the file as a blob."""
        from registry_rows import Registry  # noqa: PLC0415
        self.stop()
        self.registry = Registry(self.work)
        self.registry.start()
        self.daemon = self.registry.process
        target = f"http://{self.registry.host}/v2/served/blobs"
        digest = subprocess.run(["sha256sum", blob], check=True, text=True,
                                capture_output=True).stdout.split()[0]
        location = subprocess.run(["curl", "-sfi", "-X", "POST", f"{target}/uploads/"], check=True,
                                  text=True, capture_output=True).stdout
        location = next(line.split(": ", 1)[1].strip() for line in location.splitlines()
                        if line.lower().startswith("location: "))
        self.run(["curl", "-sf", "-T", blob, f"{location}&digest=sha256:{digest}"])
        return f"{target}/sha256:{digest}"

    def stop(self):
        if self.daemon is not None:
            self.registry.stop()
            self.daemon = None
