"""Checks of manifests: how they come, are read, and go. See distribution.py."""

import json

from registry_client import INDEX, LAYER, MANIFEST, Checks, descriptor, digest_of, equal, expect


class ManifestChecks(Checks):
    def check_manifest_by_tag(self):
        """end-7: PUT of a manifest by tag answers 201 with a pullable Location and the digest"""
        data, answer = self.push_manifest(self.image("tagged"), "tagged")
        answer.has("Docker-Content-Digest", digest_of(data))
        equal(self.ask("GET", answer.location()).is_(200).body, data, "the manifest at its Location")

    def check_manifest_by_digest(self):
        """end-7: PUT of a manifest by digest answers 201, and no tag is made"""
        data, answer = self.push_manifest(self.image("by digest"))
        answer.has("Docker-Content-Digest", digest_of(data))
        equal(self.ask("GET", answer.location()).is_(200).body, data, "the manifest at its Location")

    def check_manifest_moves(self):
        """end-7: PUT to a tag that is taken moves the tag"""
        first, _ = self.push_manifest(self.image("first"), "moving")
        second, _ = self.push_manifest(self.image("second"), "moving")
        equal(self.ask("GET", self.path("manifests/moving")).body, second, "what the tag names")
        self.ask("GET", self.path(f"manifests/{digest_of(first)}")).is_(200)

    def check_manifest_verbatim(self):
        """end-7: a manifest is kept byte for byte, with its Content-Type"""
        image = self.image("verbatim", annotations={"é": "\u2603"})
        data = (" \n" + json.dumps(image, indent=3, ensure_ascii=False) + "\n\n").encode()
        self.ask("PUT", self.path("manifests/verbatim"), data, Content_Type=MANIFEST).is_(201)
        answer = self.ask("GET", self.path("manifests/verbatim")).is_(200).has("Content-Type", MANIFEST)
        equal(answer.body, data, "the manifest")

    def check_index(self):
        """end-7: an index of manifests that are there is stored"""
        child, _ = self.push_manifest(self.image("child"))
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(MANIFEST, child)]}
        self.push_manifest(index, "index", media_type=INDEX)
        self.ask("GET", self.path("manifests/index")).is_(200).has("Content-Type", INDEX)

    def check_manifest_wrong_digest(self):
        """end-7: a manifest that does not have the digest is refused with 400 DIGEST_INVALID"""
        target = self.path(f"manifests/{digest_of(self.data('other manifest'))}")
        data = json.dumps(self.image("wrong digest")).encode()
        self.ask("PUT", target, data, Content_Type=MANIFEST).is_(400).error("DIGEST_INVALID")

    def check_manifest_blob_unknown(self):
        """end-7: a manifest with a blob that is not there: MANIFEST_BLOB_UNKNOWN"""
        image = self.image("lacks a layer")
        image["layers"].append(descriptor(LAYER, self.data("never pushed")))
        answer = self.ask("PUT", self.path("manifests/lacking"), json.dumps(image).encode(),
                          Content_Type=MANIFEST)
        answer.is_(400, 404).error("MANIFEST_BLOB_UNKNOWN")
        self.ask("GET", self.path("manifests/lacking")).is_(404)

    def check_manifest_invalid(self):
        """end-7: what is no manifest is refused with 400 MANIFEST_INVALID"""
        for data in (b"", b"no JSON", b"[]", b"{}", b'{"schemaVersion": 2'):
            answer = self.ask("PUT", self.path("manifests/bad"), data, Content_Type=MANIFEST)
            answer.is_(400).error("MANIFEST_INVALID")

    def check_manifest_size(self):
        """end-7: a manifest of 4 MiB less a little is taken, a larger one answers 413"""
        image = self.image("large")
        for padding, status in (((4 << 20) - 2000, 201), (4 << 20, 413)):
            data = json.dumps({**image, "annotations": {"large": "x" * padding}}).encode()
            self.ask("PUT", self.path("manifests/large"), data, Content_Type=MANIFEST).is_(status)

    def check_manifest(self):
        """end-3: GET and HEAD of a manifest answer 200 by tag and by digest, whatever is accepted"""
        data, _ = self.push_manifest(self.image("to read"), "to-read")
        for reference in ("to-read", digest_of(data)):
            for method in ("GET", "HEAD"):
                for accept in (MANIFEST, "*/*", "text/plain"):
                    answer = self.ask(method, self.path(f"manifests/{reference}"), Accept=accept).is_(200)
                    answer.has("Docker-Content-Digest", digest_of(data)).has("Content-Type", MANIFEST)
                    answer.has("Content-Length", str(len(data)))
                    equal(answer.body, data if method == "GET" else b"", f"the body of {method}")

    def check_manifest_unknown(self):
        """end-3: GET and HEAD of an unknown manifest or repository answer 404"""
        for target in (self.path("manifests/unknown"), self.path("manifests/.INVALID"),
                       self.path(f"manifests/{digest_of(b'unknown')}"),
                       self.path("manifests/latest", self.name + "/unknown")):
            self.ask("GET", target).is_(404).error("MANIFEST_UNKNOWN", "NAME_UNKNOWN")
            self.ask("HEAD", target).is_(404)

    def check_name_invalid(self):
        """end-3: a name that is none answers 400 or 404, NAME_INVALID"""
        for name in ("UPPER/case", "a..b", "a//b", "-a", "a" * 256):
            self.ask("GET", self.path("manifests/latest", name)).is_(400, 404).error("NAME_INVALID")

    def check_subject(self):
        """end-7: PUT of a manifest with a subject answers with OCI-Subject"""
        subject = descriptor(MANIFEST, self.data("not there"))
        _, answer = self.push_manifest(self.image("refers", subject=subject))
        answer.has("OCI-Subject", subject["digest"])
        _, answer = self.push_manifest(self.image("refers to nothing"))
        answer.has("OCI-Subject", None)

    def check_referrer_deleted(self):
        """end-9: a referrer that is deleted is listed no more"""
        subject = descriptor(MANIFEST, self.data("subject of one"))
        data, _ = self.push_manifest(self.image("one", subject=subject))
        self.ask("DELETE", self.path(f"manifests/{digest_of(data)}")).is_(202)
        answer = self.ask("GET", self.path(f"referrers/{subject['digest']}")).is_(200)
        equal(answer.json()["manifests"], [], "the list")

    def check_delete_tag(self):
        """end-9: DELETE of a tag answers 202; the manifest stays"""
        data, _ = self.push_manifest(self.image("untagged"), "untagged")
        self.push_manifest(self.image("untagged"), "stays")
        self.ask("DELETE", self.path("manifests/untagged")).is_(202)
        self.ask("GET", self.path("manifests/untagged")).is_(404).error("MANIFEST_UNKNOWN")
        self.ask("GET", self.path(f"manifests/{digest_of(data)}")).is_(200)
        self.ask("GET", self.path("manifests/stays")).is_(200)
        expect("untagged" not in self.ask("GET", self.path("tags/list")).json()["tags"], "it is listed")

    def check_delete_manifest(self):
        """end-9: DELETE of a manifest answers 202, and its tags are gone"""
        data, _ = self.push_manifest(self.image("deleted"), "deleted")
        self.ask("DELETE", self.path(f"manifests/{digest_of(data)}")).is_(202)
        self.ask("GET", self.path("manifests/deleted")).is_(404).error("MANIFEST_UNKNOWN")
        self.ask("GET", self.path(f"manifests/{digest_of(data)}")).is_(404).error("MANIFEST_UNKNOWN")

    def check_delete_unknown(self):
        """end-9: DELETE of an unknown manifest or repository answers 404"""
        digest = digest_of(b"unknown")
        self.ask("DELETE", self.path(f"manifests/{digest}")).is_(404).error("MANIFEST_UNKNOWN")
        answer = self.ask("DELETE", self.path(f"manifests/{digest}", self.name + "/unknown"))
        answer.is_(404).error("NAME_UNKNOWN", "MANIFEST_UNKNOWN")
