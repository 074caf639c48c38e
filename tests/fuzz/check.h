// What a fuzz target holds to be true of every input.
#ifndef ZLAYER_TESTS_FUZZ_CHECK_H_
#define ZLAYER_TESTS_FUZZ_CHECK_H_

#include <cstdio>
#include <cstdlib>

// Ends the process, so that the fuzzer keeps the input, unless `condition` holds.
#define FUZZ_CHECK(condition)                                                        \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                  \
    }                                                                                \
  } while (false)

#endif  // ZLAYER_TESTS_FUZZ_CHECK_H_
