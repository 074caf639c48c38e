"""Asks a registry over HTTP, and says what is wrong with an answer."""

import hashlib
import http.client
import json
import re
import ssl
import urllib.parse
import uuid

CODES = {
    "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN",
    "SIZE_INVALID", "UNAUTHORIZED", "DENIED", "UNSUPPORTED", "TOOMANYREQUESTS",
}

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"
OCTETS = "application/octet-stream"


class Failed(Exception):
    pass


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def expect(condition, what):
    if not condition:
        raise Failed(what)


def equal(found, wanted, what):
    expect(found == wanted, f"{what} is {found!r}, not {wanted!r}")


class Answer:
    def __init__(self, method, target, response):
        self.what = f"{method} {target}"
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def is_(self, *statuses):
        expect(self.status in statuses,
               f"{self.what} answers {self.status}, not {' or '.join(map(str, statuses))}: "
               f"{self.body[:200]!r}")
        return self

    def has(self, header, value):
        equal(self.headers.get(header), value, f"{header} of {self.what}")
        return self

    def location(self):
        location = self.headers.get("Location")
        expect(location, f"{self.what} has no Location")
        return location

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise Failed(f"{self.what} answers with what is no JSON: {self.body[:200]!r}")

    def error(self, *codes):
        """The body must be the specification's, with one of these codes."""
        errors = self.json().get("errors")
        expect(isinstance(errors, list) and errors, f"{self.what} answers without errors")
        for each in errors:
            expect(each.get("code") in CODES, f"{self.what} has the unknown code {each.get('code')!r}")
            expect(isinstance(each.get("message", ""), str), f"{self.what} has a message that is no text")
        expect(any(each["code"] in codes for each in errors),
               f"{self.what} answers {[each['code'] for each in errors]}, not {' or '.join(codes)}")
        return self


class Registry:
    def __init__(self, url, ca):
        self.url = urllib.parse.urlsplit(url)
        if self.url.scheme == "https":
            self.connection = http.client.HTTPSConnection(
                self.url.netloc, timeout=60, context=ssl.create_default_context(cafile=ca))
        else:
            self.connection = http.client.HTTPConnection(self.url.netloc, timeout=60)

    def ask(self, method, target, body=None, chunked=False, **headers):
        """One request. Locations may be absolute. Header names are given with '_' for '-'."""
        parts = urllib.parse.urlsplit(target)
        target = urllib.parse.urlunsplit(("", "", parts.path, parts.query, ""))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = b""
        if chunked:
            body = iter([body[: len(body) // 2], body[len(body) // 2:]])
        self.connection.request(method, target, body=body, headers=named, encode_chunked=chunked)
        return Answer(method, target, self.connection.getresponse())


def descriptor(media_type, data):
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def with_query(location, **query):
    return location + ("&" if "?" in location else "?") + urllib.parse.urlencode(query)


def next_link(answer):
    link = answer.headers.get("Link")
    if not link:
        return None
    match = re.fullmatch(r'<([^>]*)>; *rel="?next"?', link)
    expect(match, f"{answer.what} has the Link {link!r}")
    return match.group(1)


class Checks:
    """What the checks of all modules stand on: a repository of this run, and another one."""

    def __init__(self, registry):
        self.ask = registry.ask
        run = uuid.uuid4().hex[:8]
        self.name = f"conformance/{run}"
        self.other = f"conformance/{run}-other"
        self.seed = run.encode()

    def path(self, rest, name=None):
        return f"/v2/{name or self.name}/{rest}"

    def data(self, text, size=0):
        data = self.seed + b" " + text.encode() + b"\n"
        return data + bytes(i % 251 for i in range(size))

    def begin(self, name=None):
        return self.ask("POST", self.path("blobs/uploads/", name)).is_(202).location()

    def push_blob(self, data, name=None):
        location = with_query(self.begin(name), digest=digest_of(data))
        self.ask("PUT", location, data, Content_Type=OCTETS).is_(201)
        return digest_of(data)

    def push_manifest(self, manifest, reference=None, name=None, media_type=MANIFEST):
        data = json.dumps(manifest).encode()
        target = self.path(f"manifests/{reference or digest_of(data)}", name)
        answer = self.ask("PUT", target, data, Content_Type=media_type).is_(201)
        return data, answer

    def image(self, text, **more):
        config, layer = self.data(text + " config"), self.data(text + " layer")
        self.push_blob(config)
        self.push_blob(layer)
        return {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, config),
            "layers": [descriptor(LAYER, layer)],
            **more,
        }
