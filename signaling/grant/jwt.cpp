// SPDX-License-Identifier: LGPL-2.1-or-later
#include "grant/jwt.hpp"
#include "grant/keymaterial.hpp"
#include <algorithm>
#include <cstdlib>
#include <jwt.h>
#include <simdjson.h>
#include <strings.h>

namespace robotlive {

namespace {

using JwtPtr = std::unique_ptr<jwt_t, decltype (&jwt_free)>;
using TextPtr = std::unique_ptr<char, decltype (&std::free)>;

constexpr TimeMs kMaxSeconds = 253402300799; // 9999-12-31T23:59:59Z
// No grant passes as an identity (RFC 8725 section 3.11): libjwt writes the
// header's typ itself, so a claim of our own tells them apart.
constexpr char kTokenUse[] = "token_use";
constexpr char kGrantUse[] = "grant";
constexpr char kEpoch[] = "epoch";
constexpr TimeMs kMaxLeeway = 60000;

enum class Verdict
{
  Ok,
  Malformed,
  WrongAlgorithm,
  BadSignature
};

struct Key
{
  jwt_alg_t algorithm;
  const char *name;
  std::string_view check; // what verifies
  std::string_view sign;  // what signs; empty when it cannot
};

const char *
name_of (KeyAlgorithm algorithm)
{
  switch (algorithm) {
    case KeyAlgorithm::HS256:
      return "HS256";
    case KeyAlgorithm::RS256:
      return "RS256";
    case KeyAlgorithm::ES256:
      break;
  }
  return "ES256";
}

template <typename Material>
Key
key_of (const Material &material)
{
  const char *name = name_of (material.algorithm);
  switch (material.algorithm) {
    case KeyAlgorithm::HS256:
      return {JWT_ALG_HS256, name, material.secret, material.secret};
    case KeyAlgorithm::RS256:
      return {JWT_ALG_RS256, name, material.public_pem, material.private_pem};
    case KeyAlgorithm::ES256:
      break;
  }
  return {JWT_ALG_ES256, name, material.public_pem, material.private_pem};
}

const unsigned char *
bytes_of (std::string_view text)
{
  return reinterpret_cast<const unsigned char *> (text.data ());
}

bool
is_any (const std::string &text, std::initializer_list<const char *> list)
{
  return std::any_of (list.begin (), list.end (),
      [&text] (const char *s) { return strcasecmp (text.c_str (), s) == 0; });
}

// A JSON object and the parser that owns it.
struct Claims
{
  simdjson::dom::parser parser;
  simdjson::dom::object object;

