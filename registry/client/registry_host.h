// One registry, or mirror: requests to it find their way (http or https, redirects) and carry the
// authorization that it wants.
#ifndef ZLAYER_REGISTRY_CLIENT_REGISTRY_HOST_H_
#define ZLAYER_REGISTRY_CLIENT_REGISTRY_HOST_H_

#include <absl/status/statusor.h>

#include <atomic>
#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "registry/client/authorizer.h"
#include "registry/client/registry_client.h"
#include "registry/client/transport.h"
#include "registry/client/urls.h"

namespace zlayer {

struct HostRequest {
  // Its `url` is what comes behind "/v2/", or a whole URL that the registry gave.
  TransportRequest http;
  Asker asker;
};

struct HostReply {
  // An error for an answer that is not 2xx, too: `reply` says which it was.
  Outcome outcome;
  TransportReply reply;
  std::string url;  // that answered, after redirects
};

// Thread-safe.
class RegistryHost {
 public:
  RegistryHost(Endpoint endpoint, RegistrySettings settings, const RegistryClientOptions& options);

  const Endpoint& endpoint() const { return endpoint_; }
  const RegistrySettings& settings() const { return settings_; }

  // One attempt. Follows redirects, 10 at most; of what writes those alone that keep the method
  // (307 and 308). Authorization and client certificate go to the registry itself alone; other
  // hosts that it names get neither.
  HostReply Send(const HostRequest& request, std::stop_token stop);

  // A mirror that did not answer is left alone for a minute.
  void Rest() { rests_until_ns_ = clock_->NowNs() + kRestNs; }
  bool Rests() const { return clock_->NowNs() < rests_until_ns_; }

  // Whether the URL is the registry's own, and not of another host that it named.
  bool IsHome(const std::string& url) const;
  // The URL in the header Location of an answer.
  absl::StatusOr<std::string> LocationOf(const HostReply& reply) const;

  // A place among the transfers that may run at once, which it holds while it lives.
  class Slot {
   public:
    explicit Slot(RegistryHost* host) : host_(host) {}
    Slot(Slot&& other) noexcept : host_(std::exchange(other.host_, nullptr)) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot();

   private:
    RegistryHost* host_;
  };
  absl::StatusOr<Slot> TakeSlot(std::stop_token stop);

 private:
  static constexpr int64_t kRestNs = int64_t{60} * 1'000'000'000;

  // "https://host": found out where http is allowed, too, and again after it did not work.
  absl::StatusOr<std::string> Base(std::stop_token stop, bool* may_pass);
  HostReply SendAuthorized(const HostRequest& request, const std::string& url,
                           std::stop_token stop);
  HostReply Follow(const HostRequest& request, std::string url, std::string_view authorization,
                   std::stop_token stop);
  void Explain(HostReply* reply, const HostRequest& request, std::string_view authorization) const;
  // Where there is something to find out.
  bool MayBeHttp() const;
  void DoubtScheme(TransportResult* result);

  const Endpoint endpoint_;
  const RegistrySettings settings_;
  const Clock* const clock_;
  Transport transport_;
  Authorizer authorizer_;
  std::atomic<int64_t> rests_until_ns_ = 0;

  mutable Mutex mutex_;
  CondVar slot_free_;
  uint32_t slots_taken_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string scheme_ ABSL_GUARDED_BY(mutex_);          // empty: not known yet
  bool scheme_unsure_ ABSL_GUARDED_BY(mutex_) = false;  // it may speak the other one by now
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_REGISTRY_HOST_H_
