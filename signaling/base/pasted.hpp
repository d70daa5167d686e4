// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Text that people paste or save with an editor: what an editor, a shell or a
// web page adds to it is taken off, and what cannot be taken is named.
#pragma once
#include <string>
#include <string_view>

namespace robotlive {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Without the byte order mark that editors on Windows put in front of UTF-8.
inline std::string_view
without_mark (std::string_view text)
{
  return text.substr (0, kByteOrderMark.size ()) == kByteOrderMark
             ? text.substr (kByteOrderMark.size ())
             : text;
}

// Saved as "Unicode" on Windows: every second byte is zero.
inline bool
is_utf16 (std::string_view text)
{
  const auto mark = text.substr (0, 2);
  return mark == "\xFF\xFE" || mark == "\xFE\xFF";
}

inline std::string_view
trimmed_blanks (std::string_view text)
{
  constexpr std::string_view kBlanks = " \t\r\n\v\f";
  const auto first = text.find_first_not_of (kBlanks);
  if (first == text.npos)
    return {};
  return text.substr (first, text.find_last_not_of (kBlanks) - first + 1);
}

// Without one pair of quotes around all of it.
inline std::string_view
without_quotes (std::string_view text)
{
  const bool quoted = text.size () >= 2 && text.front () == text.back () &&
                      (text.front () == '"' || text.front () == '\'');
  return quoted ? text.substr (1, text.size () - 2) : text;
}

// A JWT as it was meant: without byte order mark, blanks and line ends around
// it, quotes, and the "Bearer " of an HTTP header (RFC 6750; any case).
inline std::string
pasted_token (std::string_view text)
{
  constexpr std::string_view kScheme = "bearer";
  text = trimmed_blanks (without_mark (text));
  text = trimmed_blanks (without_quotes (text));
  bool scheme = text.size () > kScheme.size () &&
                (text[kScheme.size ()] == ' ' || text[kScheme.size ()] == '\t');
  for (std::size_t i = 0; scheme && i < kScheme.size (); ++i)
    scheme = (text[i] | 0x20) == kScheme[i];
  if (scheme)
    text = trimmed_blanks (text.substr (kScheme.size ()));
  return std::string (trimmed_blanks (without_quotes (text)));
}

// What keeps *token* from being a JWT, as the end of "it ..."; "" when nothing
// does. The token itself is not in it.
inline std::string
token_complaint (std::string_view token)
{
  if (is_utf16 (token))
    return "is UTF-16 text: save it as UTF-8";
  if (token.empty ())
    return "is empty";
  if (token.find_first_of ("\r\n") != token.npos)
    return "has more than one line";
  if (token.find_first_of (" \t") != token.npos)
    return "has a blank in it";
  for (const char c : token)
    if (static_cast<unsigned char> (c) <= 0x20 ||
        static_cast<unsigned char> (c) >= 0x7f)
      return "has a character in it that no token has";
  return "";
}

} // namespace robotlive
