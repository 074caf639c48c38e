// The daemon's configuration: one struct with its defaults, filled from a YAML file
// (deploy/zlayerd.yaml writes every default out) and from flags.
#ifndef ZLAYER_DAEMON_CONFIG_CONFIG_H_
#define ZLAYER_DAEMON_CONFIG_CONFIG_H_

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/log.h"

namespace zlayer {

struct Config {
  // Where everything is kept: /var/lib/zlayer as root, else $XDG_DATA_HOME/zlayer, where
  // XDG_DATA_HOME is $HOME/.local/share if it is not set.
  std::string root;
  // Where the API is served, unix:///PATH; base/default_address.h has the default.
  std::string address;
  LogOptions log;

  struct Queue {
    // Builds that run at once.
    uint32_t max_running = 4;
    // Of one namespace; 0: no limit.
    uint32_t max_running_per_namespace = 0;
    // Builds that wait.
    uint32_t max_queued = 20'000;
    uint32_t max_queued_per_namespace = 10'000;
    // Attempts at a build that a dying daemon interrupted, the first included.
    uint32_t max_attempts = 3;
    // How long running builds may go on after SIGTERM.
    std::chrono::nanoseconds drain_timeout = std::chrono::seconds(30);
  } queue;

  struct History {
    // How long a build that ended is remembered, with its log; 0: for ever.
    std::chrono::nanoseconds max_age = std::chrono::hours(30 * 24);
    // Ended builds that are remembered; 0: all.
    uint32_t max_builds = 10'000;
  } history;

  // The garbage collector, which keeps the cache within bounds.
  struct Gc {
    // Whether it works by itself; `zlayer cache prune` always does.
    bool automatic = true;
    // Between two looks at whether there is something to do.
    std::chrono::nanoseconds interval = std::chrono::minutes(5);
    // How long an image that has lost its name, or got none, is kept; 0: for ever.
    std::chrono::nanoseconds nameless_images = std::chrono::hours(7 * 24);

    // Bytes, or a share of the disk where `percent` is not 0.
    struct Size {
      uint64_t bytes = 0;
      uint32_t percent = 0;
    };
    // Applied in order, each to what has all of what it names.
    struct Policy {
      std::vector<std::string> types;  // "record", "cache-mount", "fetched", "image"; empty: any
      std::string name_space;          // empty: any
      std::chrono::nanoseconds keep_duration{0};
      Size reserved;
      Size max_used;
      Size min_free;
    };
    std::vector<Policy> policies = {
        {.keep_duration = std::chrono::hours(60 * 24), .reserved = {.percent = 10}},
        {.reserved = {.percent = 10}, .max_used = {.percent = 50}, .min_free = {.percent = 20}},
    };
  } gc;

  // How a registry is reached; those without an entry have these defaults.
  struct Registry {
    std::string name;  // "docker.io", "registry.example:5000"
    // Asked first for what is pulled: URLs, separated by spaces.
    std::string mirrors;
    // Certificates are not checked, and plain http is spoken where https is not.
    bool insecure = false;
    // Nothing is pulled from it or sent to it.
    bool blocked = false;
    std::string ca_file;      // PEM; besides those of the system
    std::string client_cert;  // PEM
    std::string client_key;
    std::string username;
    std::string password_file;   // its first line is the password
    uint32_t max_transfers = 4;  // at once
  };
  std::vector<Registry> registries;

  struct Pull {
    // How long a registry's answer about a tag counts, and that it has no such image.
    std::chrono::nanoseconds fresh = std::chrono::seconds(60);
    std::chrono::nanoseconds absent = std::chrono::seconds(10);
  } pull;

  // The images of one namespace, served to others as a registry (/v2/).
  struct Server {
    // "PORT" on loopback, or "HOST:PORT"; empty: nothing is served.
    std::string address;
    std::string name_space = "default";
    // Whether images may be pushed and deleted.
    bool writable = false;
    std::string tls_cert;  // PEM; http where empty
    std::string tls_key;
  } server;

  struct Native {
    // OCI runtime: a name or path; empty takes crun, else runc.
    std::string runtime;
    // Operations that run at once, over all builds; 0 is four times the number of processors, at
    // least 8.
    uint32_t max_parallel = 0;
    // The most that one URL or one git repository may bring.
    uint32_t max_download_mib = 16 * 1024;
    // What a request may grant to its RUN instructions, separated by spaces: security.insecure.
    std::string entitlements;
  } native;
};

// The defaults for this user.
Config DefaultConfig();

// The same for `uid`, with `environment` instead of getenv (null where a variable is not set).
Config DefaultConfigFor(uid_t uid, const std::function<const char*(const char*)>& environment);

// Reads `file` over `defaults`: a key that is missing, or has no value, keeps its default.
// kInvalidArgument: "FILE:LINE: ..." for a syntax error, an unknown key (naming the known ones), a
// key that is given twice, or a bad value. kNotFound where there is no such file.
absl::StatusOr<Config> LoadConfig(const std::string& file, const Config& defaults);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_CONFIG_CONFIG_H_
