"""Builds cases with a builder, and describes what came of it."""
import dataclasses
import json
import os
import shutil
import subprocess
import tarfile
import tempfile

import images
import record
from builders import BuildOptions

BASES = ("busybox:latest", "mirror.gcr.io/busybox:latest", "mirror.gcr.io/alpine:latest")
_HERE_TOO = ("etc/hosts", "etc/hostname", "etc/resolv.conf")  # what builders mount something over


@dataclasses.dataclass(frozen=True)
class Outcome:
    body: str = ""  # of an image
    message: str = ""  # of an error


def make_base(work):
    """A busybox image that has the mount points that builders would put into their layers. Returns
    {name: path of a Docker archive}."""
    root = os.path.join(work, "base")
    for name in ("bin", "etc", "dev", "proc", "sys", "run", "tmp", "root", "home/app"):
        os.makedirs(os.path.join(root, name))
    os.chmod(os.path.join(root, "tmp"), 0o1777)
    os.chmod(os.path.join(root, "root"), 0o700)
    os.chown(os.path.join(root, "home/app"), 1000, 1001)
    for name in _HERE_TOO:
        open(os.path.join(root, name), "w").close()
    shutil.copy("/bin/busybox", os.path.join(root, "bin"))
    applets = subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True)
    for applet in set(applets.stdout.split()) - {"busybox"}:
        os.symlink("busybox", os.path.join(root, "bin", applet))
    for name, lines in {
            "passwd": "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n",
            "group": "root:x:0:\napp:x:1001:\nextra:x:2000:app\n"}.items():
        with open(os.path.join(root, "etc", name), "w") as file:
            file.write(lines)
    layer = os.path.join(work, "layer.tar")
    subprocess.run(["tar", "-C", root, "--sort=name", "--mtime=@1700000000", "--numeric-owner", "-cf",
                    layer, "."], check=True)
    shutil.rmtree(root)
    with open(layer, "rb") as file:
        diff_id = images.digest(file.read())
    config = {"architecture": "amd64", "os": "linux", "created": "2023-11-14T22:13:20Z",
              "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                         "Cmd": ["sh"]},
              "history": [{"created": "2023-11-14T22:13:20Z", "created_by": "the base"}],
              "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    return {name: _docker_archive(work, name, config, layer) for name in BASES}


def _docker_archive(work, name, config, layer):
    path = os.path.join(work, name.replace("/", "-").replace(":", "-") + ".tar")
    directory = tempfile.mkdtemp(dir=work)
    for file, value in {
            "config.json": config,
            "manifest.json": [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}],
    }.items():
        with open(os.path.join(directory, file), "w") as stream:
            json.dump(value, stream)
    with tarfile.open(path, "w") as archive:
        archive.add(os.path.join(directory, "config.json"), "config.json")
        archive.add(layer, "layer.tar")
        archive.add(os.path.join(directory, "manifest.json"), "manifest.json")
    shutil.rmtree(directory)
    return path


class Building:
    """One builder that has the base images."""

    def __init__(self, builder, bases, newest):
        """`newest`: knows the whole language; others get peer.Dockerfile where there is one."""
        self.builder = builder
        self.newest = newest
        for archive in bases.values():
            builder.load(archive)
        self.base = images.read(bases[BASES[0]])

    def build(self, prepared):
        """The Outcome. Threads may build at the same time."""
        told = prepared.told
        name = "case-" + prepared.case.name
        steps = [(os.path.join(prepared.context, file), tag) for file, tag in told.get("before", ())]
        file = "" if self.newest else prepared.peer_dockerfile
        for before, tag in steps:
            message = self.builder.build(prepared.context, tag, BuildOptions(file=before))
            if message:
                return Outcome(message=message)
        if not file and "dockerfile" in told:
            file = os.path.join(prepared.context, told["dockerfile"])
        message = self.builder.build(prepared.context, name, BuildOptions(
            file=file, target=told.get("target", ""),
            arguments=tuple(f"{key}={value}" for key, value in told.get("args", {}).items()),
            contexts=tuple(f"{key}={value}" for key, value in told.get("contexts", {}).items())))
        if message:
            return Outcome(message=message)
        archive = os.path.join(os.path.dirname(prepared.context), self.builder.name + ".tar")
        self.builder.export(name, archive)
        image = images.read(archive)
        os.unlink(archive)
        return Outcome(body=record.describe(image, self.base, told.get("times", ()),
                                            prepared.replacements))
