// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is allowed in a configuration, and not safe. check-config and each start
// say it.
#pragma once
#include "server/app/config.hpp"

namespace robotlive::server {

// Sentences with cause and remedy, without secrets. Looks at the files that
// *config* names, and at those of its SQLite database; one that is not there is
// nobody's to read. After complete_config ().
std::vector<std::string> config_warnings (const Config &config);

} // namespace robotlive::server
