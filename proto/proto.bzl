"""C++ code from a set of .proto files that belong together, with protoc and grpc_cpp_plugin."""

def cc_protos(name, protos, visibility, services = []):
    """Makes `name` (messages) and `name`_grpc (stubs), so that gRPC's headers stay where they are needed.

    Args:
      name: of the message library.
      protos: all files, by path below the package.
      services: those of them that define services; without any there is no `name`_grpc.
      visibility: of both libraries.
    """
    stems = [proto[:-len(".proto")] for proto in protos]
    service_stems = [proto[:-len(".proto")] for proto in services]
    native.genrule(
        name = name + "_gen",
        srcs = protos,
        outs = [stem + suffix for stem in stems for suffix in [".pb.h", ".pb.cc"]],
        cmd = "protoc -I{0} --cpp_out=$(RULEDIR) $(SRCS)".format(native.package_name()),
    )
    native.cc_library(
        name = name,
        srcs = [stem + ".pb.cc" for stem in stems],
        hdrs = [stem + ".pb.h" for stem in stems],
        strip_include_prefix = "/" + native.package_name(),
        visibility = visibility,
        deps = ["@system//:protobuf"],
    )
    if not services:
        return
    native.genrule(
        name = name + "_grpc_gen",
        srcs = protos,
        outs = [stem + suffix for stem in service_stems for suffix in [".grpc.pb.h", ".grpc.pb.cc"]],
        cmd = ("protoc -I{0} --plugin=protoc-gen-grpc=$$(which grpc_cpp_plugin) " +
               "--grpc_out=$(RULEDIR) {1}").format(
            native.package_name(),
            " ".join(["{}/{}".format(native.package_name(), proto) for proto in services]),
        ),
    )
    native.cc_library(
        name = name + "_grpc",
        srcs = [stem + ".grpc.pb.cc" for stem in service_stems],
        hdrs = [stem + ".grpc.pb.h" for stem in service_stems],
        strip_include_prefix = "/" + native.package_name(),
        visibility = visibility,
        deps = [":" + name, "@system//:grpc"],
    )
