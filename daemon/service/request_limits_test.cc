#include "daemon/service/request_limits.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "proto/error_detail.h"
#include "tests/status_matchers.h"
#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/cache.pb.h"
#include "zlayer/v1/image.pb.h"
#include "zlayer/v1/pipeline.pb.h"
#include "zlayer/v1/registry.pb.h"
#include "zlayer/v1/system.pb.h"

namespace zlayer {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using Proto = google::protobuf::Message;
using ::testing::HasSubstr;

// Calls `visit` for every field that a client can fill in a message of this type.
void VisitFields(const Descriptor* type, std::set<const Descriptor*>* seen,
                 const std::function<void(const FieldDescriptor*)>& visit) {
  if (!seen->insert(type).second) {
    return;
  }
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->full_name() == "zlayer.v1.ContextEntries.entries") {
      continue;
    }
    visit(field);
    if (field->message_type() != nullptr) {
      VisitFields(field->message_type(), seen, visit);
    }
  }
}

void VisitRequests(const std::function<void(const FieldDescriptor*)>& visit) {
  std::set<const Descriptor*> seen;
  for (const FileDescriptor* file :
       {v1::BuildSpec::descriptor()->file(), v1::Image::descriptor()->file(),
        v1::SystemInfo::descriptor()->file(), v1::CacheEntry::descriptor()->file(),
        v1::PullImageRequest::descriptor()->file(), v1::PipelineSpec::descriptor()->file()}) {
    ASSERT_EQ(file->service_count(), 1);
    for (int i = 0; i < file->service(0)->method_count(); ++i) {
      VisitFields(file->service(0)->method(i)->input_type(), &seen, visit);
    }
  }
}

bool IsText(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
}

TEST(LimitOf, EveryFieldOfEveryRequestHasItsRow) {
  int rows = 0;
  VisitRequests([&](const FieldDescriptor* field) {
    if (!IsText(field) && !field->is_repeated()) {
      return;
    }
    ++rows;
    std::optional<FieldLimit> limit = LimitOf(field->full_name());
    ASSERT_TRUE(limit.has_value()) << field->full_name() << " has no limit";
    EXPECT_EQ(limit->bytes > 0, IsText(field)) << field->full_name();
    if (field->full_name() != "zlayer.v1.Graph.targets") {
      EXPECT_EQ(limit->values > 1, field->is_repeated()) << field->full_name();
    }
  });
  EXPECT_GT(rows, 100);
}

TEST(LimitOf, NoFieldIsLargerThanAMessage) {
  VisitRequests([&](const FieldDescriptor* field) {
    std::optional<FieldLimit> limit = LimitOf(field->full_name());
    EXPECT_LT(limit.value_or(FieldLimit{}).bytes, size_t{4} << 20) << field->full_name();
  });
}

// One value of `size` bytes in a field of its message.
std::unique_ptr<Proto> WithText(const FieldDescriptor* field, size_t size) {
  const Proto* prototype =
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(field->containing_type());
  std::unique_ptr<Proto> message(prototype->New());
  if (field->is_repeated()) {
    message->GetReflection()->AddString(message.get(), field, std::string(size, 'x'));
  } else {
    message->GetReflection()->SetString(message.get(), field, std::string(size, 'x'));
  }
  return message;
}

TEST(CheckLimits, EveryTextMayReachItsLimitAndNotPassIt) {
  VisitRequests([&](const FieldDescriptor* field) {
    // Entries of maps are no messages of their own.
    if (!IsText(field) || field->containing_type()->options().map_entry()) {
      return;
    }
    const size_t most = LimitOf(field->full_name()).value_or(FieldLimit{}).bytes;
    EXPECT_OK(CheckLimits(*WithText(field, most))) << field->full_name();
    EXPECT_THAT(CheckLimits(*WithText(field, most + 1)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field->name() + ": ")))
        << field->full_name();
  });
}

