// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The files that hold a robot's token and a camera's password, read alike by
// each program and element that takes their names. Blocking.
#pragma once
#include "base/pasted.hpp"
#include "base/readfile.hpp"
#include <glib.h>

namespace robotlive {

constexpr std::size_t kMaxTokenFile = 16 * 1024;
constexpr std::size_t kMaxCredentialsFile = 4096;

// What is said, and not refused, of such a file that everyone may read: its
// owner may still be at work on a desk, and the secret opens nothing but this
// robot. A grant key is refused: whoever has it makes grants for everyone.
inline std::string
exposed_complaint (const std::string &path)
{
  return "every user can read " + path;
}

// The token in *path*, as it was meant. "": *error* says why, with the path and
// without the content in it. *exposed* may be null.
inline std::string
read_token_file (
    const std::string &path, std::string *error, bool *exposed = nullptr)
{
  FileText file;
  if (!read_regular_file (path, kMaxTokenFile, &file, error)) {
    *error = "The token file cannot be read: " + *error;
    return "";
  }
  if (exposed)
    *exposed = file.exposed;
  const std::string token = pasted_token (file.text);
  const std::string wrong = token_complaint (token);
  if (wrong.empty ())
    return token;
  *error = "The token file " + path + " holds no token: it " + wrong;
  return "";
}

struct Credentials
{
  std::string user;
  std::string password;
  bool exposed = false;
};

// "user:password" in the first line of *path*. Blanks around it, a byte order
// mark and quotes are an editor's and a hand's.
inline bool
read_credentials_file (
    const std::string &path, Credentials *out, std::string *error)
{
  FileText file;
  if (!read_regular_file (path, kMaxCredentialsFile, &file, error))
    return false;
  if (is_utf16 (file.text)) {
    *error = path + " is UTF-16 text: save it as UTF-8";
    return false;
  }
  const auto text = without_mark (file.text);
  const std::string line (without_quotes (
      trimmed_blanks (text.substr (0, text.find_first_of ("\r\n")))));
  const auto colon = line.find (':');
  if (colon == line.npos || colon == 0 ||
      !g_utf8_validate (line.data (), gssize (line.size ()), nullptr)) {
    *error = "'" + path + "' does not hold user:password in its first line";
    return false;
  }
  *out = {line.substr (0, colon), line.substr (colon + 1), file.exposed};
  return true;
}

} // namespace robotlive
