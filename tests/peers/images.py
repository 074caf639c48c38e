"""What an image contains, read from an archive of it, so that images of different builders can be
compared.

Both kinds of archive are read: of OCI layouts, and Docker's. Layers are applied as OCI image-spec
1.1, layer.md, says.
"""
import dataclasses
import functools
import gzip
import hashlib
import io
import json
import os
import tarfile

_TYPES = {tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "dir",
          tarfile.SYMTYPE: "link", tarfile.FIFOTYPE: "fifo", tarfile.CHRTYPE: "char",
          tarfile.BLKTYPE: "block", tarfile.CONTTYPE: "file", tarfile.GNUTYPE_SPARSE: "file"}
OPAQUE = ".wh..wh..opq"
_WHITEOUT = ".wh."


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of an image."""
    type: str
    mode: int
    uid: int
    gid: int
    content: bytes  # of a file, or a link's target
    mtime: int
    xattrs: tuple = ()

    def key(self):
        """What makes it another file; times are every builder's own."""
        return (self.type, self.mode, self.uid, self.gid, self.content, self.xattrs)


@dataclasses.dataclass(frozen=True)
class Layer:
    diff_id: str
    changes: tuple  # (path, Entry), (path, path of a hard link) or (path, None) of what is removed


@dataclasses.dataclass(frozen=True)
class Image:
    config: dict
    layers: list

    def files(self, layers=None):
        """{path: Entry} after the first `layers` layers, or all."""
        files = {}
        for layer in self.layers[:layers]:
            _apply(files, layer)
        return files


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _path(name):
    return os.path.normpath("/" + name).replace("//", "/")


def _entry(archive, member):
    content = b""
    if member.isfile():
        content = archive.extractfile(member).read()
    elif member.issym():
        content = member.linkname.encode(errors="surrogateescape")
    xattrs = tuple(sorted((key[len("SCHILY.xattr."):], value)
                          for key, value in member.pax_headers.items()
                          if key.startswith("SCHILY.xattr.")))
    return Entry(_TYPES.get(member.type, "other"), member.mode & 0o7777, member.uid, member.gid,
                 content, int(member.mtime), xattrs)


@functools.lru_cache(maxsize=256)
def _layer(blob):
    if blob[:2] == b"\x1f\x8b":
        blob = gzip.decompress(blob)
    changes = []
    with tarfile.open(fileobj=io.BytesIO(blob)) as archive:
        for member in archive:
            path = _path(member.name)
            directory, name = os.path.split(path)
            if name.startswith(_WHITEOUT) and name != OPAQUE:
                changes.append((os.path.join(directory, name[len(_WHITEOUT):]), None))
            elif name == OPAQUE:
                changes.append((path, None))
            elif member.islnk():
                changes.append((path, _path(member.linkname)))
            else:
                changes.append((path, _entry(archive, member)))
    return Layer(digest(blob), tuple(changes))


def _remove(files, path, itself=True):
    for known in [name for name in files
                  if (itself and name == path) or name.startswith(path.rstrip("/") + "/")]:
        del files[known]


def _apply(files, layer):
    for path, change in layer.changes:  # what a layer removes was below it
        if change is None:
            directory, name = os.path.split(path)
            if name == OPAQUE:
                _remove(files, directory, itself=False)
            else:
                _remove(files, path)
    for path, change in layer.changes:
        if isinstance(change, str):
            files[path] = files[change]
        elif change is not None and path != "/":
            if change.type != "dir" and path in files and files[path].type == "dir":
                _remove(files, path)
            files[path] = change


def read(archive):
    """The image in an archive that holds one."""
    blobs = {}
    with tarfile.open(archive) as outer:
        links = {}
        for member in outer:
            if member.isfile():
                blobs[member.name] = outer.extractfile(member).read()
            elif member.issym():
                links[member.name] = os.path.normpath(
                    os.path.join(os.path.dirname(member.name), member.linkname))
        for name, target in links.items():
            if target in blobs:
                blobs[name] = blobs[target]
    if "index.json" in blobs:
        def blob(descriptor):
            return blobs["blobs/" + descriptor["digest"].replace(":", "/")]
        manifest = json.loads(blob(json.loads(blobs["index.json"])["manifests"][0]))
        config = blob(manifest["config"])
        layers = [blob(descriptor) for descriptor in manifest["layers"]]
    else:
        manifest = json.loads(blobs["manifest.json"])[0]
        config = blobs[manifest["Config"]]
        layers = [blobs[name] for name in manifest["Layers"]]
    image = Image(json.loads(config), [_layer(layer) for layer in layers])
    recorded = image.config["rootfs"].get("diff_ids") or []
    if [layer.diff_id for layer in image.layers] != recorded:
        raise ValueError(f"{archive}: the layers are not those of the configuration's diff ids")
    return image


def differences(one, other):
    """What two images do not have in common: one line each, at most twenty."""
    lines = []
    files, others = one.files(), other.files()
    for path in sorted(set(files) | set(others)):
        pair = [entries[path].key() if path in entries else None for entries in (files, others)]
        if pair[0] != pair[1]:
            lines.append(f"{path}: {pair[0]} | {pair[1]}")
    for key in ("Env", "Entrypoint", "Cmd", "Labels", "User", "ExposedPorts", "Volumes",
                "StopSignal"):
        pair = [image.config.get("config", {}).get(key) or None for image in (one, other)]
        if pair[0] != pair[1]:
            lines.append(f"config.{key}: {pair[0]} | {pair[1]}")
    return lines[:20]
