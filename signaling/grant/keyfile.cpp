// SPDX-License-Identifier: LGPL-2.1-or-later
#include "grant/keyfile.hpp"
#include "base/pasted.hpp"
#include "base/readfile.hpp"

namespace robotlive {

namespace {

constexpr std::size_t kMaxKeyFile = 64 * 1024;

bool
is_key (std::string_view text)
{
  const auto start = trimmed_blanks (without_mark (text));
  return text.find ("-----BEGIN") != text.npos || is_utf16 (text) ||
         (!start.empty () && start.front () == '{');
}

} // namespace

std::optional<JwtKeySet>
load_key_file (const std::string &path, std::string *error, bool *unread)
{
  FileText file;
  std::string why;
  const bool there = read_regular_file (path, kMaxKeyFile, &file, &why);
  if (unread)
    *unread = !there;
  if (!there) {
    *error = "Could not read the grant-key file: " + why + ".";
    return std::nullopt;
  }
  std::optional<JwtKeySet> set;
  if (is_key (file.text)) {
    set = JwtKeySet::parse (file.text, &why);
  } else {
    // The line end that an editor puts there is no part of the secret.
    std::string_view secret = without_mark (file.text);
    if (!secret.empty () && secret.back () == '\n')
      secret.remove_suffix (1);
    if (!secret.empty () && secret.back () == '\r')
      secret.remove_suffix (1);
    if (const auto key = JwtKey::from_secret (secret))
      set = JwtKeySet (*key);
    why = "A secret must have 32 to 4096 bytes.";
  }
  if (!set) {
    *error = "The grant-key file \"" + path + "\" cannot be used: " + why;
    return std::nullopt;
  }
  if (set->has_secret () && file.exposed) {
    *error = "The grant-key file \"" + path +
             "\" holds a secret that everyone may read: chmod o= it.";
    return std::nullopt;
  }
  return set;
}

} // namespace robotlive
