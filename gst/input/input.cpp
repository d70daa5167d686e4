// SPDX-License-Identifier: LGPL-2.1-or-later
#include "input/input.hpp"
#include "base/boottime.hpp"
#include "media/mediatype.hpp"
#include <cstring>
#include <gst/video/video.h>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

// Key frames, which bring them, may be seldom. Viewers wait for 10 s.
constexpr std::int64_t kParametersLimit = 9 * std::int64_t (1000000000);

// In place of a parser's name: what should stand in front could not be made.
constexpr char kMissing[] = "-";

// Some encoders, x264 among them, begin each picture with a NAL unit that says
// so (ITU-T H.264 section 7.3.2.4). RTP has its marker for that; to each viewer
// it would be a packet of its own, which is a tenth of what a picture costs.
GstBuffer *
without_delimiter (GstBuffer *picture)
{
  constexpr guint8 length[] = {0, 0, 0, 2}; // as h264parse writes it
  constexpr guint8 delimiter = 9;
  constexpr gsize size = sizeof length + 2;
  guint8 head[size];
  if (gst_buffer_get_size (picture) <= size ||
      gst_buffer_extract (picture, 0, head, size) != size ||
      memcmp (head, length, sizeof length) != 0 ||
      (head[sizeof length] & 0x1f) != delimiter)
    return picture;
  picture = gst_buffer_make_writable (picture);
  gst_buffer_resize (picture, size, -1);
  return picture;
}

} // namespace

