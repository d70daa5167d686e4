// SPDX-License-Identifier: LGPL-2.1-or-later
#include "viewerstats.hpp"
#include "glibptr.hpp"

namespace robotlive {

namespace {

void
add_sender (GstStructure *stats, const GstStructure *source)
{
  guint64 packets = 0, bytes = 0, bitrate = 0;
  guint nack = 0, pli = 0;
  gst_structure_get (source, "packets-sent", G_TYPE_UINT64, &packets, nullptr);
  gst_structure_get (source, "octets-sent", G_TYPE_UINT64, &bytes, nullptr);
  gst_structure_get (source, "bitrate", G_TYPE_UINT64, &bitrate, nullptr);
  gst_structure_get (source, "recv-nack-count", G_TYPE_UINT, &nack, nullptr);
  gst_structure_get (source, "recv-pli-count", G_TYPE_UINT, &pli, nullptr);
  gst_structure_set (stats, "packets", G_TYPE_UINT64, packets, "bytes",
      G_TYPE_UINT64, bytes, "bitrate", G_TYPE_UINT64, bitrate, "nack",
      G_TYPE_UINT, nack, "pli", G_TYPE_UINT, pli, nullptr);
}

void
add_report (GstStructure *stats, const GstStructure *source)
{
  guint fraction = 0, jitter = 0, rtt = 0;
  gint lost = 0;
  gst_structure_get (source, "rb-fractionlost", G_TYPE_UINT, &fraction,
      "rb-packetslost", G_TYPE_INT, &lost, "rb-jitter", G_TYPE_UINT, &jitter,
      "rb-round-trip", G_TYPE_UINT, &rtt, nullptr);
  // RFC 3550 section 6.4.1: 1/256, clock rate units, 1/65536 s.
  gst_structure_set (stats, "fraction-lost", G_TYPE_DOUBLE, fraction / 256.0,
      "packets-lost", G_TYPE_INT, lost, "jitter", G_TYPE_DOUBLE,
      jitter / 90000.0, "round-trip-time", G_TYPE_DOUBLE, rtt / 65536.0,
      nullptr);
}

// Calls *visit* with each source of the session's statistics.
template <typename Visit>
void
for_each_source (GstElement *webrtc, Visit visit)
{
  auto rtpbin = adopt (gst_bin_get_by_name (GST_BIN (webrtc), "rtpbin"));
  if (!rtpbin)
    return;
  // With everything bundled the session is that of the first m-line.
  g_autoptr (GObject) session = nullptr;
  g_signal_emit_by_name (rtpbin.get (), "get-internal-session", 0u, &session);
  if (!session)
    return;
  g_autoptr (GstStructure) all = nullptr;
  g_object_get (session, "stats", &all, nullptr);
  const GValue *sources =
      all ? gst_structure_get_value (all, "source-stats") : nullptr;
  if (!sources)
    return;
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS
  const auto *array =
      static_cast<const GValueArray *> (g_value_get_boxed (sources));
  for (guint i = 0; array && i < array->n_values; i++)
    visit (gst_value_get_structure (&array->values[i]));
  G_GNUC_END_IGNORE_DEPRECATIONS
}

bool
has_report (const GstStructure *source)
{
  gboolean internal = FALSE, report = FALSE;
  gst_structure_get (source, "internal", G_TYPE_BOOLEAN, &internal, "have-rb",
      G_TYPE_BOOLEAN, &report, nullptr);
  return !internal && report;
}

} // namespace

void
add_rtp_stats (GstStructure *stats, GstElement *webrtc, guint32 ssrc)
{
  for_each_source (webrtc, [stats, ssrc] (const GstStructure *source) {
    guint number = 0;
    gboolean internal = FALSE;
    gst_structure_get (source, "ssrc", G_TYPE_UINT, &number, "internal",
        G_TYPE_BOOLEAN, &internal, nullptr);
    if (internal && number == ssrc)
      add_sender (stats, source);
    else if (has_report (source))
      add_report (stats, source);
  });
}

bool
read_report (GstElement *webrtc, double *loss, double *round_trip)
{
  bool found = false;
  for_each_source (webrtc, [&] (const GstStructure *source) {
    guint fraction = 0, rtt = 0;
    if (!has_report (source))
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
