// Builds the Dockerfile of a directory and prints what happens: example DIRECTORY [TAG]
#include <iostream>

#include "client/lib/client.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: example DIRECTORY [TAG]\n";
    return 2;
  }
  auto client = zlayer::Client::Open();  // where ZLAYER_ADDRESS says
  if (!client.ok()) {
    std::cerr << client.status().message() << "\n";
    return 1;
  }
  zlayer::v1::SubmitBuildRequest request;
  request.mutable_spec()->set_dockerfile("Dockerfile");
  if (argc > 2) {
    request.mutable_spec()->add_tags(argv[2]);
  }
  absl::Status sent = (*client)->SendDirectory(argv[1], request.mutable_spec());
  if (!sent.ok()) {
    std::cerr << sent.message() << "\n";
    return 1;
  }
  auto image = (*client)->Build(request, [](const zlayer::v1::BuildEvent& event) {
    if (event.has_instruction_started()) {
      std::cout << event.instruction_started().instruction() << "\n";
    } else if (event.has_output()) {
      std::cout << event.output().data();
    }
  });
  if (!image.ok()) {
    std::cerr << image.status().message() << "\n";
    return 1;
  }
  std::cout << "image " << image->image_id() << "\n";
}
