// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Controller's part towards the pipeline: the streams that come in, what gates
// and encoders upstream are told, what is known of them.
#include "bin/controller.hpp"
#include "bin/signalingbinpad.hpp"
#include "robotlive.h"
#include "webrtc/internals.hpp"
#include <algorithm>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

// Pads bring their caps within a moment of each other. An offer does not wait
// longer for all of them than this once the first picture is known.
constexpr std::int64_t kStreamsLimit = std::int64_t (2000000000);

// "sink", then video_0, video_1, ..., then audio_0.
std::pair<int, guint64>
rank (const std::string &pad)
{
  const char *digits = strrchr (pad.c_str (), '_');
  const guint64 number =
      digits ? g_ascii_strtoull (digits + 1, nullptr, 10) : 0;
  return {pad == "sink"                               ? 0
          : g_str_has_prefix (pad.c_str (), "video_") ? 1
                                                      : 2,
      number};
}

bool
is_linked (const Stream &stream)
{
  return gst_pad_is_linked (stream.input->sink_pad ());
}

GstStructure *
stream_stats (const Stream &stream)
{
  GstStructure *stats =
      gst_structure_new (ROBOTLIVE_STRUCTURE_STREAM, ROBOTLIVE_FIELD_PAD,
          G_TYPE_STRING, stream.pad.c_str (), ROBOTLIVE_FIELD_CODEC,
          G_TYPE_STRING, stream.codec.encoding_name.c_str (), nullptr);
  if (stream.rate)
    gst_structure_set (stats, ROBOTLIVE_FIELD_KEY_FRAMES, G_TYPE_STRING,
        key_frames_name (stream.input->encoder ().key_frames ()),
        ROBOTLIVE_FIELD_TARGET_BITRATE, G_TYPE_UINT, stream.rate->target (),
        nullptr);
  return stats;
}

// Takes over the items.
void
take_list (GstStructure *stats, const char *field,
    const std::vector<GstStructure *> &items)
{
  GValue list = G_VALUE_INIT;
  gst_value_list_init (&list, static_cast<guint> (items.size ()));
  for (GstStructure *structure : items) {
    GValue item = G_VALUE_INIT;
    g_value_init (&item, GST_TYPE_STRUCTURE);
    g_value_take_boxed (&item, structure);
    gst_value_list_append_and_take_value (&list, &item);
  }
  gst_structure_take_value (stats, field, &list);
}

} // namespace

// --- streams ----------------------------------------------------------------

void
Controller::add_stream (const std::string &pad, std::shared_ptr<Input> input)
{
  const auto place = std::find_if (streams_.begin (), streams_.end (),
      [&pad] (const auto &other) { return rank (pad) < rank (other->pad); });
  auto added = std::make_shared<Stream> (pad, std::move (input));
  if (added->rate)
    added->rate->set_settings (settings_.rate);
  streams_.insert (place, std::move (added));
}

void
Controller::remove_stream (const std::string &pad)
{
  const auto found = std::find_if (streams_.begin (), streams_.end (),
      [&pad] (const auto &other) { return other->pad == pad; });
  if (found == streams_.end ())
    return;
  std::vector<std::string> ids;
  for (const auto &[peer_id, viewer] : viewers_)
    if (viewer->takes (pad))
      ids.push_back (peer_id);
  for (const auto &id : ids)
    end_viewer (id, "codec-changed");
  streams_.erase (found);
}

Stream *
Controller::stream (const std::string &pad)
{
  for (const auto &stream : streams_)
    if (stream->pad == pad)
      return stream.get ();
  return nullptr;
}

Stream *
Controller::stream_of (const std::string &peer_id)
{
  const auto found = viewers_.find (peer_id);
  return found == viewers_.end () ? nullptr
                                  : stream (found->second->picture_pad ());
}

