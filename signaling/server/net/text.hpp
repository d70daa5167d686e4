// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Header text, as HTTP has it: ASCII, whatever the locale.
#pragma once
#include <string>
#include <string_view>

namespace robotlive::server::net {

inline std::string
lower (std::string_view text)
{
  std::string out (text);
  for (char &c : out)
    if (c >= 'A' && c <= 'Z')
      c = static_cast<char> (c + ('a' - 'A'));
  return out;
}

// Without optional white space (RFC 9110 section 5.6.3) at either end.
inline std::string_view
trim (std::string_view text)
{
  while (!text.empty () && (text.front () == ' ' || text.front () == '\t'))
    text.remove_prefix (1);
  while (!text.empty () && (text.back () == ' ' || text.back () == '\t'))
    text.remove_suffix (1);
  return text;
}

} // namespace robotlive::server::net
