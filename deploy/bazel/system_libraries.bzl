"""Debian's libraries as cc_library targets, one each, found with pkg-config."""

# Target name -> pkg-config modules. The whole list is linked: gold refuses indirect symbols.
_MODULES = {
    "absl": ["absl_status", "absl_statusor", "absl_time", "absl_any_invocable", "absl_cleanup"],
    "archive": ["libarchive"],
    "benchmark": ["benchmark"],
    "cli11": ["CLI11"],
    "crypto": ["libcrypto"],
    "gmock": ["gmock"],
    "grpc": ["grpc++", "protobuf"],
    "gtest": ["gtest"],
    "gtest_main": ["gtest_main"],
    "isal": ["libisal"],
    "json": ["nlohmann_json"],
    "protobuf": ["protobuf"],
    "seccomp": ["libseccomp"],
    "spdlog": ["spdlog"],
    "sqlite": ["sqlite3"],
    "yaml": ["yaml-cpp"],
    "zstd": ["libzstd"],
}

_LIBRARY = """
cc_library(
    name = "{name}",
    copts = {copts},
    defines = {defines},
    linkopts = {linkopts},
)
"""

def _pkg_config(ctx, modules, flag):
    result = ctx.execute(["pkg-config", flag] + modules)
    if result.return_code != 0:
        fail("pkg-config {} {}: {}(install the packages that deploy/packages.txt lists)".format(
            flag,
            " ".join(modules),
            result.stderr,
        ))
    return [flag for flag in result.stdout.strip().split(" ") if flag]

def _system_libraries_impl(ctx):
    build = ["package(default_visibility = [\"//visibility:public\"])"]
    for name, modules in _MODULES.items():
        cflags = _pkg_config(ctx, modules, "--cflags-only-other")
        build.append(_LIBRARY.format(
            name = name,
            copts = "[]",
            defines = repr([flag[2:] for flag in cflags if flag.startswith("-D")]),
            linkopts = repr(_pkg_config(ctx, modules, "--libs")),
        ))
    ctx.file("BUILD.bazel", "\n".join(build))

system_libraries = repository_rule(
    implementation = _system_libraries_impl,
    doc = "One repository with a cc_library for each library of _MODULES.",
    local = True,
)
