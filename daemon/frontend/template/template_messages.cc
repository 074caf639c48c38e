#include "daemon/frontend/template/template_messages.h"

namespace zlayer {

v1::InlineFile BuildFileOf(const RuntimeTemplate& runtime, std::string_view windows_ltsc) {
  v1::InlineFile file;
  file.set_name(BuildFileName(runtime));
  file.set_content(DockerfileOf(runtime, windows_ltsc));
  return file;
}

v1::Runtime ToMessage(const RuntimeTemplate& runtime) {
  v1::Runtime message;
  message.set_name(std::string(runtime.name));
  for (std::string_view alias : runtime.aliases) {
    message.add_aliases(std::string(alias));
  }
  message.set_description(std::string(runtime.description));
  for (std::string_view pattern : runtime.detect_files) {
    message.add_detect_files(std::string(pattern));
  }
  message.set_dockerfile(std::string(runtime.dockerfile));
  message.set_dockerignore(std::string(runtime.dockerignore));
  return message;
}

v1::ListRuntimesResponse ListTemplates() {
  v1::ListRuntimesResponse response;
  for (const RuntimeTemplate& runtime : AllTemplates()) {
    if (!runtime.dockerfile.empty()) {
      *response.add_runtimes() = ToMessage(runtime);
    }
  }
  return response;
}

}  // namespace zlayer
