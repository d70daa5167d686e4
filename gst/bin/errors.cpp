// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bin/errors.hpp"

namespace robotlive {

int
resource_error_of (const std::string &code)
{
  static const struct
  {
    const char *code;
    GstResourceError error;
  } table[] = {
      {"bad-configuration", GST_RESOURCE_ERROR_SETTINGS},
      {"unknown-host", GST_RESOURCE_ERROR_NOT_FOUND},
      {"not-found", GST_RESOURCE_ERROR_NOT_FOUND},
      {"unknown-robot", GST_RESOURCE_ERROR_NOT_FOUND},
      {"connect-failed", GST_RESOURCE_ERROR_OPEN_READ_WRITE},
      {"timeout", GST_RESOURCE_ERROR_OPEN_READ_WRITE},
      {"tls-failed", GST_RESOURCE_ERROR_OPEN_READ_WRITE},
      {"bad-server", GST_RESOURCE_ERROR_OPEN_READ_WRITE},
      {"unauthorized", GST_RESOURCE_ERROR_NOT_AUTHORIZED},
      {"forbidden", GST_RESOURCE_ERROR_NOT_AUTHORIZED},
      {"grant-refused", GST_RESOURCE_ERROR_NOT_AUTHORIZED},
      {"no-active-booking", GST_RESOURCE_ERROR_NOT_AUTHORIZED},
      {"link-lost", GST_RESOURCE_ERROR_READ},
      {"bad-message", GST_RESOURCE_ERROR_READ},
      {"too-large", GST_RESOURCE_ERROR_READ},
      {"busy", GST_RESOURCE_ERROR_BUSY},
      {"replaced", GST_RESOURCE_ERROR_BUSY},
      {"rate-limited", GST_RESOURCE_ERROR_BUSY},
      {"unavailable", GST_RESOURCE_ERROR_BUSY},
  };
  for (const auto &row : table)
    if (code == row.code)
      return row.error;
  return GST_RESOURCE_ERROR_FAILED;
}

} // namespace robotlive
