// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/auth/passwordrules.hpp"
#include <algorithm>
#include <glib.h>
#include <set>
#include <string_view>
#include <vector>

namespace robotlive::server {

namespace {

constexpr glong kLeast = 12;
constexpr std::size_t kMost = 1024; // bytes
constexpr std::size_t kLeastDifferent = 5;

// Of what the lists of the most common passwords are made. A password that is
// nothing but such words, numbers and signs is on those lists, or soon will be.
const std::vector<std::string_view> kCommon = {"abcdefghijklmnopqrstuvwxyz",
    "abcdefgh", "abcdef", "abc", "access", "administrator", "admin", "adobe",
    "amanda", "andrew", "angel", "anthony", "apple", "asdfghjkl", "asdfgh",
    "asdf", "ashley", "austin", "azerty", "banana", "baseball", "basketball",
    "batman", "biteme", "booking", "buster", "camera", "changeme", "change",
    "charlie", "cheese", "chelsea", "chocolate", "chris", "computer", "cookie",
    "daniel", "default", "demo", "diamond", "dragon", "eagle", "ferrari",
    "flower", "football", "freedom", "friend", "ginger", "google", "guest",
    "hallo", "hammer", "hannah", "harley", "heaven", "hello", "hockey",
    "hunter", "internet", "iloveyou", "ihateyou", "jackson", "jasmine",
    "jennifer", "jessica", "jesus", "jordan", "joshua", "justin", "killer",
    "letmein", "liebe", "linux", "liverpool", "login", "london", "love",
    "lovely", "maggie", "marina", "martin", "master", "matrix", "matthew",
    "maverick", "me", "michael", "michelle", "minecraft", "monkey", "monster",
    "mustang", "my", "new", "nicole", "nothing", "orange", "pass", "passwd",
    "password", "passwort", "pepper", "player", "please", "pokemon", "princess",
    "purple", "qazwsx", "qazwsxedc", "qwertyuiop", "qwertzuiop", "qwerty",
    "qwertz", "qwer", "raspberry", "robert", "robot", "robotlive", "root",
    "samsung", "scooter", "secret", "server", "shadow", "silver", "soccer",
    "spiderman", "starwars", "summer", "sunshine", "super", "superman",
    "system", "test", "testing", "the", "thomas", "tigger", "toor", "trustno",
    "ubuntu", "user", "viewer", "welcome", "whatever", "winter", "yellow",
    "you", "your", "zaq", "zxcvbnm", "zxcvbn", "zxcv"};

std::string
folded (const std::string &text)
{
  gchar *lower = g_utf8_casefold (text.c_str (), -1);
  std::string result = lower;
  g_free (lower);
  return result;
}

// Letters alone, with the digits and signs that stand for letters taken as
// those.
std::string
letters_of (const std::string &text)
{
  static const std::string signs = "0134578@$!";
  static const std::string meant = "oleastbasi";
  std::string result;
  for (char c : text) {
    std::size_t at = signs.find (c);
    if (at != signs.npos)
      result += meant[at];
    else if (g_ascii_isalpha (c) || (c & 0x80))
      result += c;
  }
  return result;
}

std::string
without_digits (const std::string &text)
{
  std::string result;
  for (char c : text)
    if (g_ascii_isalpha (c) || (c & 0x80))
      result += c;
  return result;
}

bool
made_of_common_words (const std::string &text)
{
  std::vector<bool> reached (text.size () + 1);
  reached[0] = true;
  for (std::size_t at = 0; at < text.size (); ++at)
    for (std::string_view word : kCommon)
      if (reached[at] && text.compare (at, word.size (), word) == 0)
        reached[at + word.size ()] = true;
  return reached[text.size ()];
}

// "ada" of "ada@example.org" is too short to be found in anything by chance.
bool
is_about (const std::string &text, const std::string &whom)
{
  std::string plain = without_digits (folded (whom));
  std::string local =
      without_digits (folded (whom.substr (0, whom.find ('@'))));
  std::string rest = without_digits (text);
  return (!plain.empty () && rest == plain) ||
         (!local.empty () && rest == local) ||
         (local.size () >= 4 && text.find (folded (whom)) != text.npos);
}

} // namespace

std::string
password_problem (const std::string &password, const std::string &email,
    const std::string &name)
{
  if (!g_utf8_validate (
          password.data (), static_cast<gssize> (password.size ()), nullptr))
    return "the password is not UTF-8 text";
  if (password.size () > kMost ||
      g_utf8_strlen (password.data (), static_cast<gssize> (password.size ())) <
          kLeast)
    return "the password needs 12 characters at least, and 1024 bytes at most";
  if (std::set<char> (password.begin (), password.end ()).size () <
      kLeastDifferent)
    return "the password needs five different characters at least";
  const std::string text = folded (password);
  if (is_about (text, email) || is_about (text, name))
    return "the password is the e-mail address or the name";
  if (made_of_common_words (without_digits (text)) ||
      made_of_common_words (letters_of (text)))
    return "the password is one of the most common: put words together that "
           "nobody else would";
  return "";
}

} // namespace robotlive::server