// The first picture, or one that says which other pad's picture it is.
bool
Controller::is_alternative (const Stream &stream) const
{
  const auto of = alternative_of (stream.input->sink_pad ());
  for (const auto &other : streams_) {
    if (other->input->audio ())
      continue;
    if (!of.empty ()) {
      if (other.get () != &stream && other->pad == of)
        return true;
    } else if (is_linked (*other) &&
               alternative_of (other->input->sink_pad ()).empty ()) {
      return other.get () == &stream;
    }
  }
  return false;
}

std::vector<const Stream *>
Controller::pictures () const
{
  std::vector<const Stream *> known;
  for (const auto &stream : streams_)
    if (!stream->input->audio () && stream->known () &&
        stream->unfit.empty () && is_alternative (*stream))
      known.push_back (stream.get ());
  return known;
}

const Stream *
Controller::audio () const
{
  for (const auto &stream : streams_)
    if (stream->input->audio () && stream->known ())
      return stream.get ();
  return nullptr;
}

bool
Controller::streams_ready (const Pending &pending) const
{
  if (pictures ().empty ())
    return false;
  return boot_now () - pending.arrived_at >= kStreamsLimit ||
         std::all_of (
             streams_.begin (), streams_.end (), [] (const auto &stream) {
               return stream->known () || !is_linked (*stream);
             });
}

void
Controller::set_codec (const std::string &pad, const StreamCodec &codec)
{
  Stream *changed = stream (pad);
  if (!changed)
    return;
  const auto before = changed->codec.encoding_name;
  changed->codec = codec;
  if (codec.encoding_name == before)
    return;
  // Peer connections are made for one codec.
  std::vector<std::string> ids;
  for (const auto &[peer_id, viewer] : viewers_)
    if (!before.empty () && viewer->takes (pad))
      ids.push_back (peer_id);
  for (const auto &id : ids)
    end_viewer (id, "codec-changed");
  if (!changed->input->audio () && !is_alternative (*changed))
    outbox_->add ([element = element_, pad] () {
      GST_ELEMENT_ERROR (element, RESOURCE, SETTINGS,
          ("The pad %s brings a second picture: set its property "
           "alternative-of to the name of the pad whose picture it is as well.",
              pad.c_str ()),
          (nullptr));
    });
  proceed_all ();
}

void
Controller::set_unfit (const std::string &pad, const std::string &sentence)
{
  Stream *changed = stream (pad);
  if (!changed || changed->unfit == sentence)
    return;
  changed->unfit = sentence;
  if (sentence.empty ()) {
    proceed_all ();
    return;
  }
  outbox_->add ([element = element_, pad, sentence] () {
    GST_ELEMENT_WARNING (element, STREAM, FORMAT, ("%s", sentence.c_str ()),
        ("the stream at the pad %s", pad.c_str ()));
  });
  std::vector<std::string> ids;
  for (const auto &[peer_id, viewer] : viewers_)
    if (viewer->picture_pad () == pad)
      ids.push_back (peer_id);
  for (const auto &id : ids)
    viewer_remove (id, "unfit", "unavailable", sentence);
  proceed_all ();
}

std::string
Controller::unfit () const
{
  std::string sentence;
  for (const auto &stream : streams_) {
    if (stream->input->audio () || !is_linked (*stream))
      continue;
    if (stream->unfit.empty ())
      return "";
    if (sentence.empty ())
      sentence = stream->unfit;
  }
  return sentence;
}

void
Controller::set_latency (GstClockTime latency)
{
  latency_ = latency;
  for (const auto &[peer_id, viewer] : viewers_)
    viewer->set_latency (latency);
}

// --- upstream ---------------------------------------------------------------

void
Controller::key_frame_wanted (const std::string &pad)
{
  if (Stream *from = stream (pad))
    outbox_->add (
        [input = from->input] () { input->encoder ().apply_key_frame (); });
}

void
Controller::ask_key_frame (const Stream &stream)
{
  outbox_->add (
      [input = stream.input] () { input->encoder ().request_key_frame (); });
}

