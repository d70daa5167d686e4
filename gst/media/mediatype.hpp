// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The kinds of streams that signalingbin takes, and what each needs on its way
// to a viewer.
#pragma once
#include "base/glibptr.hpp"
#include "sdp/sdpguard.hpp"
#include <gst/gst.h>

namespace robotlive {

struct MediaType
{
  const char *caps_name;
  const char *encoding_name;
  const char *parser;      // null: goes to the payloader as it is
  const char *parsed_caps; // parameter sets in the caps, whole pictures
  const char *payloader;
  const char *package; // of the payloader
  bool audio;
};

// Null for anything else.
const MediaType *media_type_of (const GstCaps *caps);
const MediaType *media_type_named (const std::string &encoding_name);

// What the caps of a stream, parsed where there is a parser, say of it.
StreamCodec stream_codec_of (const MediaType &type, const GstCaps *caps);

} // namespace robotlive
