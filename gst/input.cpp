// SPDX-License-Identifier: LGPL-2.1-or-later
#include "input.hpp"
#include "admission.hpp"
#include <gst/video/video.h>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

struct MediaType
{
  const char *caps_name;
  const char *encoding_name;
  const char *parser;      // null: goes to the payloader as it is
  const char *parsed_caps; // parameter sets in the caps, whole pictures
};
constexpr MediaType kMediaTypes[] = {
    {"video/x-h264", "H264", "h264parse",
        "video/x-h264, stream-format=avc, alignment=au"},
    {"video/x-h265", "H265", "h265parse",
        "video/x-h265, stream-format=hvc1, alignment=au"},
    {"video/x-vp8", "VP8", nullptr, nullptr},
    {"video/x-vp9", "VP9", nullptr, nullptr},
};

const MediaType *
media_type_of (const GstCaps *caps)
{
  for (const auto &type : kMediaTypes)
    if (gst_structure_has_name (
            gst_caps_get_structure (caps, 0), type.caps_name))
      return &type;
  return nullptr;
}

// profile-level-id (RFC 6184 section 8.1) is bytes 1 to 3 of the decoder
// configuration record (ISO/IEC 14496-15 section 5.3.3.1.2).
std::string
profile_level_id_of (const GstCaps *caps)
{
  g_autoptr (GstBuffer) data = nullptr;
  guint8 record[4];
  if (!gst_structure_get (gst_caps_get_structure (caps, 0), "codec_data",
          GST_TYPE_BUFFER, &data, nullptr) ||
      gst_buffer_extract (data, 0, record, sizeof record) != sizeof record)
    return "";
  char text[7];
  g_snprintf (
      text, sizeof text, "%02x%02x%02x", record[1], record[2], record[3]);
  return text;
}

} // namespace

Input::Input (GstBin *bin, GstPadTemplate *sink_template, Callbacks callbacks)
    : bin_ (bin), callbacks_ (std::move (callbacks)),
      tee_ (gst_element_factory_make ("tee", "tee")),
      anchor_ (gst_element_factory_make ("fakesink", "anchor")),
      sink_pad_ (
          gst_ghost_pad_new_no_target_from_template ("sink", sink_template)),
      encoder_ (sink_pad_)
{
  gst_element_add_pad (GST_ELEMENT (bin_), sink_pad_);
  if (!complete ())
    return;
  g_object_set (tee_, "allow-not-linked", TRUE, nullptr);
  g_object_set (anchor_, "async", FALSE, "sync", FALSE, "enable-last-sample",
      FALSE, nullptr);
  gst_bin_add_many (bin_, tee_, anchor_, nullptr);
  gst_element_link (tee_, anchor_);
  auto target = adopt (gst_element_get_static_pad (tee_, "sink"));
  gst_ghost_pad_set_target (GST_GHOST_PAD (sink_pad_), target.get ());

  gst_pad_add_probe (sink_pad_, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      on_sink_event, this, nullptr);
  gst_pad_add_probe (sink_pad_, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      on_upstream_event, this, nullptr);
  gst_pad_add_probe (target.get (), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      on_tee_event, this, nullptr);
}

GstPadProbeReturn
Input::on_sink_event (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto &self = *static_cast<Input *> (data);
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    GstCaps *caps = nullptr;
    gst_event_parse_caps (event, &caps);
    self.fit_parser (caps);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START) {
    self.callbacks_.stream_start ();
  }
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn
Input::on_upstream_event (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto &self = *static_cast<Input *> (data);
  if (!gst_video_event_is_force_key_unit (GST_PAD_PROBE_INFO_EVENT (info)))
    return GST_PAD_PROBE_OK;
  std::int64_t wait_ns = 0;
  switch (self.limiter_.ask (boottime_ns (), &wait_ns)) {
    case KeyFrameLimiter::Verdict::Pass:
      self.callbacks_.key_frame_passed ();
      return GST_PAD_PROBE_OK;
    case KeyFrameLimiter::Verdict::Later:
      self.callbacks_.key_frame_later (
          static_cast<unsigned> (wait_ns / 1000000 + 1));
      return GST_PAD_PROBE_DROP;
    case KeyFrameLimiter::Verdict::Drop:
      break;
  }
  return GST_PAD_PROBE_DROP;
}

void
Input::ask_again ()
{
  limiter_.due ();
  encoder_.request_key_frame ();
}

// What leaves for the viewers: the parser's caps, or the encoder's.
GstPadProbeReturn
Input::on_tee_event (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto &self = *static_cast<Input *> (data);
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  GstCaps *caps = nullptr;
  gst_event_parse_caps (event, &caps);
  if (const MediaType *type = media_type_of (caps)) {
    StreamCodec codec;
    codec.encoding_name = type->encoding_name;
    if (codec.encoding_name == "H264")
      codec.profile_level_id = profile_level_id_of (caps);
    self.callbacks_.codec (codec);
  }
  return GST_PAD_PROBE_OK;
}

void
Input::drop_parser ()
{
  for (auto *element : {&parser_, &filter_}) {
    if (!*element)
      continue;
    gst_element_set_state (element->get (), GST_STATE_NULL);
    gst_bin_remove (bin_, element->get ());
    element->reset ();
  }
  parser_name_.clear ();
}

// In the stream's thread, before the caps event goes on: the parser gets the
// events that stick when it is linked.
void
Input::fit_parser (const GstCaps *caps)
{
  const MediaType *type = media_type_of (caps);
  const std::string wanted = type && type->parser ? type->parser : "";
  if (wanted == parser_name_)
    return;
  gst_ghost_pad_set_target (GST_GHOST_PAD (sink_pad_), nullptr);
  drop_parser ();
  auto target = adopt (gst_element_get_static_pad (tee_, "sink"));
  if (!wanted.empty ()) {
    parser_ = sink (gst_element_factory_make (wanted.c_str (), nullptr));
    filter_ = sink (gst_element_factory_make ("capsfilter", nullptr));
    if (!parser_ || !filter_) {
      GST_ELEMENT_ERROR (bin_, CORE, MISSING_PLUGIN,
          ("The element %s is missing.", wanted.c_str ()), (nullptr));
      return;
    }
    g_autoptr (GstCaps) parsed = gst_caps_from_string (type->parsed_caps);
    g_object_set (filter_.get (), "caps", parsed, nullptr);
    gst_bin_add_many (bin_, parser_.get (), filter_.get (), nullptr);
    gst_element_link_many (parser_.get (), filter_.get (), tee_, nullptr);
    gst_element_sync_state_with_parent (filter_.get ());
    gst_element_sync_state_with_parent (parser_.get ());
    target = adopt (gst_element_get_static_pad (parser_.get (), "sink"));
  }
  parser_name_ = wanted;
  gst_ghost_pad_set_target (GST_GHOST_PAD (sink_pad_), target.get ());
}

} // namespace robotlive
