"""Checks of what is listed: tags, repositories, referrers. See distribution.py."""

import json

from registry_client import (CONFIG, EMPTY, INDEX, MANIFEST, Checks, descriptor, digest_of, equal,
                             expect, next_link, with_query)


class ListChecks(Checks):
    def check_tags(self):
        """end-8a: the list of tags is complete and in lexical order"""
        self.push_tags()
        answer = self.ask("GET", self.path("tags/list", self.other)).is_(200).json()
        equal(answer.get("name"), self.other, "the name")
        equal(answer.get("tags"), self.tags, "the list of tags")

    def check_tags_unknown(self):
        """end-8a: tags of an unknown repository answer 404 NAME_UNKNOWN"""
        self.ask("GET", self.path("tags/list", self.name + "/unknown")).is_(404).error("NAME_UNKNOWN")

    def check_tags_pages(self):
        """end-8b: n and last give pages, which Link leads through"""
        self.push_tags()
        listing = self.path("tags/list", self.other)
        equal(self.ask("GET", listing + "?n=3").is_(200).json()["tags"], self.tags[:3], "the first page")
        equal(self.ask("GET", listing + f"?n=2&last={self.tags[2]}").json()["tags"], self.tags[3:5],
              "the page after a tag")
        equal(self.ask("GET", listing + f"?last={self.tags[4]}").json()["tags"], self.tags[5:],
              "what is after a tag")
        found, target, pages = [], listing + "?n=2", 0
        while target and pages < 10:
            answer = self.ask("GET", target).is_(200)
            found += answer.json()["tags"]
            target, pages = next_link(answer), pages + 1
        equal(found, self.tags, "all pages together")

    def check_tags_none(self):
        """end-8b: n=0 answers with an empty list and no Link"""
        self.push_tags()
        answer = self.ask("GET", self.path("tags/list?n=0", self.other)).is_(200)
        equal(answer.json()["tags"] or [], [], "the list")
        expect("Link" not in answer.headers, "there is a Link")

    def check_catalog(self):
        """_catalog: Docker's list of repositories, with n, last and Link"""
        self.push_tags()
        self.push_manifest(self.image("catalog"), "catalog")
        found, target, pages = [], "/v2/_catalog?n=1", 0
        while target and pages < 1000:
            answer = self.ask("GET", target).is_(200)
            expect(len(answer.json()["repositories"]) <= 1, "a page has more than was asked for")
            found += answer.json()["repositories"]
            target, pages = next_link(answer), pages + 1
        expect({self.name, self.other} <= set(found), f"the catalog {found} lacks a repository")
        equal(len(found), len(set(found)), "the number of repositories")

    def check_referrers(self):
        """end-12a: referrers of a manifest are listed in an index, also before it is there"""
        subject_data = json.dumps(self.image("subject")).encode()
        subject = descriptor(MANIFEST, subject_data)
        self.push_referrers(subject)
        self.ask("PUT", self.path("manifests/subject"), subject_data, Content_Type=MANIFEST).is_(201)
        answer = self.ask("GET", self.path(f"referrers/{subject['digest']}")).is_(200)
        index = answer.has("Content-Type", INDEX).json()
        equal((index["schemaVersion"], index["mediaType"]), (2, INDEX), "the kind of answer")
        found = {each["digest"]: each for each in index["manifests"]}
        equal(set(found), set(self.referrers), "the set of referrers")
        for digest, wanted in self.referrers.items():
            equal(found[digest], wanted, "the descriptor of a referrer")

    def check_referrers_filter(self):
        """end-12b: artifactType filters, and OCI-Filters-Applied says so"""
        subject = descriptor(MANIFEST, self.data("filtered subject"))
        self.push_referrers(subject)
        target = with_query(self.path(f"referrers/{subject['digest']}"), artifactType="application/vnd.test.sbom+json")
        answer = self.ask("GET", target).is_(200).has("OCI-Filters-Applied", "artifactType")
        types = [each["artifactType"] for each in answer.json()["manifests"]]
        equal(types, ["application/vnd.test.sbom+json"], "the list of types")

    def check_referrers_none(self):
        """end-12a: without referrers, or without the repository, the list is empty; never 404"""
        for name in (self.name, self.name + "/unknown"):
            answer = self.ask("GET", self.path(f"referrers/{digest_of(b'alone')}", name)).is_(200)
            equal(answer.has("Content-Type", INDEX).json()["manifests"], [], "the list")

    def check_referrers_bad(self):
        """end-12a: a digest that is none answers 400"""
        self.ask("GET", self.path("referrers/sha256:abc")).is_(400)

    def push_tags(self):
        if hasattr(self, "tags"):
            return
        config = self.data("tags")
        self.push_blob(config, self.other)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, config),
                    "layers": []}
        self.tags = ["1.0", "1.10", "1.9", "Alpha", "beta", "Gamma", "latest"]
        for tag in reversed(self.tags):
            self.push_manifest(manifest, tag, self.other)

    def push_referrers(self, subject):
        """Of each kind one: with artifactType, with the type of its configuration, an index."""
        self.push_blob(b"{}")
        self.referrers = {}
        empty = descriptor(EMPTY, b"{}")
        sbom = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.test.sbom+json",
                "config": empty, "layers": [empty], "subject": subject, "annotations": {"kind": "sbom"}}
        self.add_referrer(sbom, MANIFEST, "application/vnd.test.sbom+json")
        self.add_referrer(self.image("referrer", subject=subject), MANIFEST, CONFIG)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": subject}
        self.add_referrer(index, INDEX, None)

    def add_referrer(self, manifest, media_type, artifact_type):
        data, answer = self.push_manifest(manifest, media_type=media_type)
        answer.has("OCI-Subject", manifest["subject"]["digest"])
        wanted = descriptor(media_type, data)
        if artifact_type:
            wanted["artifactType"] = artifact_type
        if "annotations" in manifest:
            wanted["annotations"] = manifest["annotations"]
        self.referrers[wanted["digest"]] = wanted
