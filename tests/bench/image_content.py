"""What an image in an OCI layout contains, so that images of different builders can be compared.

Layers are applied as OCI image-spec 1.1, layer.md, says. Times are left out: every builder has its
own.
"""
import gzip
import hashlib
import io
import json
import os
import tarfile


def _blob(layout, digest):
    algorithm, encoded = digest.split(":")
    with open(os.path.join(layout, "blobs", algorithm, encoded), "rb") as file:
        return file.read()


def _entry(archive, member):
    content = ""
    if member.isfile():
        content = hashlib.sha256(archive.extractfile(member).read()).hexdigest()
    elif member.issym():
        content = member.linkname
    return (member.type.decode() if not member.isfile() else "0", oct(member.mode & 0o7777),
            member.uid, member.gid, content)


def _remove(files, path):
    for known in [name for name in files if name == path or name.startswith(path + "/")]:
        del files[known]


def _apply(files, layer):
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        for member in archive:
            path = os.path.normpath("/" + member.name).lstrip("/")
            directory, name = os.path.split(path)
            if name == ".wh..wh..opq":
                _remove({k: 0 for k in files}, path)
                for known in [k for k in files if k.startswith(directory + "/")]:
                    del files[known]
            elif name.startswith(".wh."):
                _remove(files, os.path.join(directory, name[4:]))
            elif member.islnk():
                files[path] = files[os.path.normpath("/" + member.linkname).lstrip("/")]
            elif path:
                if not member.isdir():
                    _remove(files, path)
                files[path] = _entry(archive, member)


def read(layout):
    """(files, configuration): {path: (type, mode, uid, gid, content)} and what a container sees."""
    with open(os.path.join(layout, "index.json")) as file:
        index = json.load(file)
    manifest = json.loads(_blob(layout, index["manifests"][0]["digest"]))
    config = json.loads(_blob(layout, manifest["config"]["digest"]))
    files = {}
    for descriptor in manifest["layers"]:
        layer = _blob(layout, descriptor["digest"])
        if descriptor["mediaType"].endswith("gzip"):
            layer = gzip.decompress(layer)
        _apply(files, layer)
    runtime = config.get("config", {})
    return files, {key: runtime.get(key) or None
                   for key in ("Env", "Entrypoint", "Cmd", "Labels", "User", "ExposedPorts",
                               "Volumes", "StopSignal")}


def differences(one, other):
    """One line each, at most twenty."""
    lines = []
    for path in sorted(set(one[0]) | set(other[0])):
        if one[0].get(path) != other[0].get(path):
            lines.append(f"/{path}: {one[0].get(path)} | {other[0].get(path)}")
    for key in one[1]:
        if one[1][key] != other[1][key]:
            lines.append(f"config.{key}: {one[1][key]} | {other[1][key]}")
    return lines[:20]
