// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What goes wrong with the signaling link, in GStreamer's terms.
#pragma once
#include <gst/gst.h>
#include <string>

namespace robotlive {

// A signaller's error code (client/socketioclient.hpp, signaling/PROTOCOL.md)
// as a GstResourceError. An unknown code is GST_RESOURCE_ERROR_FAILED.
int resource_error_of (const std::string &code);

} // namespace robotlive