void
Controller::key_frame_later (const std::string &pad, unsigned ms)
{
  Stream *from = stream (pad);
  auto loop = loop_.lock ();
  if (from && loop)
    from->key_frame_timer =
        loop->after (ms, [outbox = outbox_, input = from->input] () {
          outbox->add ([input] () { input->ask_again (); });
        });
}

bool
Controller::pause_viewer (const std::string &peer_id, bool paused)
{
  const auto found = viewers_.find (peer_id);
  if (found == viewers_.end ())
    return false;
  auto &viewer = *found->second;
  if (viewer.paused () == paused)
    return true;
  viewer.set_paused (paused);
  GST_INFO_OBJECT (element_, "viewer %s %s", peer_id.c_str (),
      paused ? "paused" : "resumed");
  Stream *from = stream_of (peer_id);
  if (paused)
    leave_rate (from, peer_id);
  else if (from && viewer.state () == ViewerState::Streaming)
    viewer.start_estimate (from->rate->add_viewer (), settings_.rate.pacing);
  // A gate upstream opens before a key frame is asked for.
  announce_sessions ();
  if (!paused)
    viewer_needs_key_frame (peer_id);
  return true;
}

void
Controller::stream_started (const std::string &pad)
{
  if (Stream *started = stream (pad))
    announce_sessions (started, true);
}

void
Controller::announce_sessions ()
{
  for (const auto &stream : streams_)
    announce_sessions (stream.get (), false);
}

void
Controller::announce_sessions (Stream *stream, bool again)
{
  std::int64_t opens = kNeverNs, ends = 0;
  guint count = 0;
  const auto add = [&] (const Admitted &terms) {
    opens = std::min (opens, terms.opens_at);
    ends = std::max (ends, terms.ends_at);
    count++;
  };
  for (const auto &[peer_id, viewer] : viewers_)
    if (viewer->takes (stream->pad) && !viewer->paused ())
      add (viewer->terms ());
  // Which picture these get depends on what the pads bring.
  for (const auto &[peer_id, pending] : pending_)
    if (pending.admitted)
      add (pending.terms);
  if (!again && ends == stream->announced_end &&
      count == stream->announced_viewers)
    return;
  stream->announced_end = ends;
  stream->announced_viewers = count;
  outbox_->add ([input = stream->input, ends, opens, count] () {
    gst_pad_push_event (input->sink_pad (),
        gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
            gst_structure_new (ROBOTLIVE_EVENT_SESSIONS,
                ROBOTLIVE_FIELD_ENDS_AT, G_TYPE_INT64, gint64 (ends),
                ROBOTLIVE_FIELD_OPENS_AT, G_TYPE_INT64,
                gint64 (count ? opens : 0), ROBOTLIVE_FIELD_VIEWERS,
                G_TYPE_UINT, count, nullptr)));
  });
}

void
Controller::tell_encoder (Stream *stream)
{
  if (stream->rate->due ())
    outbox_->add (
        [kept = stream->shared_from_this ()] () { kept->rate->apply (); });
}

void
Controller::rate_tick ()
{
  const auto now = boot_now () / 1000;
  for (const auto &[peer_id, viewer] : viewers_)
    viewer->watch_path (now * 1000);
  for (const auto &stream : streams_)
    if (stream->rate && rate_tick (stream.get (), now))
      notify_target (*stream);
}

void
Controller::viewer_path_fell (const std::string &peer_id)
{
  Stream *from = stream_of (peer_id);
  if (!from || !from->rate)
    return;
  const auto now = boot_now () / 1000;
  // Not where the next key frame is nobody's to ask for.
  if (from->input->encoder ().key_frames () != KeyFrames::None)
    viewers_.at (peer_id)->drain (now);
  if (rate_tick (from, now))
    notify_target (*from);
}

