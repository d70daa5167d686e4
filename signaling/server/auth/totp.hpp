// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A second factor: codes that change with time (RFC 6238: SHA-1, 30 s, six
// digits, as every authenticator takes them), by liboath.
#pragma once
#include "grant/window.hpp"
#include <cstdint>
#include <optional>
#include <string>

namespace robotlive::server {

// 160 random bits (RFC 4226 section 4), in base32.
std::string new_totp_secret ();

// What an authenticator takes, as text or QR code: otpauth://totp/…
std::string totp_uri (const std::string &secret, const std::string &email);

// Which 30 s of the clock *code* is of, those before and after *now* being as
// good; nothing if it is of none. Each is good once: the caller remembers.
std::optional<std::int64_t> totp_step (
    const std::string &secret, const std::string &code, TimeMs now);

} // namespace robotlive::server
