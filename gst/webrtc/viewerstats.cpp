// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtc/viewerstats.hpp"
#include "base/glibptr.hpp"
#include "robotlive.h"
#include "webrtc/internals.hpp"
#include <gst/gst.h>
#include <string>

namespace robotlive {

namespace {

template <typename T>
void
set (GstStructure *stats, const char *prefix, const char *name, GType type,
    T value)
{
  const auto field = std::string (prefix) + name;
  gst_structure_set (stats, field.c_str (), type, value, nullptr);
}

void
add_sender (GstStructure *stats, const GstStructure *source, const char *prefix)
{
  guint64 packets = 0, bytes = 0, bitrate = 0;
  guint nack = 0, pli = 0;
  gst_structure_get (source, "packets-sent", G_TYPE_UINT64, &packets, nullptr);
  gst_structure_get (source, "octets-sent", G_TYPE_UINT64, &bytes, nullptr);
  gst_structure_get (source, "bitrate", G_TYPE_UINT64, &bitrate, nullptr);
  gst_structure_get (source, "recv-nack-count", G_TYPE_UINT, &nack, nullptr);
  gst_structure_get (source, "recv-pli-count", G_TYPE_UINT, &pli, nullptr);
  set (stats, prefix, ROBOTLIVE_FIELD_PACKETS, G_TYPE_UINT64, packets);
  set (stats, prefix, ROBOTLIVE_FIELD_BYTES, G_TYPE_UINT64, bytes);
  set (stats, prefix, ROBOTLIVE_FIELD_BITRATE, G_TYPE_UINT64, bitrate);
  set (stats, prefix, ROBOTLIVE_FIELD_NACK, G_TYPE_UINT, nack);
  set (stats, prefix, ROBOTLIVE_FIELD_PLI, G_TYPE_UINT, pli);
}

void
add_report (GstStructure *stats, const GstStructure *source, guint clock_rate,
    const char *prefix)
{
  guint fraction = 0, jitter = 0, rtt = 0;
  gint lost = 0;
  gst_structure_get (source, "rb-fractionlost", G_TYPE_UINT, &fraction,
      "rb-packetslost", G_TYPE_INT, &lost, "rb-jitter", G_TYPE_UINT, &jitter,
      "rb-round-trip", G_TYPE_UINT, &rtt, nullptr);
  // RFC 3550 section 6.4.1: 1/256, clock rate units, 1/65536 s.
  set (stats, prefix, ROBOTLIVE_FIELD_FRACTION_LOST, G_TYPE_DOUBLE,
      fraction / 256.0);
  set (stats, prefix, ROBOTLIVE_FIELD_PACKETS_LOST, G_TYPE_INT, lost);
  set (stats, prefix, ROBOTLIVE_FIELD_JITTER, G_TYPE_DOUBLE,
      jitter / double (clock_rate));
  set (stats, prefix, ROBOTLIVE_FIELD_ROUND_TRIP_TIME, G_TYPE_DOUBLE,
      rtt / 65536.0);
}

// Calls *visit* with each source of the session's statistics.
template <typename Visit>
void
for_each_source (GstElement *webrtc, Visit visit)
{
  if (!internal_holds (Internal::RtpStatistics))
    return;
  auto rtpbin = adopt (gst_bin_get_by_name (GST_BIN (webrtc), "rtpbin"));
  // With everything bundled the session is that of the first m-line.
  g_autoptr (GObject) session = nullptr;
  if (rtpbin)
    g_signal_emit_by_name (rtpbin.get (), "get-internal-session", 0u, &session);
  g_autoptr (GstStructure) all = nullptr;
  if (session)
    g_object_get (session, "stats", &all, nullptr);
  const GValue *sources =
      all ? gst_structure_get_value (all, "source-stats") : nullptr;
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS
  const auto *array =
      sources && G_VALUE_HOLDS (sources, g_value_array_get_type ())
          ? static_cast<const GValueArray *> (g_value_get_boxed (sources))
          : nullptr;
  if (!array)
    internal_failed (Internal::RtpStatistics);
  for (guint i = 0; array && i < array->n_values; i++)
    visit (gst_value_get_structure (&array->values[i]));
  G_GNUC_END_IGNORE_DEPRECATIONS
}

// The peer has one source for all that it receives, and its last report is
// kept: of our picture or of our sound.
bool
has_report (const GstStructure *source, guint32 ssrc)
{
  gboolean internal = FALSE, report = FALSE;
  guint about = 0;
  gst_structure_get (source, "internal", G_TYPE_BOOLEAN, &internal, "have-rb",
      G_TYPE_BOOLEAN, &report, "rb-ssrc", G_TYPE_UINT, &about, nullptr);
  return !internal && report && about == ssrc;
}

} // namespace

void
add_rtp_stats (GstStructure *stats, GstElement *webrtc, guint32 ssrc,
    guint clock_rate, const char *prefix)
{
  for_each_source (webrtc, [=] (const GstStructure *source) {
    guint number = 0;
    gboolean internal = FALSE;
    gst_structure_get (source, "ssrc", G_TYPE_UINT, &number, "internal",
        G_TYPE_BOOLEAN, &internal, nullptr);
    if (internal && number == ssrc)
      add_sender (stats, source, prefix);
    else if (has_report (source, ssrc))
      add_report (stats, source, clock_rate, prefix);
  });
}

bool
read_report (GstElement *webrtc, guint32 ssrc, double *loss, double *round_trip)
{
  bool found = false;
  for_each_source (webrtc, [&] (const GstStructure *source) {
    guint fraction = 0, rtt = 0;
    if (!has_report (source, ssrc))
      return;
    gst_structure_get (source, "rb-fractionlost", G_TYPE_UINT, &fraction,
        "rb-round-trip", G_TYPE_UINT, &rtt, nullptr);
    *loss = fraction / 256.0;
    *round_trip = rtt / 65536.0;
    found = true;
  });
  return found;
}

} // namespace robotlive