Input::Input (GstBin *bin, GstPad *ghost, bool audio, Callbacks callbacks)
    : bin_ (bin), audio_ (audio), callbacks_ (std::move (callbacks)),
      tee_ (sink (gst_element_factory_make ("tee", nullptr))),
      anchor_ (sink (gst_element_factory_make ("fakesink", nullptr))),
      sink_pad_ (share (ghost)), encoder_ (ghost)
{
  if (!complete ())
    return;
  g_object_set (tee_.get (), "allow-not-linked", TRUE, nullptr);
  g_object_set (anchor_.get (), "async", FALSE, "sync", FALSE,
      "enable-last-sample", FALSE, nullptr);
  gst_bin_add_many (bin_, tee_.get (), anchor_.get (), nullptr);
  gst_element_link (tee_.get (), anchor_.get ());
  auto target = adopt (gst_element_get_static_pad (tee_.get (), "sink"));
  gst_ghost_pad_set_target (GST_GHOST_PAD (ghost), target.get ());

  probes_[0] = gst_pad_add_probe (
      ghost, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_sink_event, this, nullptr);
  probes_[1] = gst_pad_add_probe (ghost, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      on_upstream_event, this, nullptr);
  if (!audio_)
    probes_[2] = gst_pad_add_probe (ghost,
        static_cast<GstPadProbeType> (
            GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
        on_sink_buffer, this, nullptr);
  gst_pad_add_probe (target.get (), GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
      on_tee_event, this, nullptr);
  gst_segment_init (&segment_, GST_FORMAT_UNDEFINED);
  gst_pad_add_probe (
      target.get (), GST_PAD_PROBE_TYPE_BUFFER, on_buffer, this, nullptr);
  gst_element_sync_state_with_parent (anchor_.get ());
  gst_element_sync_state_with_parent (tee_.get ());
}

Input::~Input ()
{
  // Of a bin that is being freed they are out already.
  if (!complete () || GST_OBJECT_PARENT (tee_.get ()) != GST_OBJECT (bin_))
    return;
  for (const gulong probe : probes_)
    if (probe)
      gst_pad_remove_probe (sink_pad_.get (), probe);
  gst_ghost_pad_set_target (GST_GHOST_PAD (sink_pad_.get ()), nullptr);
  drop_parser ();
  for (GstElement *element : {tee_.get (), anchor_.get ()}) {
    gst_element_set_locked_state (element, TRUE);
    gst_element_set_state (element, GST_STATE_NULL);
    gst_bin_remove (bin_, element);
  }
}

GstPadProbeReturn
Input::on_sink_event (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto &self = *static_cast<Input *> (data);
  const auto kept = self.shared_from_this (); // elements come and go by this
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    GstCaps *caps = nullptr;
    gst_event_parse_caps (event, &caps);
    self.fit_parser (caps);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START) {
    self.timeline_.reset ();
    self.told_ = 0;
    self.order_.reset ();
    self.waits_since_ = 0;
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
  if (self.audio_)
    return GST_PAD_PROBE_DROP;
  std::int64_t wait_ns = 0;
  switch (self.limiter_.ask (boot_now (), &wait_ns)) {
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
  if (limiter_.due ())
    encoder_.request_key_frame ();
}

// Encoders and parsers send no lists. Of a key frame in one, viewers get a
// second that they do not need.
GstPadProbeReturn
Input::on_buffer (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto &self = *static_cast<Input *> (data);
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  self.waits_since_ = -1;
  if (!self.audio_ && self.out_of_order (buffer)) {
    self.unfit_ = true;
    self.callbacks_.unfit (
        "The stream's pictures are shown in another order than they come in "
        "(B-frames), and browsers show few of them: switch B-frames off at the "
        "source (x264enc bframes=0 or tune=zerolatency; at a camera the "
        "profile Baseline, or \"B frames: 0\").");
  }
  buffer = self.placed (buffer);
  if (!self.audio_ &&
      !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT))
    self.limiter_.came ();
  GST_PAD_PROBE_INFO_DATA (info) =
      self.delimited_ ? without_delimiter (buffer) : buffer;
  return GST_PAD_PROBE_OK;
}

// What leaves for the viewers: the parser's caps, or the encoder's.
GstPadProbeReturn
Input::on_tee_event (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto &self = *static_cast<Input *> (data);
  const auto kept = self.shared_from_this (); // an error may be told of
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
    self.take_segment (info);
  else if (GST_EVENT_TYPE (event) == GST_EVENT_GAP)
    return GST_PAD_PROBE_DROP; // its time would be waited for as well
  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  GstCaps *caps = nullptr;
  gst_event_parse_caps (event, &caps);
  const MediaType *type = media_type_of (caps);
  const auto unfit = unfit_by_caps (caps);
  if (!unfit.empty () || self.unfit_)
    self.callbacks_.unfit (unfit);
  self.unfit_ = !unfit.empty ();
  self.order_.reset ();
  self.waits_since_ = -1;
  self.delimited_ = type && g_str_equal (type->encoding_name, "H264");
  if (type) {
    g_autoptr (GstElementFactory) payloader =
        gst_element_factory_find (type->payloader);
    if (payloader)
      self.callbacks_.codec (stream_codec_of (*type, caps));
    else
      GST_ELEMENT_ERROR (self.bin_, CORE, MISSING_PLUGIN,
          ("%s cannot be sent: the element %s is missing. It is in %s.",
              type->encoding_name, type->payloader, type->package),
          (nullptr));
  }
  return GST_PAD_PROBE_OK;
}

// A parser gives no caps before the parameter sets have come.
GstPadProbeReturn
Input::on_sink_buffer (GstPad *, GstPadProbeInfo *, gpointer data)
{
  auto &self = *static_cast<Input *> (data);
  if (self.waits_since_ < 0 || !self.parser_)
    return GST_PAD_PROBE_OK;
  const auto now = boot_now ();
  if (!self.waits_since_)
    self.waits_since_ = now;
  if (now - self.waits_since_ < kParametersLimit || self.unfit_)
    return GST_PAD_PROBE_OK;
  self.unfit_ = true;
  self.callbacks_.unfit (
      "The stream has come for 9 s without the parameter sets (SPS and PPS) "
      "that a decoder begins with: let the source repeat them before each key "
      "frame (h264parse config-interval=-1, v4l2h264enc "
      "extra-controls=controls,repeat_sequence_header=1).");
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
  gst_ghost_pad_set_target (GST_GHOST_PAD (sink_pad_.get ()), nullptr);
  drop_parser ();
  auto target = adopt (gst_element_get_static_pad (tee_.get (), "sink"));
  if (!wanted.empty ()) {
    auto parser = sink (gst_element_factory_make (wanted.c_str (), nullptr));
    auto filter = sink (gst_element_factory_make ("capsfilter", nullptr));
    if (!parser || !filter) {
      GST_ELEMENT_ERROR (bin_, CORE, MISSING_PLUGIN,
          ("The element %s is missing.",
              (parser ? "capsfilter" : wanted.c_str ())),
          (nullptr));
      parser_name_ = kMissing; // the next caps are another matter
      return;
    }
    // Kept when they are in the bin: what is kept is taken out of it again.
    parser_ = std::move (parser);
    filter_ = std::move (filter);
    g_autoptr (GstCaps) parsed = gst_caps_from_string (type->parsed_caps);
    g_object_set (filter_.get (), "caps", parsed, nullptr);
    gst_bin_add_many (bin_, parser_.get (), filter_.get (), nullptr);
    gst_element_link_many (
        parser_.get (), filter_.get (), tee_.get (), nullptr);
    gst_element_sync_state_with_parent (filter_.get ());
    gst_element_sync_state_with_parent (parser_.get ());
    target = adopt (gst_element_get_static_pad (parser_.get (), "sink"));
  }
  parser_name_ = wanted;
  gst_ghost_pad_set_target (GST_GHOST_PAD (sink_pad_.get ()), target.get ());
}

} // namespace robotlive
