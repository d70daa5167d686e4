// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bintest.hpp"
#include "robotlive.h"
#include <algorithm>
#include <glib/gstdio.h>

namespace robotlive::test {

namespace {

// The dtls plugin makes one GstDtlsAgent with one key for the whole process and
// never frees it (get_agent_by_pem () in gst-plugins-bad's gstdtlsdec.c). Made
// here, before any test, it is the only one: it alone may be left over.
void
excuse_dtls_agent ()
{
  GstObject *tracer = nullptr;
  GList *tracers = gst_tracing_get_active_tracers ();
  for (GList *item = tracers; item; item = item->next)
    if (g_str_equal (G_OBJECT_TYPE_NAME (item->data), "GstLeaksTracer"))
      tracer = GST_OBJECT (gst_object_ref (item->data));
  g_list_free_full (tracers, gst_object_unref);
  auto first = sink (gst_element_factory_make ("dtlsdec", nullptr));
  auto second = sink (gst_element_factory_make ("dtlsdec", nullptr));
  g_assert_true (first && second);
  first.reset ();
  second.reset ();
  if (!tracer)
    return;
  GstStructure *live = nullptr;
  g_signal_emit_by_name (tracer, "get-live-objects", &live);
  const GValue *list = gst_structure_get_value (live, "live-objects-list");
  unsigned agents = 0;
  bool owned = false;
  for (guint i = 0; i < gst_value_list_get_size (list); i++) {
    const GstStructure *info =
        gst_value_get_structure (gst_value_list_get_value (list, i));
    const GValue *object = gst_structure_get_value (info, "object");
    if (!G_VALUE_HOLDS_OBJECT (object) ||
        !g_str_equal (
            G_OBJECT_TYPE_NAME (g_value_get_object (object)), "GstDtlsAgent"))
      continue;
    GST_OBJECT_FLAG_SET (
        g_value_get_object (object), GST_OBJECT_FLAG_MAY_BE_LEAKED);
    guint told = 0;
    gst_structure_get (info, "ref-count", G_TYPE_UINT, &told, nullptr);
    owned = G_OBJECT (g_value_get_object (object))->ref_count > told;
    agents++;
  }
  g_assert_cmpuint (agents, ==, 1);
  // GStreamer 1.22 lists the objects without a reference, and would drop one.
  if (owned)
    gst_structure_free (live);
  gst_object_unref (tracer);
}

} // namespace

void
register_elements ()
{
  // Outside of any test: libcheck's own assertions do not work here.
  g_assert_true (GST_ELEMENT_REGISTER (sessiongate, nullptr));
  g_assert_true (GST_ELEMENT_REGISTER (signalingbin, nullptr));
  excuse_dtls_agent ();
}

unsigned
entries_of (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, nullptr);
  unsigned count = 0;
  while (dir && g_dir_read_name (dir))
    count++;
  return count;
}

void
flush_bus (GstElement *pipeline)
{
  auto bus = adopt (gst_element_get_bus (pipeline));
  gst_bus_set_flushing (bus.get (), TRUE);
}

Robot::Robot (const std::string &codec, const std::string &properties, Key key,
    bool start, const std::string &before_encoder)
{
  const std::string encoder =
      codec.find ('!') != std::string::npos ? codec
      : codec == "H264" ? "openh264enc gop-size=300 complexity=low ! h264parse"
                        : "vp8enc deadline=1 cpu-used=16 keyframe-max-dist=300";
  const std::string text =
      "videotestsrc is-live=true pattern=ball ! "
      "video/x-raw,format=I420,width=160,height=120,framerate=30/1 ! " +
      (before_encoder.empty () ? "" : before_encoder + " ! ") + encoder +
      " ! signalingbin name=bin robot-id=robot_1 " + properties;
  g_autoptr (GError) error = nullptr;
  pipeline = gst_parse_launch (text.c_str (), &error);
  g_assert_no_error (error);
  bin = gst_bin_get_by_name (GST_BIN (pipeline), "bin");
  gst_object_unref (bin); // the pipeline keeps it
  bus_ = gst_element_get_bus (pipeline);

  if (key == Key::File) {
    key_ = JwtKey::generate_es256 ();
    g_autofree char *name = nullptr;
    const int fd = g_file_open_tmp ("grant-key-XXXXXX", &name, nullptr);
    fail_unless (fd >= 0);
    g_close (fd, nullptr);
    key_file_ = name;
    fail_unless (
        g_file_set_contents (name, key_->public_pem ().c_str (), -1, nullptr));
    g_object_set (bin, "grant-key", name, nullptr);
  }
  gst_signaling_bin_set_signaller (
      GST_SIGNALING_BIN (bin), std::make_unique<FakeSignaller> (link));
  if (start)
    fail_unless (gst_element_set_state (pipeline, GST_STATE_PLAYING) !=
                 GST_STATE_CHANGE_FAILURE);
}

void
Robot::forget_messages ()
{
  drain_bus ();
  for (GstStructure *message : messages_)
    gst_structure_free (message);
  messages_.clear ();
}