struct OverCase {
  std::string subject;
  std::function<void(v1::SubmitBuildRequest&)> fill;
};

void PrintTo(const OverCase& test, std::ostream* out) { *out << test.subject; }

class OverLimit : public ::testing::TestWithParam<OverCase> {};

TEST_P(OverLimit, IsRefusedWithTheFieldsName) {
  v1::SubmitBuildRequest request;
  GetParam().fill(request);
  absl::Status status = CheckLimits(request);
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().subject + ": ")));
  EXPECT_EQ(DetailOf(status).reason(), "INVALID_OPTION");
  EXPECT_EQ(DetailOf(status).subject(), GetParam().subject);
}

using Request = v1::SubmitBuildRequest;

INSTANTIATE_TEST_SUITE_P(
    Requests, OverLimit,
    ::testing::Values(
        OverCase{"build_args",
                 [](Request& r) {
                   for (int i = 0; i < 100'000; ++i) {
                     (*r.mutable_spec()->mutable_build_args())[std::to_string(i)] = "";
                   }
                 }},
        OverCase{"build_args.value",
                 [](Request& r) {
                   (*r.mutable_spec()->mutable_build_args())["a"] = std::string(65'537, 'x');
                 }},
        OverCase{"labels.key",
                 [](Request& r) {
                   (*r.mutable_spec()->mutable_labels())[std::string(1 << 20, 'x')] = "";
                 }},
        OverCase{"tags",
                 [](Request& r) {
                   for (int i = 0; i < 10'000; ++i) {
                     r.mutable_spec()->add_tags("a");
                   }
                 }},
        OverCase{"tags", [](Request& r) { r.mutable_spec()->add_tags(std::string(513, 'a')); }},
        OverCase{"dockerfile",
                 [](Request& r) { r.mutable_spec()->set_dockerfile(std::string("a\0b", 3)); }},
        OverCase{"build_args.key",
                 [](Request& r) {
                   (*r.mutable_spec()->mutable_build_args())[std::string("A\0", 2)] = "";
                 }},
        OverCase{"dockerfile_inline.content",
                 [](Request& r) {
                   r.mutable_spec()->mutable_dockerfile_inline()->set_content(
                       std::string((1 << 20) + 1, '#'));
                 }},
        OverCase{"contexts.uploaded",
                 [](Request& r) {
                   (*r.mutable_spec()->mutable_contexts())[""].set_uploaded(std::string(65, 'a'));
                 }},
        OverCase{"contexts",
                 [](Request& r) {
                   for (int i = 0; i < 101; ++i) {
                     (*r.mutable_spec()->mutable_contexts())[std::to_string(i)].set_uploaded("a");
                   }
                 }},
        OverCase{"idempotency_key",
                 [](Request& r) { r.set_idempotency_key(std::string(129, 'k')); }},
        OverCase{"namespace", [](Request& r) { r.set_namespace_(std::string(64, 'a')); }},
        OverCase{
            "graph.stages.operations.run.argv",
            [](Request& r) {
              v1::Run& run =
                  *r.mutable_spec()->mutable_graph()->add_stages()->add_operations()->mutable_run();
              for (int i = 0; i < 10'001; ++i) {
                run.add_argv("a");
              }
            }}),
    [](const auto& info) {
      std::string name = std::to_string(info.index) + "_" + info.param.subject;
      std::replace(name.begin(), name.end(), '.', '_');
      return name;
    });

TEST(CheckLimits, TakesWhatFits) {
  v1::SubmitBuildRequest request;
  for (int i = 0; i < 1000; ++i) {
    (*request.mutable_spec()->mutable_build_args())[std::to_string(i)] = std::string(1000, 'x');
  }
  // NUL bytes are for the readers of bytes to judge.
  request.mutable_spec()->mutable_dockerfile_inline()->set_content(std::string("\0", 1));
  EXPECT_OK(CheckLimits(request));
}

}  // namespace
}  // namespace zlayer
