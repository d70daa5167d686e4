// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtcstop.hpp"
#include <initializer_list>
#define GST_USE_UNSTABLE_API
#include <gst/webrtc/webrtc.h>

namespace robotlive {

namespace {

// Takes from *end*, a sender or receiver, what receiving bins wait for.
void
disconnect_receivers (GObject *end, GList *bins)
{
  g_autoptr (GObject) dtls = nullptr;
  g_autoptr (GObject) ice = nullptr;
  if (end)
    g_object_get (end, "transport", &dtls, nullptr);
  if (dtls)
    g_object_get (dtls, "transport", &ice, nullptr);
  for (GList *bin = bins; ice && bin; bin = bin->next)
    g_signal_handlers_disconnect_by_data (ice, bin->data);
}

} // namespace

void
prepare_webrtc_for_null (GstElement *webrtc)
{
  GList *bins = nullptr;
  GST_OBJECT_LOCK (webrtc);
  for (GList *child = GST_BIN_CHILDREN (webrtc); child; child = child->next)
    if (g_str_equal (G_OBJECT_TYPE_NAME (child->data), "TransportReceiveBin"))
      bins = g_list_prepend (bins, gst_object_ref (child->data));
  GST_OBJECT_UNLOCK (webrtc);
  g_autoptr (GArray) transceivers = nullptr;
  if (bins)
    g_signal_emit_by_name (webrtc, "get-transceivers", &transceivers);
  for (guint i = 0; transceivers && i < transceivers->len; i++) {
    auto *transceiver = g_array_index (transceivers, GObject *, i);
    for (const char *name : {"sender", "receiver"}) {
      g_autoptr (GObject) end = nullptr;
      g_object_get (transceiver, name, &end, nullptr);
      disconnect_receivers (end, bins);
    }
  }
  g_list_free_full (bins, gst_object_unref);
}

} // namespace robotlive
