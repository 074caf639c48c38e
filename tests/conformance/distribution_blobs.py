"""Checks of blobs: how they come, are read, and go. See distribution.py."""

import re
import urllib.parse

from registry_client import OCTETS, Checks, digest_of, equal, expect, with_query


class BlobChecks(Checks):
    def check_begin_upload(self):
        """end-4a: POST of an upload answers 202 with a Location that has a UUID"""
        answer = self.ask("POST", self.path("blobs/uploads/")).is_(202)
        uuids = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
        expect(re.search(uuids, answer.location()), "the Location has no UUID")
        self.ask("DELETE", answer.location())

    def check_post_put(self):
        """end-6: POST then PUT of a whole blob answers 201 with a pullable Location"""
        data = self.data("post then put", 300_000)
        location = with_query(self.begin(), digest=digest_of(data))
        answer = self.ask("PUT", location, data, Content_Type=OCTETS).is_(201)
        equal(self.ask("GET", answer.location()).is_(200).body, data, "the blob at its Location")
        if "Docker-Content-Digest" in answer.headers:
            answer.has("Docker-Content-Digest", digest_of(data))

    def check_put_wrong_digest(self):
        """end-6: a blob that does not have the digest is refused with 400 DIGEST_INVALID"""
        wanted = digest_of(self.data("something else"))
        location = with_query(self.begin(), digest=wanted)
        self.ask("PUT", location, self.data("wrong"), Content_Type=OCTETS).is_(400).error("DIGEST_INVALID")
        self.ask("GET", self.path(f"blobs/{wanted}")).is_(404)

    def check_put_bad_digest(self):
        """end-6: a digest that is none, or is missing, is refused with 400 DIGEST_INVALID"""
        location = self.begin()
        self.ask("PUT", with_query(location, digest="sha256:0"), b"x").is_(400).error("DIGEST_INVALID")
        self.ask("PUT", location, b"x").is_(400).error("DIGEST_INVALID")
        self.ask("DELETE", location)

    def check_put_unknown(self):
        """end-6: PUT of an unknown upload answers 404 BLOB_UPLOAD_UNKNOWN"""
        location = re.sub(r"[0-9a-f]{12}", "0" * 12, self.begin())
        location = with_query(location, digest=digest_of(b"x"))
        self.ask("PUT", location, b"x").is_(404).error("BLOB_UPLOAD_UNKNOWN")

    def check_single_post(self):
        """end-4b: a single POST with the whole blob answers 201 with a pullable Location"""
        data = self.data("single post", 1000)
        target = with_query(self.path("blobs/uploads/"), digest=digest_of(data))
        answer = self.ask("POST", target, data, Content_Type=OCTETS).is_(201)
        equal(self.ask("GET", answer.location()).is_(200).body, data, "the blob at its Location")

    def check_single_post_wrong(self):
        """end-4b: a single POST of something else is refused with 400 DIGEST_INVALID"""
        target = with_query(self.path("blobs/uploads/"), digest=digest_of(self.data("not this")))
        self.ask("POST", target, b"but this").is_(400).error("DIGEST_INVALID")

    def check_chunks(self):
        """end-5: PATCH of chunks in order answers 202 with Location and Range, PUT ends it"""
        data = self.data("chunks", 90_000)
        location = self.begin()
        for begin, end in ((0, 40_000), (40_000, 70_000)):
            answer = self.ask("PATCH", location, data[begin:end], Content_Type=OCTETS,
                              Content_Range=f"{begin}-{end - 1}").is_(202)
            answer.has("Range", f"0-{end - 1}")
            location = answer.location()
        location = with_query(location, digest=digest_of(data))
        answer = self.ask("PUT", location, data[70_000:], Content_Type=OCTETS,
                          Content_Range=f"70000-{len(data) - 1}").is_(201)
        equal(self.ask("GET", answer.location()).is_(200).body, data, "the blob at its Location")

    def check_chunk_order(self):
        """end-5: a chunk out of order answers 416, and the upload goes on where it was"""
        data = self.data("order", 3000)
        location = self.begin()
        self.ask("PATCH", location, data[1000:2000], Content_Range="1000-1999").is_(416)
        location = self.ask("PATCH", location, data[:1000], Content_Range="0-999").is_(202).location()
        self.ask("PATCH", location, data[:1000], Content_Range="0-999").is_(416)
        self.ask("PATCH", location, data[2000:], Content_Range=f"2000-{len(data) - 1}").is_(416)
        location = self.ask("GET", location).is_(204).has("Range", "0-999").location()
        location = self.ask("PATCH", location, data[1000:],
                            Content_Range=f"1000-{len(data) - 1}").is_(202).location()
        self.ask("PUT", with_query(location, digest=digest_of(data))).is_(201)

    def check_last_chunk_order(self):
        """end-6: a closing chunk out of order answers 416"""
        data = self.data("closing", 2000)
        location = self.begin()
        location = self.ask("PATCH", location, data[:1000], Content_Range="0-999").is_(202).location()
        self.ask("PUT", with_query(location, digest=digest_of(data)), data[1500:],
                 Content_Range=f"1500-{len(data) - 1}").is_(416)
        self.ask("PUT", with_query(location, digest=digest_of(data)), data[1000:],
                 Content_Range=f"1000-{len(data) - 1}").is_(201)

    def check_chunk_length(self):
        """end-5: a chunk that is not as long as its Content-Range is refused with 400"""
        location = self.begin()
        self.ask("PATCH", location, b"12345", Content_Range="0-9").is_(400)
        self.ask("PATCH", location, b"12345", Content_Range="zero-four").is_(400, 416)
        self.ask("DELETE", location)

    def check_stream(self):
        """end-5: PATCH without Content-Range, with a length or chunked in HTTP, is appended"""
        data = self.data("stream", 700_000)
        location = self.begin()
        location = self.ask("PATCH", location, data[:1000], Content_Type=OCTETS).is_(202).location()
        answer = self.ask("PATCH", location, data[1000:], chunked=True, Content_Type=OCTETS).is_(202)
        answer.has("Range", f"0-{len(data) - 1}")
        location = with_query(answer.location(), digest=digest_of(data))
        self.ask("PUT", location).is_(201)
        equal(self.ask("GET", self.path(f"blobs/{digest_of(data)}")).body, data, "the blob")

    def check_patch_unknown(self):
        """end-5: PATCH of an unknown upload answers 404 BLOB_UPLOAD_UNKNOWN"""
        location = re.sub(r"[0-9a-f]{12}", "0" * 12, self.begin())
        self.ask("PATCH", location, b"x").is_(404).error("BLOB_UPLOAD_UNKNOWN")

    def check_status(self):
        """end-13: GET of an upload answers 204 with Location and Range"""
        location = self.begin()
        self.ask("GET", location).is_(204).location()
        location = self.ask("PATCH", location, b"12345").is_(202).location()
        answer = self.ask("GET", location).is_(204).has("Range", "0-4")
        self.ask("DELETE", answer.location())

    def check_cancel(self):
        """end-14: DELETE of an upload answers 204, and the upload is unknown then"""
        location = self.begin()
        self.ask("PATCH", location, b"12345").is_(202)
        self.ask("DELETE", location).is_(204)
        self.ask("GET", location).is_(404).error("BLOB_UPLOAD_UNKNOWN")
        self.ask("DELETE", location).is_(404).error("BLOB_UPLOAD_UNKNOWN")

    def check_mount(self):
        """end-11: POST with mount and from answers 201 with a pullable Location"""
        data = self.data("mounted", 5000)
        digest = self.push_blob(data)
        target = with_query(self.path("blobs/uploads/", self.other), mount=digest)
        target += "&from=" + urllib.parse.quote(self.name, safe="")
        answer = self.ask("POST", target).is_(201)
        expect(f"/v2/{self.other}/blobs/" in answer.location(), "the Location is of another repository")
        equal(self.ask("GET", answer.location()).is_(200).body, data, "the blob at its Location")

    def check_mount_unknown(self):
        """end-11: POST with mount of a blob that is not there answers 202 and begins an upload"""
        target = with_query(self.path("blobs/uploads/"), mount=digest_of(self.data("nowhere")))
        answer = self.ask("POST", target + "&from=" + self.other.replace("/", "%2F")).is_(202)
        data = self.data("sent after all")
        self.ask("PUT", with_query(answer.location(), digest=digest_of(data)), data).is_(201)

    def check_blob(self):
        """end-2: GET and HEAD of a blob answer 200 with digest and length"""
        data = self.data("blob", 400_000)
        target = self.path(f"blobs/{self.push_blob(data)}")
        for method in ("GET", "HEAD"):
            answer = self.ask(method, target).is_(200)
            answer.has("Docker-Content-Digest", digest_of(data)).has("Content-Length", str(len(data)))
            equal(answer.body, data if method == "GET" else b"", f"the body of {method}")

    def check_empty_blob(self):
        """end-2: an empty blob is a blob"""
        target = self.path(f"blobs/{self.push_blob(b'')}")
        equal(self.ask("GET", target).is_(200).has("Content-Length", "0").body, b"", "the blob")

    def check_range(self):
        """end-2: Range answers 206 with Content-Range, or 416"""
        data = self.data("range", 10_000)
        size = len(data)
        target = self.path(f"blobs/{self.push_blob(data)}")
        for text, first, last in (("0-99", 0, 99), ("5000-", 5000, size - 1), ("-10", size - 10, size - 1),
                                  ("7-7", 7, 7), (f"9000-{size + 5}", 9000, size - 1)):
            answer = self.ask("GET", target, Range=f"bytes={text}").is_(206)
            answer.has("Content-Range", f"bytes {first}-{last}/{size}")
            answer.has("Content-Length", str(last - first + 1))
            equal(answer.body, data[first:last + 1], f"the bytes {text}")
        self.ask("GET", target, Range=f"bytes={size}-").is_(416).has("Content-Range", f"bytes */{size}")

    def check_blob_unknown(self):
        """end-2: GET and HEAD of an unknown blob answer 404 BLOB_UNKNOWN"""
        target = self.path(f"blobs/{digest_of(self.data('unknown'))}")
        self.ask("GET", target).is_(404).error("BLOB_UNKNOWN")
        equal(self.ask("HEAD", target).is_(404).body, b"", "the body of HEAD")

    def check_blob_bad_digest(self):
        """end-2: a digest that is none answers 400 DIGEST_INVALID"""
        self.ask("GET", self.path("blobs/sha256:xyz")).is_(400, 404).error("DIGEST_INVALID", "BLOB_UNKNOWN")

    def check_delete_blob(self):
        """end-10: DELETE of a blob answers 202, and it is gone; of an unknown one 404"""
        target = self.path(f"blobs/{self.push_blob(self.data('deleted blob'))}")
        self.ask("DELETE", target).is_(202)
        self.ask("GET", target).is_(404).error("BLOB_UNKNOWN")
        self.ask("DELETE", target).is_(404).error("BLOB_UNKNOWN")
