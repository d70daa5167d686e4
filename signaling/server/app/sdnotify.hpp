// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The two things that systemd asks of a service, without its library:
// sd_notify(3) and sd_listen_fds(3).
#pragma once
#include <vector>

namespace robotlive::server {

// Does nothing when not started by systemd.
void systemd_notify (const char *state);
// A reload begins; READY=1 ends it.
void systemd_reloading ();
// Listening sockets that were passed in, close-on-exec from now on.
std::vector<int> systemd_sockets ();

} // namespace robotlive::server
