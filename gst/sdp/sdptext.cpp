// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sdp/sdptext.hpp"
#include <set>

namespace robotlive {

using Text = std::string_view;

bool
parse_sha256 (Text text, Sha256Digest *out)
{
  if (text.size () != 32 * 3 - 1)
    return false;
  for (std::size_t i = 0; i < 32; i++) {
    const int high = g_ascii_xdigit_value (text[i * 3]);
    const int low = g_ascii_xdigit_value (text[i * 3 + 1]);
    if (high < 0 || low < 0 || (i < 31 && text[i * 3 + 2] != ':'))
      return false;
    (*out)[i] = static_cast<std::uint8_t> (high * 16 + low);
  }
  return true;
}

bool
check_lines (Text sdp, std::string *error)
{
  if (sdp.size () > kMaxSdpBytes) {
    *error = "the offer is larger than 64 KiB";
    return false;
  }
  if (sdp.substr (0, 3) != "v=0") {
    *error = "the offer does not begin with v=0";
    return false;
  }
  std::size_t lines = 0;
  std::set<char> seen;
  while (!sdp.empty ()) {
    const auto end = sdp.find ('\n');
    auto line = sdp.substr (0, end);
    sdp.remove_prefix (end == Text::npos ? sdp.size () : end + 1);
    if (!line.empty () && line.back () == '\r')
      line.remove_suffix (1);
    if (line.empty () && sdp.empty ())
      break;
    const bool printable =
        std::all_of (line.begin (), line.end (), [] (char c) {
          return static_cast<unsigned char> (c) >= 0x20 && c != 0x7f;
        });
    if (++lines > kMaxSdpLines || line.size () > kMaxSdpLineBytes ||
        line.size () < 2 || !g_ascii_islower (line[0]) || line[1] != '=' ||
        !printable) {
      *error = "line " + std::to_string (lines) + " of the offer is malformed";
      return false;
    }
    if (strchr ("vost", line[0]) && !seen.insert (line[0]).second) {
      *error =
          std::string ("the offer has more than one ") + line[0] + "= line";
      return false;
    }
  }
  if (seen.size () != 4) {
    *error = "the offer lacks one of its v=, o=, s= and t= lines";
    return false;
  }
  return true;
}

} // namespace robotlive