Robot::~Robot ()
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  forget_messages ();
  gst_bus_set_flushing (bus_, TRUE);
  gst_object_unref (bus_);
  gst_object_unref (pipeline);
  if (!key_file_.empty ())
    g_unlink (key_file_.c_str ());
}

SessionTerms
Robot::terms (const std::string &user, const std::string &peer_id,
    TimeMs server_time, TimeMs expires_at, const std::string &robot_id)
{
  Grant grant;
  grant.issuer = "test";
  grant.viewer_id = user;
  grant.robot_id = robot_id;
  grant.peer_id = peer_id;
  grant.role = "viewer";
  grant.window = {server_time - 1000, expires_at};
  if (expires_at <= server_time)
    grant.window.starts_at = expires_at - 1000;
  grant.issued_at = std::min (server_time, expires_at);
  SessionTerms terms;
  terms.role = "viewer";
  terms.not_before = grant.window.starts_at;
  terms.expires_at = expires_at;
  terms.server_time = server_time;
  terms.grant = JwtCodec::sign_grant (*key_, grant);
  return terms;
}

void
Robot::drain_bus ()
{
  while (GstMessage *message = gst_bus_pop (bus_)) {
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
      g_autoptr (GError) error = nullptr;
      g_autofree char *debug = nullptr;
      gst_message_parse_error (message, &error, &debug);
      fail ("pipeline error: %s (%s)", error->message, debug);
    }
    if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT)
      messages_.push_back (
          gst_structure_copy (gst_message_get_structure (message)));
    else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY)
      gst_bin_recalculate_latency (GST_BIN (pipeline));
    gst_message_unref (message);
  }
}

bool
Robot::wait (const std::function<bool ()> &condition)
{
  const auto give_up = std::chrono::steady_clock::now () + kDeadline * 2;
  while (!condition ()) {
    drain_bus ();
    if (std::chrono::steady_clock::now () > give_up)
      return false;
    std::this_thread::sleep_for (std::chrono::milliseconds (10));
  }
  return true;
}

bool
Robot::wait_message (const char *name)
{
  return wait ([&] () { return has_message (name); });
}

bool
Robot::has_message (const char *name) const
{
  return std::any_of (
      messages_.begin (), messages_.end (), [name] (GstStructure *message) {
        return gst_structure_has_name (message, name);
      });
}

std::string
Robot::removal (const char *peer_id)
{
  drain_bus ();
  for (GstStructure *message : messages_)
    if (gst_structure_has_name (message, ROBOTLIVE_MESSAGE_VIEWER_REMOVED) &&
        g_str_equal (gst_structure_get_string (message, "peer-id"), peer_id))
      return std::string (gst_structure_get_string (message, "reason")) + ": " +
             gst_structure_get_string (message, "message");
  return "";
}

bool
Robot::wait_removed (
    const char *peer_id, const char *reason, TestViewer *viewer)
{
  std::string got;
  const bool came = wait ([&] () {
    if (viewer)
      viewer->give_candidates ();
    got = removal (peer_id);
    return !got.empty ();
  });
  // The macro keeps a pointer: not into a temporary.
  const std::string told = got.substr (0, got.find (':'));
  if (came && reason)
    fail_unless_equals_string (reason, told.c_str ());
  return came;
}

int
Robot::viewer_count ()
{
  g_auto (GStrv) ids = nullptr;
  g_signal_emit_by_name (bin, "list-viewers", &ids);
  return ids ? static_cast<int> (g_strv_length (ids)) : -1;
}

GstStructure *
Robot::viewer_stats (const char *peer_id)
{
  g_autoptr (GstStructure) stats = nullptr;
  g_object_get (bin, "stats", &stats, nullptr);
  const GValue *list = gst_structure_get_value (stats, "viewers");
  for (guint i = 0; list && i < gst_value_list_get_size (list); i++) {
    const GstStructure *viewer =
        gst_value_get_structure (gst_value_list_get_value (list, i));
    if (g_str_equal (gst_structure_get_string (viewer, "peer-id"), peer_id))
      return gst_structure_copy (viewer);
  }
  return nullptr;
}

guint64
Robot::number (const char *peer_id, const char *field)
{
  g_autoptr (GstStructure) stats = viewer_stats (peer_id);
  guint64 large = 0;
  guint small = 0;
  if (!stats || gst_structure_get_uint64 (stats, field, &large))
    return large;
  gst_structure_get_uint (stats, field, &small);
  return small;
}

gint64
Robot::remaining (const char *peer_id)
{
  g_autoptr (GstStructure) stats = viewer_stats (peer_id);
  guint64 remaining = GST_CLOCK_TIME_NONE;
  if (stats)
    gst_structure_get_uint64 (stats, "remaining", &remaining);
  return remaining == GST_CLOCK_TIME_NONE ? -1
                                          : gint64 (remaining / GST_MSECOND);
}

} // namespace robotlive::test
