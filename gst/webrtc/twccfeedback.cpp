// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtc/twccfeedback.hpp"
#include "webrtc/internals.hpp"

namespace robotlive {

namespace {

// Nothing that one feedback message can describe is longer (16-bit count).
constexpr guint kMaxPackets = 65535;

bool
read_packet (const GstStructure *structure, PacketReport *out)
{
  guint64 local = GST_CLOCK_TIME_NONE, remote = GST_CLOCK_TIME_NONE;
  guint size = 0;
  gboolean lost = FALSE;
  gst_structure_get (structure, "local-ts", G_TYPE_UINT64, &local, nullptr);
  gst_structure_get (structure, "remote-ts", G_TYPE_UINT64, &remote, nullptr);
  gst_structure_get (structure, "size", G_TYPE_UINT, &size, nullptr);
  gst_structure_get (structure, "lost", G_TYPE_BOOLEAN, &lost, nullptr);
  if (!GST_CLOCK_TIME_IS_VALID (local))
    return false;
  out->sent = static_cast<std::int64_t> (local / GST_USECOND);
  out->size = size;
  if (!lost && GST_CLOCK_TIME_IS_VALID (remote))
    out->received = static_cast<std::int64_t> (remote / GST_USECOND);
  return true;
}

} // namespace

std::vector<PacketReport>
read_twcc_event (GstEvent *event)
{
  std::vector<PacketReport> packets;
  const GstStructure *structure =
      GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_UPSTREAM
          ? gst_event_get_structure (event)
          : nullptr;
  if (!structure || !gst_structure_has_name (structure, "RTPTWCCPackets") ||
      !internal_holds (Internal::TransportFeedback))
    return packets;
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS
  const GValue *value = gst_structure_get_value (structure, "packets");
  const auto *array =
      value && G_VALUE_HOLDS (value, g_value_array_get_type ())
          ? static_cast<const GValueArray *> (g_value_get_boxed (value))
          : nullptr;
  if (!array)
    internal_failed (Internal::TransportFeedback);
  for (guint i = 0; array && i < array->n_values && i < kMaxPackets; i++) {
    PacketReport packet;
    if (GST_VALUE_HOLDS_STRUCTURE (&array->values[i]) &&
        read_packet (gst_value_get_structure (&array->values[i]), &packet))
      packets.push_back (packet);
  }
  G_GNUC_END_IGNORE_DEPRECATIONS
  return packets;
}

} // namespace robotlive
