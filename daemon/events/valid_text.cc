#include "daemon/events/valid_text.h"

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "base/strings.h"

namespace zlayer {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void FixString(Message* message, const Reflection& reflection, const FieldDescriptor* field) {
  std::string scratch;
  if (!field->is_repeated()) {
    const std::string& text = reflection.GetStringReference(*message, field, &scratch);
    if (!IsUtf8(text)) {
      reflection.SetString(message, field, ToUtf8(text));
    }
    return;
  }
  for (int i = 0; i < reflection.FieldSize(*message, field); ++i) {
    const std::string& text = reflection.GetRepeatedStringReference(*message, field, i, &scratch);
    if (!IsUtf8(text)) {
      reflection.SetRepeatedString(message, field, i, ToUtf8(text));
    }
  }
}

void FixMessages(Message* message, const Reflection& reflection, const FieldDescriptor* field) {
  if (!field->is_repeated()) {
    MakeTextValid(reflection.MutableMessage(message, field));
    return;
  }
  for (int i = 0; i < reflection.FieldSize(*message, field); ++i) {
    MakeTextValid(reflection.MutableRepeatedMessage(message, field, i));
  }
}

}  // namespace

void MakeTextValid(Message* message) {
  const Reflection& reflection = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->type() == FieldDescriptor::TYPE_STRING) {
      FixString(message, reflection, field);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      FixMessages(message, reflection, field);
    }
  }
}

}  // namespace zlayer
