// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/auth/turncredentials.hpp"
#include <algorithm>
#include <glib.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace robotlive::server {

namespace {

// base64 (HMAC-SHA1 (secret, username)).
std::string
credential (const std::string &secret, const std::string &username)
{
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  HMAC (EVP_sha1 (), secret.data (), static_cast<int> (secret.size ()),
      reinterpret_cast<const unsigned char *> (username.data ()),
      username.size (), mac, &length);
  gchar *text = g_base64_encode (mac, length);
  std::string result = text;
  g_free (text);
  return result;
}

} // namespace

void
TurnCredentials::set (const Config &config)
{
  std::string secret = config.turn_secret_file.empty ()
                           ? ""
                           : read_secret_file (config.turn_secret_file);
  stun_urls_ = config.stun_urls;
  turn_urls_ = config.turn_urls;
  secret_ = std::move (secret);
  lifetime_ = config.turn_ttl_ms;
}

std::vector<IceServer>
TurnCredentials::servers (
    const std::string &user_id, TimeMs now, TimeMs expires_at) const
{
  std::vector<IceServer> list;
  if (!stun_urls_.empty ()) {
    IceServer stun;
    stun.urls = stun_urls_;
    list.push_back (stun);
  }
  if (user_id.empty () || expires_at <= now || turn_urls_.empty () ||
      secret_.empty ())
    return list;
  IceServer turn;
  turn.urls = turn_urls_;
  TimeMs end = std::min (expires_at, now + lifetime_);
  turn.username = std::to_string (end / 1000) + ":" + user_id;
  turn.credential = credential (secret_, turn.username);
  list.push_back (turn);
  return list;
}

} // namespace robotlive::server
