// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtc/opensslexit.hpp"
#include <openssl/crypto.h>

namespace robotlive {

void
keep_openssl_through_exit ()
{
  OPENSSL_init_crypto (OPENSSL_INIT_NO_ATEXIT, nullptr);
}

} // namespace robotlive
