"""Debian's libraries as cc_library targets, one each, found with pkg-config where it knows them."""

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
    "ssl": ["libssl", "libcrypto"],
    "yaml": ["yaml-cpp"],
    "zlib": ["zlib"],
    "zstd": ["libzstd"],
}

# Without a .pc file.
_LINKS = {
    "boost": [],  # headers alone
    "grpc_reflection": ["-lgrpc++_reflection"],
}

# What the programs link statically: binding the symbols of 70 shared libraries takes longer than most
# commands of the command line, and each of them costs the daemon pages of its own. OpenSSL, zlib
# and SQLite stay shared, as fixes to them come by themselves, and libcurl is loaded when it is needed.
_STATIC_MODULES = (["libarchive"] + _MODULES["grpc"] + _MODULES["absl"] + _MODULES["yaml"] +
                   _MODULES["seccomp"])
_STATIC_LINKS = _LINKS["grpc_reflection"]
_SHARED = ["-lssl", "-lcrypto", "-lz", "-lrt", "-latomic", "-lpthread"]

# The shared libraries of the same name are on the line, too, and dropped; gold would export all symbols
# that they have.
_HIDE = ["-Wl,--exclude-libs,ALL"]

# What libarchive reads the filters of archives with.
_ARCHIVE_FILTERS = ["-lbz2", "-llzma", "-lzstd"]

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
    for name, linkopts in _LINKS.items():
        build.append(_LIBRARY.format(
            name = name,
            copts = "[]",
            defines = "[]",
            linkopts = repr(linkopts),
        ))
    ctx.file("BUILD.bazel", "\n".join(build))
    libs = _STATIC_LINKS + _pkg_config(ctx, _STATIC_MODULES, "--libs")
    archives = [flag for flag in libs if flag.startswith("-l")]
    ctx.file("static.bzl", "STATIC_LINKOPTS = " + repr(
        _HIDE + ["-Wl,--as-needed", "-Wl,-Bstatic", "-Wl,--start-group"] +
        sorted({flag: None for flag in archives if flag not in _SHARED}.keys()) +
        ["-Wl,--end-group", "-Wl,-Bdynamic"] + _ARCHIVE_FILTERS,
    ) + "\n")

system_libraries = repository_rule(
    implementation = _system_libraries_impl,
    doc = "One repository with a cc_library for each library of _MODULES, and static.bzl: linkopts " +
          "of a cc_binary that takes gRPC and what belongs to it from static archives.",
    local = True,
)
