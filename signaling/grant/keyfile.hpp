// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The file that sessiongate's and signalingbin's grant-key name. Blocking.
#pragma once
#include "grant/keyset.hpp"

namespace robotlive {

// PEM keys, a JWK or a JWK set; a file with anything else is a secret of 32 to
// 4096 bytes (HS256). A secret must not be readable for others than owner and
// group. 64 KiB at most. *error* is one sentence with the path in it; *unread*
// (may be null): the file itself could not be read.
std::optional<JwtKeySet> load_key_file (
    const std::string &path, std::string *error, bool *unread = nullptr);

} // namespace robotlive
