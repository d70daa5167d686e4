// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once
#include <string>

namespace robotlive {

// *uri* without user and password, for messages: "turn://…@host" becomes
// "turn://host". Text that is no URI comes back as "(not a URI)".
inline std::string
redacted_uri (const std::string &uri)
{
  const auto scheme = uri.find (':');
  if (scheme == std::string::npos)
    return "(not a URI)";
  auto start = scheme + 1;
  while (start < uri.size () && uri[start] == '/')
    start++;
  // The last '@' of all: a password may hold an '@' or '/' of its own, and
  // too much cut off is better than too little.
  const auto at = uri.rfind ('@');
  if (at == std::string::npos || at < start)
    return uri;
  return uri.substr (0, start) + uri.substr (at + 1);
}

} // namespace robotlive
