// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What texts from a viewer may consist of.
#pragma once
#include "sdp/sdpguard.hpp"
#include <algorithm>
#include <cstring>
#include <glib.h>
#include <string_view>

namespace robotlive {

// RFC 8839: ice-char = ALPHA / DIGIT / "+" / "/"
inline bool
is_ice_string (std::string_view text, std::size_t min, std::size_t max)
{
  return text.size () >= min && text.size () <= max &&
         std::all_of (text.begin (), text.end (), [] (char c) {
           return g_ascii_isalnum (c) || c == '+' || c == '/';
         });
}

// RFC 8866: token, and short.
inline bool
is_token (std::string_view text)
{
  return !text.empty () && text.size () <= 64 &&
         std::all_of (text.begin (), text.end (), [] (char c) {
           return g_ascii_isgraph (c) && !strchr ("\"(),/:;<=>?@[\\]", c);
         });
}

// "AB:CD:…", 32 bytes.
bool parse_sha256 (std::string_view text, Sha256Digest *out);

// Before any parser: size, lines of the shape "x=...", no control characters.
// False, and one sentence in *error*.
bool check_lines (std::string_view sdp, std::string *error);

} // namespace robotlive
