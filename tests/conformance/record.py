"""What a build came to, as text that people read in a review and that can be compared line by line.

A record has a head, which says who confirmed it, an empty line, and a body: of an image its
configuration, the files in which it differs from its base image, and its history; of an error the
line it names and words of its message.
"""
import dataclasses
import difflib
import json
import os
import time

import images

_CONFIG = ("Env", "Cmd", "Entrypoint", "WorkingDir", "User", "ExposedPorts", "Volumes", "Labels",
           "Healthcheck", "OnBuild", "Shell", "StopSignal", "ArgsEscaped")
_SHOWN = 120  # longer contents are shown as their digest


def _content(content):
    text = content.decode(errors="replace")
    if len(content) <= _SHOWN and "\ufffd" not in text:
        return json.dumps(text, ensure_ascii=False)
    return f"{len(content)} bytes, {images.digest(content)[:19]}"


def _file(entry, with_time):
    if entry.type == "link":
        text = f"link {entry.uid}:{entry.gid} -> {_content(entry.content)}"
    else:
        text = f"{entry.type} {entry.mode:04o} {entry.uid}:{entry.gid}"
        if entry.type == "file":
            text += " " + _content(entry.content)
    for name, value in entry.xattrs:
        text += f" {name}={json.dumps(value)}"
    if with_time:
        text += time.strftime(" %Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.mtime))
    return text


def _history(image):
    for entry in image.config.get("history") or []:
        created_by = entry.get("created_by", "").removesuffix(" # buildkit")
        yield ("  - " if entry.get("empty_layer") else "  + ") + json.dumps(created_by,
                                                                          ensure_ascii=False)


def _removals(image):
    """What layers remove of those below. Some builders also mark what is not there; that is left out."""
    for number, layer in enumerate(image.layers):
        below = image.files(number)
        for path, change in sorted(layer.changes, key=lambda item: item[0]):
            directory, name = os.path.split(path)
            gone = directory if name == images.OPAQUE else path
            if change is None and (gone in below if gone == path else
                                   any(other.startswith(gone + "/") for other in below)):
                yield f"  layer {number}: {path}"


def _starts_with(image, base):
    return ([layer.diff_id for layer in image.layers[:len(base.layers)]] ==
            [layer.diff_id for layer in base.layers])


def describe(image, base, times=(), replacements=()):
    """The body for an image. `base`: its base image's layers are not described again where it has
    them. `times`: paths whose modification time counts. `replacements`: (text, other) for what
    changes from run to run."""
    below = len(base.layers) if _starts_with(image, base) else 0
    before, after = image.files(below), image.files()
    config = image.config.get("config") or {}
    lines = ["image " + "/".join(filter(None, (image.config.get(key) for key in
                                              ("os", "architecture", "variant"))))]
    for key in _CONFIG:
        if config.get(key):
            lines.append(f"{key}: {json.dumps(config[key], ensure_ascii=False, sort_keys=True)}")
    if image.config.get("author"):
        lines.append(f"author: {image.config['author']}")
    lines.append("files:")
    for path in sorted(set(before) | set(after)):
        if path not in after:
            lines.append(f"  {path}  removed")
        elif path in times or path not in before or before[path].key() != after[path].key():
            lines.append(f"  {path}  {_file(after[path], path in times)}")
    lines += [f"layers: {len(image.layers)}", "history: (+ has a layer)", *_history(image)]
    removed = list(_removals(image))
    if removed:
        lines += ["whiteouts:"] + removed
    body = "\n".join(lines)
    for text, other in replacements:
        body = body.replace(text, other)
    return body


def describe_error(line, words):
    return "\n".join(["error"] + ([f"line: {line}"] if line else []) +
                     [f"message contains: {word}" for word in words])


@dataclasses.dataclass(frozen=True)
class Record:
    confirmed: str  # by whom
    body: str

    @property
    def is_error(self):
        return self.body.startswith("error")

    def text(self):
        return f"confirmed by: {self.confirmed}\n\n{self.body}\n"


def parse(text):
    head, _, body = text.partition("\n\n")
    return Record(head.removeprefix("confirmed by: "), body.rstrip("\n"))


def result(body):
    """What a container would see: the body without the layers and the history that led to it."""
    return body.partition("\nlayers: ")[0]


def with_history_of(body, other):
    """The body with the layers and the history of another one."""
    return result(body) + "".join(other.partition("\nlayers: ")[1:])


def differences(expected, actual, names=("expected", "actual")):
    """Lines that differ, marked - and +; empty where none do."""
    lines = difflib.unified_diff(expected.split("\n"), actual.split("\n"), names[0], names[1],
                                 lineterm="", n=0)
    return [line for line in lines if not line.startswith("@@")]


def error_differences(record, message):
    """Why a message of zlayer's is not what the record of an error wants; empty where it is."""
    complaints = []
    for line in record.body.split("\n")[1:]:
        key, _, value = line.partition(": ")
        if key == "line" and f":{value}: " not in message and f":{value}:" not in message:
            complaints.append(f"does not name line {value}")
        if key == "message contains" and value not in message:
            complaints.append(f'does not contain "{value}"')
    return [f"the message {complaint}: {message}" for complaint in complaints]
