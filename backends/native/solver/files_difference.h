// What changed in files, for people.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_FILES_DIFFERENCE_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_FILES_DIFFERENCE_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "registry/layer/index.h"

namespace zlayer {

// What the user calls a path of an index.
using PathNames = std::function<std::string(std::string_view path)>;

// The first difference between two indexes, times left out, with the number of others: "file
// src/a.c changed", "the mode of run.sh changed", "directory b is new and 3 more". One of a
// directory's own attributes stands behind all others. Empty where there is none.
std::string FirstDifference(const LayerIndex& before, const LayerIndex& now,
                            const PathNames& names);

// How many there are.
size_t CountDifferences(const LayerIndex& before, const LayerIndex& now);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_FILES_DIFFERENCE_H_
