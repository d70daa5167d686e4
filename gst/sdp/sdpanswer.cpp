// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The guard's part for the way back: what webrtcbin has answered becomes an
// answer to the whole offer.
#include "sdp/sdpguard.hpp"
#include <algorithm>
#include <set>

namespace robotlive {

namespace {

using Text = std::string_view;

bool
begins_with (Text text, Text start)
{
  return text.substr (0, start.size ()) == start;
}

// webrtcbin 1.22 writes what both the offer and its codec preference say twice.
std::string
without_doubles (Text fmtp)
{
  const auto space = fmtp.find (' ');
  if (space == Text::npos)
    return std::string (fmtp);
  std::string text (fmtp.substr (0, space));
  char before = ' ';
  std::set<Text> seen;
  for (auto rest = fmtp.substr (space + 1); !rest.empty ();) {
    const auto end = rest.find (';');
    const auto parameter = rest.substr (0, end);
    rest.remove_prefix (end == Text::npos ? rest.size () : end + 1);
    if (!seen.insert (parameter.substr (0, parameter.find ('='))).second)
      continue;
    text += before + std::string (parameter);
    before = ';';
  }
  return text;
}

// Which have no meaning in a rejected m-line, and which webrtcbin as a viewer
// misses there.
bool
is_wanted_everywhere (Text line)
{
  return begins_with (line, "a=ice-ufrag:") ||
         begins_with (line, "a=ice-pwd:") || begins_with (line, "a=setup:") ||
         begins_with (line, "a=fingerprint:");
}

} // namespace

std::string
complete_answer (const std::string &answer, const GuardedOffer &offer)
{
  std::string session, transport;
  std::vector<std::string> medias;
  for (Text rest = answer; !rest.empty ();) {
    const auto end = rest.find ('\n');
    auto line = rest.substr (0, end);
    rest.remove_prefix (end == Text::npos ? rest.size () : end + 1);
    if (!line.empty () && line.back () == '\r')
      line.remove_suffix (1);
    if (begins_with (line, "m="))
      medias.emplace_back ();
    if (medias.size () == 1 && is_wanted_everywhere (line))
      transport += std::string (line) + "\r\n";
    auto &into = medias.empty () ? session : medias.back ();
    into += begins_with (line, "a=fmtp:") ? without_doubles (line)
                                          : std::string (line);
    into += "\r\n";
  }
  for (const auto &rejected : offer.rejected) {
    auto text = rejected.line + "\r\nc=IN IP4 0.0.0.0\r\n" + transport;
    if (!rejected.mid.empty ())
      text += "a=mid:" + rejected.mid + "\r\n";
    const auto at = std::min<std::size_t> (rejected.number, medias.size ());
    medias.insert (
        medias.begin () + static_cast<std::ptrdiff_t> (at), std::move (text));
  }
  for (const auto &media : medias)
    session += media;
  return session;
}

} // namespace robotlive
