// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The file with the authorities that somebody trusts instead of the system's.
#pragma once
#include "base/readfile.hpp"
#include <gio/gio.h>

namespace robotlive {

// As g_tls_file_database_new (), which takes a relative path and a file without
// a certificate for a good one and then trusts nobody, and waits for a FIFO.
inline GTlsDatabase *
ca_database_new (const char *path, GError **error)
{
  // Relative to the folder that the program runs in, as all other files.
  g_autofree char *absolute = g_canonicalize_filename (path, nullptr);
  constexpr std::size_t limit = 16 * 1024 * 1024;
  FileText file;
  std::string why;
  if (!read_regular_file (absolute, limit, &file, &why)) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED, why.c_str ());
    return nullptr;
  }
  GError *unread = nullptr;
  GList *certificates =
      g_tls_certificate_list_new_from_file (absolute, &unread);
  if (unread) {
    g_propagate_error (error, unread);
    return nullptr;
  }
  if (!certificates) {
    g_set_error (error, G_TLS_ERROR, G_TLS_ERROR_BAD_CERTIFICATE,
        "%s holds no PEM certificate", absolute);
    return nullptr;
  }
  g_list_free_full (certificates, g_object_unref);
  return g_tls_file_database_new (absolute, error);
}

} // namespace robotlive