  bool parse (std::string_view json)
  {
    return !parser.allocate (std::max<std::size_t> (json.size (), 64), 16) &&
           !parser.parse (simdjson::padded_string (json))
                .get_object ()
                .get (object);
  }
  // False only when the claim is there and is no string.
  bool text (const char *name, std::string *out) const
  {
    simdjson::dom::element element;
    if (object.at_key (name).get (element))
      return true;
    std::string_view value;
    if (element.get_string ().get (value))
      return false;
    *out = value;
    return true;
  }
  bool has (const char *name) const
  {
    return object.at_key (name).error () == simdjson::SUCCESS;
  }
  // A NumericDate (RFC 7519 section 2), in ms. False when it is there and is
  // something else. Our own grants hold integers; other issuers write
  // fractions as well.
  bool time (const char *name, TimeMs *out, bool fractions = false) const
  {
    simdjson::dom::element element;
    if (object.at_key (name).get (element))
      return true;
    std::int64_t seconds = 0;
    double fraction = 0;
    if (fractions && element.is_double () &&
        !element.get_double ().get (fraction)) {
      if (!(fraction >= 0 && fraction <= static_cast<double> (kMaxSeconds)))
        return false;
      *out = static_cast<TimeMs> (fraction * 1000);
      return true;
    }
    if (element.get_int64 ().get (seconds) || seconds < 0 ||
        seconds > kMaxSeconds)
      return false;
    *out = seconds * 1000;
    return true;
  }
  // Whole milliseconds; absent leaves *out* alone.
  bool milliseconds (const char *name, TimeMs *out) const
  {
    simdjson::dom::element element;
    return object.at_key (name).get (element) ||
           (!element.get_int64 ().get (*out) && *out >= 0);
  }
  // Issuers say in one of these what a token is for. What it is not said to be
  // for access is not (RFC 8725 section 3.12).
  bool for_access () const
  {
    for (const char *name :
        {"token_use", "token_type", "type", "typ", "use", "purpose"}) {
      std::string value;
      if (!text (name, &value))
        return false;
      if (has (name) && !is_any (value, {"access", "access_token", "bearer"}))
        return false;
    }
    return scope_for_access ("scope") && scope_for_access ("scp");
  }
  // RFC 8693 section 4.2: words with blanks between; some issuers write an
  // array of them. One that says refresh or reset is another token's.
  bool scope_for_access (const char *name) const
  {
    simdjson::dom::element element;
    if (object.at_key (name).get (element))
      return true;
    std::string_view words;
    if (!element.get_string ().get (words))
      return words.find ("refresh") == words.npos &&
             words.find ("reset") == words.npos;
    simdjson::dom::array list;
    if (element.get_array ().get (list))
      return false;
    for (simdjson::dom::element word : list)
      if (word.get_string ().get (words) ||
          words.find ("refresh") != words.npos ||
          words.find ("reset") != words.npos)
        return false;
    return true;
  }
  // The console's tokens carry a number.
  bool subject (std::string *out) const
  {
    simdjson::dom::element element;
    std::int64_t number = 0;
    if (object.at_key ("sub").get (element))
      return false;
    if (!element.get_int64 ().get (number))
      *out = std::to_string (number);
    else if (!text ("sub", out))
      return false;
    return !out->empty ();
  }
  // aud: a string or an array of strings (RFC 7519 section 4.1.3). *good* is
  // false when it is there and is something else.
  bool audience_has (const std::string &wanted, bool *good) const
  {
    simdjson::dom::element element;
    *good = true;
    if (object.at_key ("aud").get (element))
      return false;
    std::string_view value;
    if (!element.get_string ().get (value))
      return value == wanted;
    simdjson::dom::array list;
    if (element.get_array ().get (list)) {
      *good = false;
      return false;
    }
    bool found = false;
    for (simdjson::dom::element item : list) {
      if (item.get_string ().get (value))
        *good = false;
      else if (value == wanted)
        found = true;
    }
    return found && *good;
  }
};

// Three parts of base64url (RFC 7515 section 7.1); the last may be empty here,
// so that "none" is told from a missing signature.
bool
split (std::string_view jwt, std::string *header, std::string *payload,
    bool *has_signature)
{
  if (jwt.size () > kMaxTokenSize)
    return false;
  const auto first = jwt.find ('.');
  const auto second = first == jwt.npos ? first : jwt.find ('.', first + 1);
  if (second == jwt.npos)
    return false;
  const auto head = base64url_decode (jwt.substr (0, first));
  const auto body =
      base64url_decode (jwt.substr (first + 1, second - first - 1));
  const auto tail = base64url_decode (jwt.substr (second + 1));
  if (!head || !body || !tail)
    return false;
  *header = *head;
  *payload = *body;
  *has_signature = !tail->empty ();
  return true;
}

// libjwt takes the algorithm from the token's header, so ours is compared
// before libjwt sees the token, and again with what libjwt really used: two
// "alg" members that two parsers read differently change nothing.
Verdict
verify (const Key &key, std::string_view jwt, Claims *claims)
{
  std::string header_text, payload_text;
  bool has_signature = false;
  if (!split (jwt, &header_text, &payload_text, &has_signature))
    return Verdict::Malformed;
  Claims header, payload;
  std::string algorithm;
  if (!header.parse (header_text) || !header.text ("alg", &algorithm) ||
      algorithm.empty ())
    return Verdict::Malformed;
  if (algorithm != key.name)
    return Verdict::WrongAlgorithm;
  // No critical extension is understood here (RFC 7515 section 4.1.11).
  if (header.has ("crit") || !payload.parse (payload_text))
    return Verdict::Malformed;
  if (!has_signature || key.check.empty ())
    return Verdict::BadSignature;

  jwt_t *raw = nullptr;
  const std::string token (jwt);
  const int failed = jwt_decode (&raw, token.c_str (), bytes_of (key.check),
      static_cast<int> (key.check.size ()));
  JwtPtr decoded (raw, jwt_free);
  if (failed || !decoded)
    return Verdict::BadSignature;
  if (jwt_get_alg (raw) != key.algorithm)
    return Verdict::WrongAlgorithm;
  // The claims as libjwt has verified them, not as our parser saw them.
  TextPtr json (jwt_get_grants_json (raw, nullptr), std::free);
  if (!json || !claims->parse (json.get ()))
    return Verdict::Malformed;
  return Verdict::Ok;
}

class Writer
{
public:
  Writer () : jwt_ (nullptr, jwt_free)
  {
    jwt_t *raw = nullptr;
    ok_ = jwt_new (&raw) == 0;
    jwt_.reset (raw);
  }
  void header (const char *name, const std::string &value)
  {
    ok_ = ok_ && jwt_add_header (jwt_.get (), name, value.c_str ()) == 0;
  }
  // An empty string is left out.
  void text (const char *name, const std::string &value)
  {
    if (!value.empty ())
      ok_ = ok_ && value.find ('\0') == value.npos &&
            jwt_add_grant (jwt_.get (), name, value.c_str ()) == 0;
  }
  void number (const char *name, std::int64_t value)
  {
    ok_ = ok_ &&
          jwt_add_grant_int (jwt_.get (), name, static_cast<long> (value)) == 0;
  }
  void time (const char *name, TimeMs value)
  {
    number (name, std::clamp<TimeMs> (value / 1000, 0, kMaxSeconds));
  }
  std::string sign (const Key &key)
  {
    if (!ok_ || key.sign.empty () ||
        jwt_set_alg (jwt_.get (), key.algorithm, bytes_of (key.sign),
            static_cast<int> (key.sign.size ())))
      return "";
    TextPtr token (jwt_encode_str (jwt_.get ()), std::free);
    return token ? token.get () : "";
  }

private:
  JwtPtr jwt_;
  bool ok_;
};

} // namespace

std::string
JwtCodec::sign_grant (const JwtKey &key, const Grant &grant)
{
  Writer writer;
  writer.text (kTokenUse, kGrantUse);
  if (!key.key_id ().empty ())
    writer.header ("kid", key.key_id ());
  writer.text ("iss", grant.issuer);
  writer.text ("sub", grant.viewer_id);
  writer.text ("aud", grant.robot_id);
  writer.text ("jti", grant.peer_id);
  writer.text ("role", grant.role);
  writer.time ("nbf", grant.window.starts_at);
  writer.time ("exp", grant.window.ends_at);
  writer.time ("iat", grant.issued_at);
  return writer.sign (key_of (*key.material_));
}

GrantError
JwtCodec::check_grant (const JwtKey &key, std::string_view jwt,
    std::string_view robot_id, TimeMs now, Grant *out)
{
  Claims claims;
  switch (verify (key_of (*key.material_), jwt, &claims)) {
    case Verdict::Malformed:
      return GrantError::Malformed;
    case Verdict::WrongAlgorithm:
      return GrantError::WrongAlgorithm;
    case Verdict::BadSignature:
      return GrantError::BadSignature;
    case Verdict::Ok:
      break;
  }
  Grant grant;
  grant.role = "viewer";
  grant.robot_id = robot_id;
  bool audience_good = false;
  const bool for_us = claims.audience_has (grant.robot_id, &audience_good);
  if (!audience_good || !claims.has ("aud") || !claims.has ("exp") ||
      !claims.subject (&grant.viewer_id) ||
      !claims.text ("iss", &grant.issuer) ||
      !claims.text ("jti", &grant.peer_id) ||
      !claims.text ("role", &grant.role) ||
      !claims.time ("nbf", &grant.window.starts_at) ||
      !claims.time ("exp", &grant.window.ends_at) ||
      !claims.time ("iat", &grant.issued_at))
    return GrantError::Malformed;
  if (!for_us)
    grant.robot_id.clear ();
  if (out)
    *out = grant;
  if (!for_us || robot_id.empty ())
    return GrantError::WrongAudience;
  if (now >= grant.window.ends_at)
    return GrantError::Expired;
  return grant.window.state (now) == WindowState::Open ? GrantError::None
         : now < grant.window.starts_at                ? GrantError::NotYetValid
                                                       : GrantError::Expired;
}

bool
JwtCodec::read_header (std::string_view jwt,
    const std::vector<KeyAlgorithm> &algorithms, std::string *kid,
    bool *known_algorithm)
{
  std::string header_text, payload_text, algorithm;
  bool has_signature = false;
  Claims header;
  kid->clear ();
  if (!split (jwt, &header_text, &payload_text, &has_signature) ||
      !header.parse (header_text) || !header.text ("kid", kid) ||
      !header.text ("alg", &algorithm))
    return false;
  *known_algorithm = std::any_of (algorithms.begin (), algorithms.end (),
      [&algorithm] (KeyAlgorithm a) { return algorithm == name_of (a); });
  return true;
}

std::string
JwtCodec::sign_identity (
    const JwtKey &key, const Identity &identity, const TokenPolicy &policy)
{
  Writer writer;
  if (!key.key_id ().empty ())
    writer.header ("kid", key.key_id ());
  writer.text ("iss", policy.issuer);
  writer.text ("aud", policy.audience);
  writer.text ("sub", identity.subject);
  writer.text ("role", identity.role);
  writer.text ("jti", identity.token_id);
  writer.time ("iat", identity.issued_at);
  writer.time ("exp", identity.expires_at);
  if (identity.epoch >= 0)
    writer.number (kEpoch, identity.epoch);
  return writer.sign (key_of (*key.material_));
}

TokenError
JwtCodec::check_identity (const JwtKey &key, std::string_view jwt,
    const TokenPolicy &policy, TimeMs now, Identity *out)
{
  Claims claims;
  switch (verify (key_of (*key.material_), jwt, &claims)) {
    case Verdict::Malformed:
      return TokenError::Malformed;
    case Verdict::WrongAlgorithm:
      return TokenError::WrongAlgorithm;
    case Verdict::BadSignature:
      return TokenError::BadSignature;
    case Verdict::Ok:
      break;
  }
  Identity identity;
  std::string issuer;
  TimeMs not_before = 0;
  bool audience_good = false;
  const bool for_us = claims.audience_has (policy.audience, &audience_good);
  std::string use;
  if (!claims.text (kTokenUse, &use) || use == kGrantUse)
    return TokenError::Malformed;
  if (!claims.for_access ())
    return TokenError::WrongUse;
  if (!audience_good || !claims.has ("exp") ||
      !claims.subject (&identity.subject) || !claims.text ("iss", &issuer) ||
      !claims.text ("role", &identity.role) ||
      !claims.text ("jti", &identity.token_id) ||
      !claims.time ("nbf", &not_before, true) ||
      !claims.time ("iat", &identity.issued_at, true) ||
      !claims.time ("exp", &identity.expires_at, true) ||
      !claims.milliseconds (kEpoch, &identity.epoch))
    return TokenError::Malformed;
  if (!policy.issuer.empty () && issuer != policy.issuer)
    return TokenError::WrongIssuer;
  if (!policy.audience.empty () && !for_us)
    return TokenError::WrongAudience;
  const TimeMs leeway = std::clamp<TimeMs> (policy.leeway, 0, kMaxLeeway);
  if (now - leeway >= identity.expires_at)
    return TokenError::Expired;
  if (now + leeway < not_before)
    return TokenError::NotYetValid;
  if (out)
    *out = identity;
  return TokenError::None;
}

const char *
token_error_text (TokenError error)
{
  switch (error) {
    case TokenError::None:
      return "The token is valid.";
    case TokenError::Malformed:
      return "The token is not a signed JWT with the claims sub and exp.";
    case TokenError::WrongAlgorithm:
      return "The token is signed with another algorithm than the key's.";
    case TokenError::BadSignature:
      return "The signature of the token does not match the key.";
    case TokenError::Expired:
      return "The token has expired.";
    case TokenError::NotYetValid:
      return "The token is not valid yet.";
    case TokenError::WrongIssuer:
      return "The token is from another issuer.";
    case TokenError::WrongAudience:
      return "The token is for another audience.";
    case TokenError::WrongUse:
      return "The token is not one for access.";
  }
  return "The token is not valid.";
}

} // namespace robotlive
