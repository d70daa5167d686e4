// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the tests of sessiongate share: a clock that stands until told to move.
#pragma once
#include "gate/gategobject.hpp"
#include <atomic>
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

constexpr gint64 kSecond = GST_SECOND;
constexpr gint64 kWall = 1800000000 * kSecond; // 2027-01-15

struct FakeClocks
{
  std::atomic<gint64> boot{1000 * kSecond};
  std::atomic<gint64> wall{kWall};

  void advance (gint64 ns)
  {
    boot += ns;
    wall += ns;
  }
  GstSessionGateClocks functions ()
  {
    return {[] (gpointer self) -> gint64 {
              return static_cast<FakeClocks *> (self)->boot;
            },
        [] (gpointer self) -> gint64 {
          return static_cast<FakeClocks *> (self)->wall;
        },
        this};
  }
};

// Transfer full, not floating.
inline GstElement *
new_gate ()
{
  static const gboolean registered =
      GST_ELEMENT_REGISTER (sessiongate, nullptr);
  fail_unless (registered);
  GstElement *gate = gst_element_factory_make ("sessiongate", nullptr);
  gst_object_ref_sink (gate);
  return gate;
}

// A gate between two pads, with a bus. Its clocks are ours.
struct Fixture
{
  FakeClocks clocks;
  GstElement *element = new_gate ();
  GstSessionGate *gate = GST_SESSION_GATE (element);
  GstHarness *harness = nullptr;
  GstBus *bus = gst_bus_new ();

  Fixture ()
  {
    const GstSessionGateClocks functions = clocks.functions ();
    gst_session_gate_set_clocks (gate, &functions);
    gst_element_set_bus (element, bus);
  }
  ~Fixture ()
  {
    if (harness)
      gst_harness_teardown (harness);
    gst_element_set_state (element, GST_STATE_NULL);
    gst_element_set_bus (element, nullptr);
    gst_bus_set_flushing (bus, TRUE);
    gst_object_unref (bus);
    gst_object_unref (element);
  }
  // Starts the element: what comes before was set in NULL.
  void start (const gchar *caps = "video/x-h264")
  {
    harness = gst_harness_new_with_element (element, "sink", "src");
    gst_harness_set_src_caps_str (harness, caps);
  }
  void set (const gchar *property, const std::string &value)
  {
    g_object_set (element, property, value.c_str (), nullptr);
  }
  gint state ()
  {
    gint value = -1;
    g_object_get (element, "state", &value, nullptr);
    return value;
  }
  guint64 number (const gchar *property)
  {
    guint64 value = 0;
    g_object_get (element, property, &value, nullptr);
    return value;
  }
  // The next message of the gate with this event; the test's time-out ends a
  // wait for one that never comes.
  GstStructure *wait_for (const gchar *event)
  {
    for (;;) {
      GstMessage *message = gst_bus_timed_pop_filtered (
          bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_ELEMENT);
      GstStructure *structure =
          gst_structure_copy (gst_message_get_structure (message));
      gst_message_unref (message);
      if (!g_strcmp0 (gst_structure_get_string (structure, "event"), event))
        return structure;
      gst_structure_free (structure);
    }
  }
  void expect (const gchar *event) { gst_structure_free (wait_for (event)); }
  GstFlowReturn push (bool delta = false, guint64 pts = 0)
  {
    GstBuffer *buffer = gst_harness_create_buffer (harness, 10);
    GST_BUFFER_PTS (buffer) = pts;
    if (delta)
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    return gst_harness_push (harness, buffer);
  }
  // How many buffers have left since the last time.
  guint left ()
  {
    guint count = 0;
    while (GstBuffer *buffer = gst_harness_try_pull (harness)) {
      gst_buffer_unref (buffer);
      ++count;
    }
    return count;
  }
};

inline std::string
wall_ms (gint64 ns)
{
  return std::to_string (ns / 1000000);
}
