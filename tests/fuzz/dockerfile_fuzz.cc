// The input is a Dockerfile that is converted, with images that all exist and of which one has
// triggers: a graph that comes out can be sent.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/errors.h"
#include "daemon/frontend/dockerfile/convert.h"
#include "tests/fuzz/check.h"

namespace {

class FakeImages : public zlayer::ImageResolver {
 public:
  absl::StatusOr<zlayer::ResolvedImage> Resolve(const std::string& reference,
                                                const zlayer::v1::Platform& platform,
                                                std::stop_token) override {
    if (reference == "absent") {
      return zlayer::NotFound("there is no image absent");
    }
    zlayer::ResolvedImage image{reference, "sha256:0", platform, {}};
    image.config.add_env("PATH=/bin");
    if (reference.starts_with("on")) {
      image.config.add_on_build("ARG A=1");
      image.config.add_on_build("COPY --from=a <<E $A /x\n$A\nE");
      image.config.add_on_build(reference);  // anything
    }
    return image;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zlayer::ConvertRequest request;
  request.name = "Dockerfile";
  request.text.assign(reinterpret_cast<const char*>(data), size);
  request.build_args = {{"A", "given"}, {"http_proxy", "proxy"}};
  request.platform.set_os("linux");
  request.platform.set_architecture("amd64");
  request.contexts["uploaded"].set_uploaded("id");
  request.contexts["image"].set_image("x");
  request.contexts["git"].mutable_git()->set_url("git://h/r");
  request.contexts["http"].mutable_http()->set_url("http://h/f");
  FakeImages images;
  const auto converted = zlayer::ConvertFile(request, images, {});
  if (!converted.ok()) {
    FUZZ_CHECK(!converted.status().message().empty());
    return 0;
  }
  zlayer::v1::Graph copy;
  FUZZ_CHECK(copy.ParseFromString(converted->graph.SerializeAsString()));
  for (int i = 0; i < copy.stages_size(); ++i) {
    for (const zlayer::v1::Operation& operation : copy.stages(i).operations()) {
      FUZZ_CHECK(!operation.has_stage() || static_cast<int>(operation.stage().stage()) < i);
    }
  }
  for (const zlayer::v1::Warning& warning : converted->warnings) {
    zlayer::v1::Warning sent;
    FUZZ_CHECK(sent.ParseFromString(warning.SerializeAsString()));
  }
  return 0;
}
