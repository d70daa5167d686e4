// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/auth/totp.hpp"
#include <array>
#include <cstdlib>
#include <glib.h>
#include <liboath/oath.h>
#include <memory>
#include <sodium.h>

namespace robotlive::server {

namespace {

constexpr std::size_t kSecretBytes = 20;
constexpr std::size_t kDigits = 6;
constexpr unsigned kStepSeconds = 30;
constexpr std::size_t kWindow = 1; // steps before and after

struct Free
{
  void operator() (char *text) const { std::free (text); }
};
using Text = std::unique_ptr<char, Free>;

} // namespace

std::string
new_totp_secret ()
{
  std::array<char, kSecretBytes> bytes;
  randombytes_buf (bytes.data (), bytes.size ());
  char *text = nullptr;
  std::size_t size = 0;
  if (oath_base32_encode (bytes.data (), bytes.size (), &text, &size) !=
      OATH_OK)
    throw std::bad_alloc ();
  const Text owner (text);
  sodium_memzero (bytes.data (), bytes.size ());
  return std::string (text, size);
}

std::string
totp_uri (const std::string &secret, const std::string &email)
{
  g_autofree char *name = g_uri_escape_string (email.c_str (), "@", FALSE);
  return std::string ("otpauth://totp/robotlive:") + name +
         "?secret=" + secret + "&issuer=robotlive";
}

std::optional<std::int64_t>
totp_step (const std::string &secret, const std::string &code, TimeMs now)
{
  if (code.size () != kDigits ||
      code.find_first_not_of ("0123456789") != std::string::npos)
    return std::nullopt;
  char *bytes = nullptr;
  std::size_t size = 0;
  if (oath_base32_decode (secret.data (), secret.size (), &bytes, &size) !=
      OATH_OK)
    return std::nullopt;
  const Text owner (bytes);
  std::uint64_t step = 0;
  const int result = oath_totp_validate3 (bytes, size, now / 1000, kStepSeconds,
      OATH_TOTP_DEFAULT_START_TIME, kWindow, nullptr, &step, code.c_str ());
  sodium_memzero (bytes, size);
  if (result < 0)
    return std::nullopt;
  return static_cast<std::int64_t> (step);
}

} // namespace robotlive::server
