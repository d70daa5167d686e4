// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which new passwords are taken (OWASP ASVS 2.1.1, 2.1.2, 2.1.7). Those that
// accounts have already stay good.
#pragma once
#include <string>

namespace robotlive::server {

// What is wrong with it, one sentence; empty: nothing. *email* and *name*:
// whose it is, as far as that is known.
std::string password_problem (const std::string &password,
    const std::string &email = "", const std::string &name = "");

} // namespace robotlive::server
