// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What one element costs per buffer: sessiongate beside valve and identity, in
// the same process, in turns, and a bare link of two pads to subtract. Prints
// JSON: {"unit":"ns","buffers":N,"rounds":R,"results":[{"name",
// "median","min","max","over_bare"}]}. Exits with 1 when the open gate costs
// 1000 ns or more over the bare link.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <gst/gst.h>
#include <string>
#include <vector>

namespace {

struct Candidate
{
  std::string name;
  std::string description; // empty: no element
  GstPad *source = nullptr;
  GstElement *element = nullptr;
  GstPad *sink = nullptr;
  std::vector<double> rounds = {};
};

GstFlowReturn
swallow (GstPad *, GstObject *, GstBuffer *buffer)
{
  gst_buffer_unref (buffer);
  return GST_FLOW_OK;
}

bool
build (Candidate &candidate)
{
  candidate.source = gst_pad_new ("src", GST_PAD_SRC);
  candidate.sink = gst_pad_new ("sink", GST_PAD_SINK);
  gst_pad_set_chain_function (candidate.sink, swallow);
  gst_pad_set_active (candidate.source, TRUE);
  gst_pad_set_active (candidate.sink, TRUE);
  if (candidate.description.empty ()) {
    gst_pad_link (candidate.source, candidate.sink);
  } else {
    GError *error = nullptr;
    candidate.element = gst_parse_bin_from_description (
        candidate.description.c_str (), FALSE, &error);
    if (!candidate.element) {
      std::fprintf (
          stderr, "%s: %s\n", candidate.name.c_str (), error->message);
      return false;
    }
    // Without ghost pads: the element's own.
    GstElement *element =
        gst_bin_get_by_name (GST_BIN (candidate.element), "e");
    GstPad *in = gst_element_get_static_pad (element, "sink");
    GstPad *out = gst_element_get_static_pad (element, "src");
    const bool linked = gst_pad_link_full (candidate.source, in,
                            GST_PAD_LINK_CHECK_NOTHING) == GST_PAD_LINK_OK &&
                        gst_pad_link_full (out, candidate.sink,
                            GST_PAD_LINK_CHECK_NOTHING) == GST_PAD_LINK_OK;
    gst_object_unref (in);
    gst_object_unref (out);
    gst_object_unref (element);
    if (!linked || gst_element_set_state (candidate.element,
                       GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
      return false;
  }
  GstSegment segment;
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (candidate.source, gst_event_new_stream_start ("bench"));
  GstCaps *caps = gst_caps_new_empty_simple ("video/x-h264");
  gst_pad_push_event (candidate.source, gst_event_new_caps (caps));
  gst_caps_unref (caps);
  gst_pad_push_event (candidate.source, gst_event_new_segment (&segment));
  return true;
}

// Nanoseconds per buffer.
double
measure (Candidate &candidate, unsigned buffers)
{
  GstBuffer *buffer = gst_buffer_new_allocate (nullptr, 1200, nullptr);
  const auto start = std::chrono::steady_clock::now ();
  for (unsigned i = 0; i < buffers; ++i)
    gst_pad_push (candidate.source, gst_buffer_ref (buffer));
  const std::chrono::duration<double, std::nano> spent =
      std::chrono::steady_clock::now () - start;
  gst_buffer_unref (buffer);
  return spent.count () / buffers;
}

double
median (std::vector<double> values)
{
  std::sort (values.begin (), values.end ());
  return values[values.size () / 2];
}

} // namespace

int
main (int argc, char **argv)
{
  gst_init (nullptr, nullptr);
  const unsigned buffers = argc > 1 ? std::atoi (argv[1]) : 200000;
  const unsigned rounds = argc > 2 ? std::atoi (argv[2]) : 15;
  std::vector<Candidate> candidates = {
      {"bare", ""},
      {"identity", "identity silent=true name=e"},
      {"valve", "valve drop=false name=e"},
      {"sessiongate", "sessiongate name=e expires-at=2099-01-01T00:00:00Z"},
      {"valve shut", "valve drop=true name=e"},
      {"sessiongate shut", "sessiongate name=e"},
  };
  for (Candidate &candidate : candidates)
    if (!build (candidate))
      return 2;
  for (unsigned round = 0; round < rounds + 1; ++round)
    for (Candidate &candidate : candidates) {
      const double cost = measure (candidate, buffers);
      if (round > 0) // the first one warms up
        candidate.rounds.push_back (cost);
    }
  // A gate that dropped would be cheap: it must have passed everything.
  GstElement *gate = gst_bin_get_by_name (GST_BIN (candidates[3].element), "e");
  guint64 passed = 0, dropped = 0;
  g_object_get (gate, "passed", &passed, "dropped", &dropped, nullptr);
  gst_object_unref (gate);
  if (dropped || passed != guint64 (buffers) * (rounds + 1)) {
    std::fprintf (stderr, "the gate did not pass everything\n");
    return 2;
  }

  const double bare = median (candidates[0].rounds);
  std::printf ("{\"unit\":\"ns\",\"buffers\":%u,\"rounds\":%u,\"results\":[",
      buffers, rounds);
  double gate_cost = 0;
  for (const Candidate &candidate : candidates) {
    const auto range = std::minmax_element (
        candidate.rounds.begin (), candidate.rounds.end ());
    const double cost = median (candidate.rounds);
    if (candidate.name == "sessiongate")
      gate_cost = cost - bare;
    std::printf ("%s{\"name\":\"%s\",\"median\":%.0f,\"min\":%.0f,"
                 "\"max\":%.0f,\"over_bare\":%.0f}",
        candidate.name == "bare" ? "" : ",", candidate.name.c_str (), cost,
        *range.first, *range.second, cost - bare);
  }
  std::printf ("]}\n");
  for (Candidate &candidate : candidates) {
    if (candidate.element) {
      gst_element_set_state (candidate.element, GST_STATE_NULL);
      gst_object_unref (candidate.element);
    }
    gst_object_unref (candidate.source);
    gst_object_unref (candidate.sink);
  }
  return gate_cost < 1000 ? 0 : 1;
}
