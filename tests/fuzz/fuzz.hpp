// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

// Unlike assert (), never compiled out.
#define REQUIRE(condition)                                                     \
  do {                                                                         \
    if (!(condition))                                                          \
      std::abort ();                                                           \
  } while (0)
