#include "base/libcurl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

bool IsLoaded() {
  const absl::StatusOr<std::string> maps = ReadFile("/proc/self/maps");
  EXPECT_OK(maps);
  return maps.ok() && maps->find("/libcurl.so.4") != std::string::npos;
}

size_t Discard(char*, size_t size, size_t count, void* calls) {
  ++*static_cast<int*>(calls);
  return size * count;
}

TEST(LibCurl, IsLoadedOnceItIsNeeded) {
  EXPECT_FALSE(IsLoaded());
  ASSERT_OK(LoadCurl());
  EXPECT_TRUE(IsLoaded());
  EXPECT_OK(LoadCurl());
}

// A transfer without a network, so that what each kind of option sets is seen to have an effect.
TEST(LibCurl, OptionsOfAllTypesArrive) {
  ASSERT_OK(LoadCurl());
  ASSERT_OK_AND_ASSIGN(const ScopedDirectory directory,
                       ScopedDirectory::Make(::testing::TempDir(), "curl-"));
  ASSERT_OK(WriteFileAtomically(directory.path() + "/file", "0123456789"));
  const std::string url = "file://" + directory.path() + "/file";
  CURL* easy = curl_easy_init();
  ASSERT_NE(easy, nullptr);
  int calls = 0;
  curl_off_t got = 0;
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Discard);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &calls);
  curl_easy_setopt(easy, CURLOPT_RESUME_FROM_LARGE, curl_off_t{4});
  const auto transfer = [easy] {
    CURLM* multi = curl_multi_init();
    EXPECT_EQ(curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1L), CURLM_OK);
    EXPECT_EQ(curl_multi_add_handle(multi, easy), CURLM_OK);
    for (int running = 1; running > 0;) {
      EXPECT_EQ(curl_multi_perform(multi, &running), CURLM_OK);
    }
    int left = 0;
    const CURLMsg* message = curl_multi_info_read(multi, &left);
    const CURLcode code = message == nullptr ? CURLE_FAILED_INIT : message->data.result;
    curl_multi_remove_handle(multi, easy);
    curl_multi_cleanup(multi);
    return code;
  };
  EXPECT_EQ(transfer(), CURLE_OK);
  EXPECT_GT(calls, 0);
  EXPECT_EQ(curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &got), CURLE_OK);
  EXPECT_EQ(got, 6);
  curl_easy_setopt(easy, CURLOPT_RESUME_FROM_LARGE, curl_off_t{0});
  curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  EXPECT_EQ(transfer(), CURLE_OK);
  EXPECT_EQ(curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &got), CURLE_OK);
  EXPECT_EQ(got, 0);
  curl_easy_cleanup(easy);
  EXPECT_STREQ(curl_easy_strerror(CURLE_OK), "No error");
  EXPECT_EQ(curl_getdate("Thu, 01 Jan 1970 00:00:07 GMT", nullptr), 7);
}

}  // namespace
}  // namespace zlayer
