// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The server's configuration file: it is read, or refused by one sentence that
// says where.
#include "server/app/config.hpp"
#include "fuzz.hpp"
#include <cstdio>
#include <sys/mman.h>
#include <unistd.h>

using namespace robotlive;
using namespace robotlive::server;

extern "C" int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  static const int fd = memfd_create ("signaling.conf", MFD_CLOEXEC);
  static const std::string file = "/proc/self/fd/" + std::to_string (fd);
  REQUIRE (fd >= 0 && ftruncate (fd, 0) == 0);
  REQUIRE (pwrite (fd, data, size, 0) == static_cast<ssize_t> (size));
  try {
    const Config config = load_config (file);
    for (const ListenAddress &address : config.listen)
      REQUIRE (!address.host.empty ());
    REQUIRE (config.max_viewers > 0);
    REQUIRE (config.leeway_ms >= 0 && config.leeway_ms <= 60000);
    REQUIRE (config.login_ttl_ms > 0 && config.turn_ttl_ms > 0);
  } catch (const ConfigError &error) {
    REQUIRE (std::string_view (error.what ()).size () > 0);
  }
  const std::string text (reinterpret_cast<const char *> (data), size);
  try {
    REQUIRE (!parse_listen (text).host.empty ());
  } catch (const ConfigError &) {
  }
  return 0;
}