bool
Controller::rate_tick (Stream *stream, std::int64_t now)
{
  auto &control = *stream->rate;
  for (const auto &[peer_id, viewer] : viewers_)
    if (viewer->picture_pad () == stream->pad && !viewer->paused ())
      if (const auto tick = viewer->rate_tick (now))
        control.set_viewer (peer_id, tick->rate, tick->limited,
            controls (*viewer), tick->overrun);
  const bool changed = control.update (now);
  tell_encoder (stream);
  for (const auto &[peer_id, viewer] : viewers_) {
    if (viewer->picture_pad () != stream->pad || viewer->paused ())
      continue;
    viewer->set_thinning (
        control.thinning (peer_id), control.only_key_frames (), now);
    if (const auto limit = viewer->limit_changed (control.highest (), now))
      send ([user = viewer->user (), id = peer_id, limit] (Signaller &link) {
        link.send_limit (user, id, rate_limit_name (*limit));
      });
  }
  if (changed)
    GST_DEBUG_OBJECT (element_, "target of %s: %u bit/s", stream->pad.c_str (),
        control.target ());
  return changed;
}

// Bookings of a robot do not overlap: who has one drives it, an administrator
// without one looks on. The application may know better.
bool
Controller::controls (const Viewer &viewer) const
{
  const auto is_named = [this] (const Viewer &one) {
    return one.user () == named_controller_ ||
           one.peer_id () == named_controller_;
  };
  if (!named_controller_.empty () &&
      std::any_of (viewers_.begin (), viewers_.end (),
          [&] (const auto &other) { return is_named (*other.second); }))
    return is_named (viewer);
  return viewer.terms ().role != "admin";
}

void
Controller::leave_rate (Stream *stream, const std::string &peer_id)
{
  if (!stream)
    return;
  const bool last = std::none_of (
      viewers_.begin (), viewers_.end (), [&] (const auto &other) {
        return other.first != peer_id && !other.second->paused () &&
               other.second->picture_pad () == stream->pad;
      });
  const bool changed = stream->rate->remove_viewer (peer_id, last);
  tell_encoder (stream);
  if (changed)
    notify_target (*stream);
}

guint
Controller::target_bitrate () const
{
  for (const auto &stream : streams_)
    if (stream->rate && stream->rate->target ())
      return stream->rate->target ();
  return 0;
}

guint
Controller::target_bitrate (const std::string &pad) const
{
  for (const auto &stream : streams_)
    if (stream->pad == pad && stream->rate)
      return stream->rate->target ();
  return 0;
}

GstStructure *
Controller::stats () const
{
  const auto now = boot_now ();
  const auto known = pictures ();
  GstStructure *stats = gst_structure_new (ROBOTLIVE_MESSAGE_STATS,
      ROBOTLIVE_FIELD_LINK, G_TYPE_STRING, link_name (link_),
      ROBOTLIVE_FIELD_CODEC, G_TYPE_STRING,
      known.empty () ? "" : known.front ()->codec.encoding_name.c_str (),
      ROBOTLIVE_FIELD_TARGET_BITRATE, G_TYPE_UINT, target_bitrate (),
      ROBOTLIVE_FIELD_HALF_FRAME_RATE, G_TYPE_BOOLEAN,
      std::any_of (streams_.begin (), streams_.end (),
          [] (const auto &stream) {
            return stream->rate && stream->rate->half_frame_rate ();
          }),
      nullptr);
  std::vector<GstStructure *> items;
  for (const auto &stream : streams_)
    if (stream->known ())
      items.push_back (stream_stats (*stream));
  take_list (stats, ROBOTLIVE_FIELD_STREAMS, items);
  items.clear ();
  for (const auto &[peer_id, viewer] : viewers_) {
    items.push_back (viewer->stats (now));
    gst_structure_set (items.back (), ROBOTLIVE_FIELD_CONTROLLER,
        G_TYPE_BOOLEAN, gboolean (controls (*viewer)), nullptr);
  }
  take_list (stats, ROBOTLIVE_FIELD_VIEWERS, items);
  add_internals (stats);
  return stats;
}

} // namespace robotlive
