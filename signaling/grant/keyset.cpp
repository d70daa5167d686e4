// SPDX-License-Identifier: LGPL-2.1-or-later
#include "grant/keyset.hpp"
#include "base/pasted.hpp"
#include <algorithm>
#include <simdjson.h>

namespace robotlive {

namespace {

constexpr std::size_t kMaxKeys = 32;
constexpr std::size_t kMaxText = 64 * 1024;
constexpr std::string_view kBegin = "-----BEGIN ";

// "EC PRIVATE KEY" of the block that *text* begins with.
std::string_view
label_of (std::string_view text)
{
  text.remove_prefix (kBegin.size ());
  return text.substr (0, text.find ("-----"));
}

bool
ends_with (std::string_view text, std::string_view end)
{
  return text.size () >= end.size () &&
         text.substr (text.size () - end.size ()) == end;
}

bool
add_pems (std::string_view text, JwtKeySet *set, std::string *error)
{
  std::size_t number = 0;
  for (auto at = text.find (kBegin); at != text.npos;) {
    const auto next = text.find (kBegin, at + 1);
    const auto block = text.substr (at, next - at);
    at = next;
    if (!ends_with (label_of (block), "KEY"))
      continue;
    if (++number > kMaxKeys) {
      *error = "There are more than 32 keys.";
      return false;
    }
    const auto key = JwtKey::parse (block, error);
    if (!key) {
      if (number > 1)
        *error = "Key " + std::to_string (number) + ": " + *error;
      return false;
    }
    set->add (*key);
  }
  if (set->empty ())
    *error = "The key is neither an unencrypted PEM key nor a JWK.";
  return !set->empty ();
}

void
add_jwk (simdjson::dom::element jwk, JwtKeySet *set, std::string *error)
{
  const auto key = JwtKey::parse (simdjson::minify (jwk), error);
  if (!key)
    return;
  std::string_view name;
  if (jwk.at_key ("kid").get_string ().get (name))
    name = {};
  set->add (*key, std::string (name));
}

bool
add_jwks (std::string_view text, JwtKeySet *set, std::string *error)
{
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  simdjson::dom::object object;
  simdjson::dom::array keys;
  if (parser.allocate (text.size () + 1, 16) ||
      parser.parse (simdjson::padded_string (text)).get (document) ||
      document.get_object ().get (object)) {
    *error = "The key is not a JSON object.";
    return false;
  }
  if (object.at_key ("keys").get_array ().get (keys)) {
    add_jwk (document, set, error);
    return !set->empty ();
  }
  if (keys.size () > kMaxKeys) {
    *error = "There are more than 32 keys.";
    return false;
  }
  for (simdjson::dom::element jwk : keys)
    if (jwk.is_object ())
      add_jwk (jwk, set, error);
  if (set->empty ())
    *error = "The JWK set has no usable signature key.";
  return !set->empty ();
}

} // namespace

JwtKeySet::JwtKeySet (JwtKey key)
{
  add (std::move (key));
}

std::optional<JwtKeySet>
JwtKeySet::parse (std::string_view text, std::string *error)
{
  std::string ignored;
  std::string &why = error ? *error : ignored;
  why.clear ();
  if (is_utf16 (text)) {
    why = "The key is UTF-16 text: save it as UTF-8.";
    return std::nullopt;
  }
  const bool large = text.size () > kMaxText;
  text = trimmed_blanks (without_mark (text));
  if (text.empty () || large) {
    why = "The key is empty or longer than 64 KiB.";
    return std::nullopt;
  }
  JwtKeySet set;
  const bool good = text.front () == '{' ? add_jwks (text, &set, &why)
                                         : add_pems (text, &set, &why);
  if (!good)
    return std::nullopt;
  why.clear ();
  return set;
}

void
JwtKeySet::add (JwtKey key, std::string name)
{
  const std::string id = key.key_id ();
  for (Entry &entry : keys_) {
    if (id.empty () || entry.key.key_id () != id)
      continue;
    // A private key and its own public half are one key.
    if (key.can_sign () && !entry.key.can_sign ())
      entry.key = std::move (key);
    return;
  }
  keys_.push_back ({std::move (key), std::move (name)});
}

bool
JwtKeySet::has_secret () const
{
  return std::any_of (keys_.begin (), keys_.end (), [] (const Entry &entry) {
    return entry.key.algorithm () == KeyAlgorithm::HS256;
  });
}

std::vector<JwtKey>
JwtKeySet::keys () const
{
  std::vector<JwtKey> list;
  for (const Entry &entry : keys_)
    list.push_back (entry.key);
  return list;
}

std::vector<std::string>
JwtKeySet::key_ids () const
{
  std::vector<std::string> ids;
  for (const Entry &entry : keys_)
    ids.push_back (entry.key.key_id ());
  return ids;
}

std::string
JwtKeySet::jwks () const
{
  std::string text;
  for (const Entry &entry : keys_) {
    const std::string jwk = entry.key.public_jwk ();
    if (!jwk.empty ())
      text += (text.empty () ? "" : ",") + jwk;
  }
  return "{\"keys\":[" + text + "]}";
}

std::vector<JwtKey>
JwtKeySet::candidates (std::string_view kid) const
{
  std::vector<JwtKey> list;
  for (const Entry &entry : keys_)
    if (!kid.empty () && (entry.name == kid || entry.key.key_id () == kid))
      list.push_back (entry.key);
  if (!list.empty ())
    return list;
  for (const Entry &entry : keys_)
    if (kid.empty () || entry.name.empty ())
      list.push_back (entry.key);
  return list;
}

GrantError
check_grant (const JwtKeySet &keys, std::string_view jwt,
    std::string_view robot_id, TimeMs now, Grant *out)
{
  std::vector<KeyAlgorithm> algorithms;
  for (const JwtKey &key : keys.keys ())
    algorithms.push_back (key.algorithm ());
  std::string kid;
  bool known_algorithm = false;
  if (!JwtCodec::read_header (jwt, algorithms, &kid, &known_algorithm))
    return GrantError::Malformed;
  const auto candidates = keys.candidates (kid);
  GrantError worst = candidates.empty () && (known_algorithm || keys.empty ())
                         ? GrantError::UnknownKey
                         : GrantError::WrongAlgorithm;
  for (const JwtKey &key : candidates) {
    const GrantError error =
        JwtCodec::check_grant (key, jwt, robot_id, now, out);
    if (!wants_newer_keys (error))
      return error;
    if (error == GrantError::BadSignature)
      worst = error;
  }
  return worst;
}

bool
wants_newer_keys (GrantError error)
{
  return error == GrantError::UnknownKey || error == GrantError::BadSignature ||
         error == GrantError::WrongAlgorithm;
}

} // namespace robotlive
